import type { RemovalReason, VoterPerson } from '../domain/election/voter.ts';
import type { VoterColumns } from '../domain/log/voter-records.ts';
import type { ElectionEntry } from './elections.ts';

/**
 * One batch of the roll has at most this many voters. Larger batches gain nothing measurable and
 * cost memory. Each batch takes a block of this many voter ids, so two elections can register at
 * the same time. A crash leaves a gap.
 */
export const VOTERS_PER_BATCH_MAX = 20_000;

/**
 * The roll of one election, as `register` writes it. One process has it open at a time; the next
 * one waits.
 */
export interface Roll extends AsyncDisposable {
  /** The position that a source has reached: 0 at first. */
  position(source: string): Promise<number>;
  /**
   * Appends voters to table and topic, and moves the source from `from` to `to`, in one
   * transaction. Gives the voters their ids, in order. `people[i]`, where given, belongs to voter
   * `i` of the columns.
   */
  append(entry: ElectionEntry, batch: RollBatch & { readonly people: readonly VoterPerson[] | null }): Promise<void>;
  /**
   * Stores people in the table alone. This serves sources whose locations are known only at their
   * end.
   * @returns the positions in `people` of those whose registration number or UUID is already on the
   * roll. They are not stored.
   */
  stage(batch: StagedPeople): Promise<readonly number[]>;
  /**
   * The staged locations in the order of their first voters, with the number of staged voters of
   * each.
   */
  stagedLocations(): Promise<readonly { name: string; voters: number }[]>;
  /** The number of staged voters with an id below this one, by location number. */
  stagedBefore(id: number): Promise<ReadonlyMap<number, number>>;
  /**
   * Fills the columns with the next staged voters from this id on, in the order of their ids.
   * @returns the number of voters filled in.
   */
  readStaged(from: number, into: VoterColumns): Promise<number>;
  /** Appends staged voters to the topic and moves the source. */
  publish(entry: ElectionEntry, batch: RollBatch): Promise<void>;
  /** Appends the record that no voter follows. */
  finish(votersTotal: number): Promise<void>;
  /**
   * Adds voters to a roll that is complete: to table and topic, with a revision of the electorates,
   * in one transaction. A source that was taken before changes nothing.
   */
  addLate(source: string, voters: readonly LateVoter[]): Promise<RollChange>;
  /**
   * Removes voters who have not voted, with a revision of the electorates, in one transaction. No
   * batch of votes commits meanwhile. A source that was taken before changes nothing.
   */
  removeLate(source: string, removals: readonly Removal[]): Promise<RollChange>;
  /** Lets the next process open the roll. Never throws. */
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

/** A voter who joins a complete roll, by location number. */
export interface LateVoter {
  readonly person: VoterPerson;
  readonly location: number;
}

export interface Removal {
  readonly registration_number: string;
  readonly reason: RemovalReason;
}

/** Why a late addition or removal was left out. */
export type RollRefusal = 'on-the-roll' | 'on-the-roll-elsewhere' | 'not-on-the-roll' | 'has-voted';

export interface RollChange {
  /** The election with its new electorates. */
  readonly entry: ElectionEntry;
  /** The voters added or removed now: 0 where the source was taken before. */
  readonly changed: number;
  readonly was_taken_before: boolean;
  /** The entries that were left out, by position. */
  readonly refused: readonly { readonly position: number; readonly reason: RollRefusal }[];
}
