import type { VoterPerson } from '../domain/election/voter.ts';
import type { VoterColumns } from '../domain/log/voter-records.ts';
import type { ElectionEntry } from './elections.ts';

/**
 * One batch of the roll has at most this many voters. Larger batches gain nothing measurable and
 * cost memory. Voter ids are handed out in blocks of this many, so that two elections can register
 * at once; a crash leaves a gap.
 */
export const VOTERS_PER_BATCH_MAX = 20_000;

/**
 * The roll of one election, as `register` writes it. Open in one process at a time; the next one
 * waits.
 */
export interface Roll extends AsyncDisposable {
  /** Where a source was left: 0 at first. */
  position(source: string): Promise<number>;
  /**
   * Voters into table and topic in one transaction, the source moved from `from` to `to`. Gives
   * them their ids, in order. `people[i]`, where given, belongs to voter `i` of the columns.
   */
  append(entry: ElectionEntry, batch: RollBatch & { readonly people: readonly VoterPerson[] | null }): Promise<void>;
  /**
   * People into the table alone, for sources whose locations are known only at their end.
   * @returns the positions in `people` of those whose registration number or UUID the roll has
   * already; they are not stored.
   */
  stage(batch: StagedPeople): Promise<number[]>;
  /**
   * Staged locations in the order they were first seen, with the number of staged voters of each.
   */
  stagedLocations(): Promise<readonly { name: string; voters: number }[]>;
  /** How many staged voters of each location number have an id below this one. */
  stagedBefore(id: number): Promise<ReadonlyMap<number, number>>;
  /**
   * Fills the columns with the next staged voters from this id on, in the order of their ids.
   * @returns how many.
   */
  readStaged(from: number, into: VoterColumns): Promise<number>;
  /** Staged voters into the topic, the source moved. */
  publish(entry: ElectionEntry, batch: RollBatch): Promise<void>;
  /** Says that no voter follows. */
  finish(votersTotal: number): Promise<void>;
  /** Lets the next process open it. Never throws. */
  close(): Promise<void>;
}

export interface RollBatch {
  readonly source: string;
  readonly from: number;
  readonly to: number;
  readonly partition: number;
  readonly voters: VoterColumns;
}

export interface StagedPeople {
  readonly source: string;
  readonly from: number;
  readonly to: number;
  readonly people: readonly VoterPerson[];
  /**
   * The location of each person: an index into all staged location names, which may grow with each
   * batch.
   */
  readonly locations: readonly number[];
  readonly new_locations: readonly string[];
}
