import { resolve } from 'node:path';
import type { ReplayedVotes } from '../domain/ballots/replay.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';
import type { ElectionOrigin } from '../domain/election/origin.ts';
import type { StageContext } from '../ports/stage-context.ts';

/**
 * What an election is to be made from, as options say it. Null means "not said", so a later start
 * may leave it out.
 */
export interface OriginOptions {
  readonly election: string | null;
  readonly candidates: string | null;
  readonly roll: string | null;
  readonly api: string | null;
  readonly results: string | null;
  readonly electorate: string | null;
  readonly scale: number | null;
  readonly voters: number | null;
  readonly turnout: number | null;
  readonly seed: string | null;
}

/** An origin that was read and checked, from which an election can be made. */
export interface OpenedOrigin {
  readonly origin: ElectionOrigin;
  /** The id that the election gets where no other election has it. */
  readonly id: ElectionId;
  readonly name: string;
  /** Makes everything that is needed before the first voter can be put into the log. */
  define(context: StageContext): Promise<{ election: Election; replayed?: readonly ReplayedVotes[] }>;
}

/** Tells people what is worth knowing and is not a reason to refuse. */
export type Say = (line: string) => void;

export const VOTERS_DEFAULT = 100_000;
export const TURNOUT_DEFAULT = 0.7;

/**
 * The files of an origin: the hashes that are compared, and the paths where the files are found
 * again.
 */
export function filesOf(
  hashes: { readonly [option: string]: string | null },
  options: OriginOptions,
): Pick<ElectionOrigin, 'files' | 'paths'> {
  const given = Object.entries(hashes).flatMap(([option, hash]) => (hash === null ? [] : [[option, hash] as const]));
  const path = (option: string): string => resolve(String(options[option as keyof OriginOptions]));
  return {
    files: Object.fromEntries(given),
    paths: Object.fromEntries(given.map(([option]) => [option, path(option)])),
  };
}
