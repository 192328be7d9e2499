import type { RejectionReason } from '../domain/ballots/rejection.ts';
import type { VoteColumns } from '../domain/ballots/vote-columns.ts';

export interface BallotSource {
  readonly name: string;
  readonly partition: number;
}

/** The end of a partition, where a batch of votes is appended. */
export interface ChainEnd {
  readonly partition: number;
  /**
   * The place where the chain of this partition goes on. In a claimed partition every commit moves
   * it.
   */
  readonly head: ChainHead;
}

/** The end of a partition, and what the batch that is appended there carries. */
export interface BatchEnd extends ChainEnd {
  /**
   * The sum over all participants with those of this batch, which its last box carries; null in an
   * election made before digests.
   */
  readonly participation: string | null;
}

export interface ChainHead {
  readonly next_seq: number;
  /** The hash of the last box; null before the first. */
  readonly hash: string | null;
}

export interface Rejection {
  readonly source_offset: number;
  readonly reason: RejectionReason;
}

export interface CastBatch {
  /** The commit moves the source to this offset. */
  readonly next_offset: number;
  /**
   * The ids of the voters, ascending; `voter_offsets[i]` is the offset of voter `i` in the source.
   */
  readonly voters: Float64Array;
  readonly voter_offsets: Float64Array;
  readonly rejections: readonly Rejection[];
  /**
   * Shuffles and seals the votes of the voters that the database took, by position in `voters`;
   * null means all of them. Called once, or again where a voter had voted before.
   * @param end the end of the partition that gets the votes
   */
  seal(accepted: ReadonlySet<number> | null, end: BatchEnd): SealedVotes;
}

export interface SealedVotes {
  readonly votes: VoteColumns;
  /** SHA-256 of the ballots, whatever their order; hex. */
  readonly digest: string;
  readonly records: { readonly text: string; readonly boxes: number; readonly hash: string };
}

export interface Committed {
  readonly votes: number;
  readonly rejected: number;
}
