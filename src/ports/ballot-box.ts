import type { VoteColumns } from '../domain/election/election-index.ts';
import type { ElectionEntry } from './elections.ts';
import type { IdentifiedSource, Intake } from './intake.ts';
import type { Sharing } from './sharing.ts';

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
