import type { ReplayedVotes } from '../domain/ballots/replay.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';

export interface ElectionEntry {
  readonly election_no: number;
  readonly id: ElectionId;
  readonly name: string;
  /**
   * What the election was made from, as `run` compares it; without the seed when that was drawn.
   */
  readonly arguments: unknown;
  readonly seed: string;
  readonly partitions: number;
  readonly definition: Election | null;
  readonly definition_hash: string | null;
  /** The number of voters, once all are in the log. */
  readonly voters_total: number | null;
}

export interface NewElection extends Pick<ElectionEntry, 'id' | 'name' | 'arguments' | 'seed' | 'partitions'> {}

export interface Elections {
  /** The election made last, or null in a new database. */
  latest(): Promise<ElectionEntry | null>;
  find(id: ElectionId): Promise<ElectionEntry | null>;
  /** @throws OperationalError ELECTION_DIFFERS when the id is taken. */
  create(entry: NewElection): Promise<ElectionEntry>;
  /**
   * Fixes the definition, once: tables and topic `definition` in one transaction. A second call
   * with the same one does nothing.
   */
  define(entry: ElectionEntry, election: Election, replayed?: readonly ReplayedVotes[]): Promise<ElectionEntry>;
  /** What is cast again; empty for any other election. */
  replayed(entry: ElectionEntry): Promise<readonly ReplayedVotes[]>;
  /** How many votes each partition of the log holds. */
  votesInLog(entry: ElectionEntry): Promise<readonly number[]>;
  /** Fixes the counting engine at the first count. @returns the engine it is fixed to. */
  fixEngine(entry: ElectionEntry, engine: 'local' | 'spark'): Promise<'local' | 'spark'>;
}
