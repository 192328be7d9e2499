import { resolve } from 'node:path';
import type { ReplayedVotes } from '../domain/ballots/replay.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';
import type { StageContext } from '../stages/context.ts';

/** What an election is made from. Null is "not said", so that a later start may leave it out. */
export interface MakingOptions {
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

/** What an election is made from, as table `elections` keeps it; two starts with equal ones mean the same election. */
export interface MakingArguments {
  readonly kind: 'generated' | 'results' | 'roll' | 'api';
  readonly voters: number | null;
  readonly turnout: number | null;
  readonly scale: number | null;
  readonly api: string | null;
  /** SHA-256 of the files it was made from, by option. */
  readonly files: { readonly [option: string]: string };
  /** Where those files were; not compared. */
  readonly paths: { readonly [option: string]: string };
}

export interface Making {
  readonly arguments: MakingArguments;
  /** The id that the election gets where nobody has it. */
  readonly id: ElectionId;
  readonly name: string;
  /** Everything that is needed before the first voter can be put into the log. */
  define(context: StageContext): Promise<{ election: Election; replayed?: readonly ReplayedVotes[] }>;
}

export const VOTERS_DEFAULT = 100_000;
export const TURNOUT_DEFAULT = 0.7;

/** The files of a making: what is compared, and where they are to be found again. */
export function filesOf(
  hashes: { readonly [option: string]: string | null },
  options: MakingOptions,
): Pick<MakingArguments, 'files' | 'paths'> {
  const given = Object.entries(hashes).flatMap(([option, hash]) => (hash === null ? [] : [[option, hash] as const]));
  const path = (option: string): string => resolve(String(options[option as keyof MakingOptions]));
  return {
    files: Object.fromEntries(given),
    paths: Object.fromEntries(given.map(([option]) => [option, path(option)])),
  };
}
