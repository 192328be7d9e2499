import type { Tally } from '../domain/counting/tally.ts';
import type { ElectionEntry } from './elections.ts';

/** The recount of `verify`, by SQL alone. */
export interface Recount {
  /**
   * `offBallot` counts votes that no ballot of the election can hold: their location is not in the
   * election, or their choice is not on the ballot there.
   */
  tally(entry: ElectionEntry): Promise<{ tally: Tally; offBallot: number }>;
  /** `notRegistered` counts participants who are not voters of the election. */
  participation(entry: ElectionEntry): Promise<{ voters: number; notRegistered: number }>;
  /** The batches of a partition in the order of their chain. */
  batches(entry: ElectionEntry, partition: number): AsyncIterable<BatchEntry>;
  rejections(entry: ElectionEntry): Promise<ReadonlyMap<string, number>>;
}

export interface BatchEntry {
  readonly batch_no: number;
  readonly first_seq: number;
  readonly votes: number;
  readonly definition_hash: string;
  readonly hash: string;
}
