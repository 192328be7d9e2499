import { resolve } from 'node:path';
import type { ReplayedVotes } from '../domain/ballots/replay.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';
import type { ElectionOrigin, RowReadings } from '../domain/election/origin.ts';
import type { StageContext } from '../ports/stage-context.ts';

/**
 * The inputs of a new election, as options give them. Null means "not given", so a later start may
 * leave them out.
 */
export interface OriginOptions {
  readonly election: string | null;
  readonly candidates: string | null;
  readonly roll: string | null;
  readonly api: string | null;
  readonly results: string | null;
  readonly electorate: string | null;
  readonly scale: number | null;
  readonly readings: RowReadings | null;
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
  /** Makes everything that the log needs before the first voter. */
  define(context: StageContext): Promise<{ election: Election; replayed?: readonly ReplayedVotes[] }>;
}

/** Takes a line for the user about a fact that is not a reason to refuse. */
export type Say = (line: string) => void;

export const VOTERS_DEFAULT = 100_000;
export const TURNOUT_DEFAULT = 0.7;

/** The files of an origin: the hashes to compare, and the paths to find the files again. */
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
