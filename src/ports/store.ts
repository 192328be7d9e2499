import type { ReplayedVotes } from '../domain/ballots/replay.ts';
import type { Tally } from '../domain/counting/tally.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';
import type { VoteColumns } from '../domain/election/election-index.ts';
import type { VoterPerson } from '../domain/election/voter.ts';
import type { VoterColumns } from '../domain/log/voter-records.ts';

/** What the stages keep outside the log, and the transactions that tie it to the log. One interface a role. */

export interface ElectionEntry {
  readonly election_no: number;
  readonly id: ElectionId;
  readonly name: string;
  /** What the election was made from, as `run` compares it; without the seed when that was drawn. */
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
  /** Fixes the definition, once: tables and topic `definition` in one transaction. A second call with the same one does nothing. */
  define(entry: ElectionEntry, election: Election, replayed?: readonly ReplayedVotes[]): Promise<ElectionEntry>;
  /** What is cast again; empty for any other election. */
  replayed(entry: ElectionEntry): Promise<readonly ReplayedVotes[]>;
  /** How many votes each partition of the log holds. */
  votesInLog(entry: ElectionEntry): Promise<readonly number[]>;
  /** Fixes the counting engine at the first count. @returns the engine it is fixed to. */
  fixEngine(entry: ElectionEntry, engine: 'local' | 'spark'): Promise<'local' | 'spark'>;
}

/** The roll of one election, as `register` writes it. Open in one process at a time; the next one waits. */
export interface Roll {
  /** Where a source was left: 0 at first. */
  position(source: string): Promise<number>;
  /**
   * Voters into table and topic in one transaction, the source moved from `from` to `to`. Gives them their ids, in order.
   * `people[i]`, where given, belongs to voter `i` of the columns.
   */
  append(entry: ElectionEntry, batch: RollBatch & { readonly people: readonly VoterPerson[] | null }): Promise<void>;
  /**
   * People into the table alone, for sources whose locations are known only at their end.
   * @returns the positions in `people` of those whose registration number or UUID the roll has already; they are not stored.
   */
  stage(batch: StagedPeople): Promise<number[]>;
  /** Staged locations in the order they were first seen, with the number of staged voters of each. */
  stagedLocations(): Promise<readonly { name: string; voters: number }[]>;
  /** How many staged voters of each location number have an id below this one. */
  stagedBefore(id: number): Promise<ReadonlyMap<number, number>>;
  /** Fills the columns with the next staged voters from this id on, in the order of their ids. @returns how many. */
  readStaged(from: number, into: VoterColumns): Promise<number>;
  /** Staged voters into the topic, the source moved. */
  publish(entry: ElectionEntry, batch: RollBatch): Promise<void>;
  /** Says that no voter follows. */
  finish(votersTotal: number): Promise<void>;
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
  /** The location of each person: an index into all staged location names, which may grow with each batch. */
  readonly locations: readonly number[];
  readonly new_locations: readonly string[];
}

/** Where `vote` puts what was cast. Claiming a partition keeps every other process off it until this one lets go or dies. */
export interface BallotBox {
  /**
   * Waits until the partition is free and takes it; with `any`, the first free one of all.
   * @throws OperationalError DATABASE_UNREACHABLE, or AbortError when the signal comes first.
   */
  claim(
    entry: ElectionEntry,
    partition: number | 'any',
    source: BallotSource,
    signal: AbortSignal,
  ): Promise<ClaimedPartition>;
  /** Takes the first of these partitions that is free, for the partition of the source with its number; null where none is. */
  tryClaim(
    entry: ElectionEntry,
    partitions: readonly number[],
    source: BallotSource['name'],
  ): Promise<ClaimedPartition | null>;
  /** The partitions of the roll that may hold a voter who was not asked, or whose end is not in topic `definition` yet. */
  unasked(entry: ElectionEntry): Promise<readonly number[]>;
  /** Becomes one of the processes that share the partitions of a source. */
  share(entry: ElectionEntry, source: BallotSource['name']): Promise<Sharing>;
  /** @throws OperationalError INPUT_REFUSED where the source of that name is another than the one that votes were taken from. */
  openIntake(entry: ElectionEntry, source: IdentifiedSource): Promise<Intake>;
  /** Finds voters by registration number. Unknown numbers are missing from the map. */
  lookUp(entry: ElectionEntry, registrationNumbers: readonly string[]): Promise<ReadonlyMap<string, KnownVoter>>;
}

/**
 * One of several processes that share partitions. It counts from when it is opened until it is left or the process dies, also
 * where the process is killed; one that is stopped without being ended still counts.
 */
export interface Sharing {
  look(): Promise<Standing>;
  /** Resolves when a look may show something new, at the latest after a second; or when the signal aborts. */
  wait(signal: AbortSignal): Promise<void>;
  /** Lets all of them look: a partition was let go of, or has no work left. */
  tell(): Promise<void>;
  leave(): Promise<void>;
}

/** How many processes share, and which of them this one is, from 0; everybody sees the same order. */
export interface Standing {
  readonly members: number;
  readonly rank: number;
}

/** A source of several partitions outside of us. */
export interface IdentifiedSource {
  readonly name: BallotSource['name'];
  /** Tells it from another one that was made later under the same name. A whole number. */
  readonly identity: number;
}

/**
 * Takes in the votes of a source of several partitions. No partition of the log is held in between: each batch goes into one that is
 * free at that moment. So a source may have more partitions than the log, and wait for votes without keeping anybody from voting.
 */
export interface Intake {
  /** Where each partition of the source goes on that votes were taken from, by whichever process. */
  positions(): Promise<ReadonlyMap<number, number>>;
  /** Takes the first of these partitions of the source that no other process has; null where all are taken. */
  tryTake(partitions: readonly number[]): Promise<TakenPartition | null>;
  close(): Promise<void>;
}

/** A partition of a source that no other process takes votes from. */
export interface TakenPartition {
  /** Its number in the source. */
  readonly partition: number;
  readonly next_offset: number;
  /** One commit of an intake at a time. @throws AbortError when the signal aborts while no partition of the log is free. */
  commit(batch: CastBatch, signal: AbortSignal): Promise<Committed>;
  release(): Promise<void>;
}

export interface BallotSource {
  readonly name: string;
  readonly partition: number;
}

export interface KnownVoter {
  readonly voter_id: number;
  readonly location: number;
  readonly has_voted: boolean;
}

export interface ClaimedPartition extends ChainEnd {
  /** Where the source goes on. */
  readonly next_offset: number;
  commit(batch: CastBatch): Promise<Committed>;
  /** Appends the record that no vote follows in this partition to topic `definition`; once. */
  end(): Promise<void>;
  release(): Promise<void>;
}

/** Where a batch of votes is appended. */
export interface ChainEnd {
  readonly partition: number;
  /** Where the chain of this partition goes on; of a claimed one moved by every commit. */
  readonly head: ChainHead;
}

export interface ChainHead {
  readonly next_seq: number;
  /** The last box's hash; null before the first. */
  readonly hash: string | null;
}

/** Why a cast vote was refused, as `rejections` names it. */
export type RejectionReason =
  | 'malformed'
  | 'unknown-voter'
  | 'wrong-location'
  | 'already-voted'
  | 'unknown-location'
  | 'unknown-contest'
  | 'contest-not-on-ballot'
  | 'unknown-candidate'
  | 'repeated-candidate';

export interface Rejection {
  readonly source_offset: number;
  readonly reason: RejectionReason;
}

export interface CastBatch {
  /** The source moves to here. */
  readonly next_offset: number;
  /** Who votes, ascending; `voter_offsets[i]` is where voter `i` stands in the source. */
  readonly voters: Float64Array;
  readonly voter_offsets: Float64Array;
  readonly rejections: readonly Rejection[];
  /**
   * Shuffles and seals the votes of those voters, by position in `voters`, whom the database took; null means all of them.
   * Called once, or again where somebody had voted before.
   * @param end where they go
   */
  seal(accepted: ReadonlySet<number> | null, end: ChainEnd): SealedVotes;
}

export interface SealedVotes {
  readonly votes: VoteColumns;
  readonly records: { readonly text: string; readonly boxes: number; readonly hash: string };
}

export interface Committed {
  readonly votes: number;
  readonly rejected: number;
}

/** The recount of `verify`, by SQL alone. */
export interface Recount {
  /** `astray` counts votes that no ballot of the election can hold: elsewhere than in its locations, or not on that ballot. */
  tally(entry: ElectionEntry): Promise<{ tally: Tally; astray: number }>;
  /** `strangers` are participants who are no voters of the election. */
  participation(entry: ElectionEntry): Promise<{ voters: number; strangers: number }>;
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
