import type { BallotSource, CastBatch, ChainEnd, Committed } from './ballot-batch.ts';
import type { ElectionEntry } from './elections.ts';
import type { IdentifiedSource, Intake } from './intake.ts';
import type { Sharing } from './sharing.ts';

/**
 * The store that `vote` puts cast votes into. Claiming a partition keeps every other process off it
 * until this one releases it or dies.
 */
export interface BallotBox {
  /**
   * Waits until the partition is free and claims it. With `any` it claims the first partition that
   * is free.
   * @throws OperationalError DATABASE_UNREACHABLE, or AbortError when the signal comes first.
   */
  claim(
    entry: ElectionEntry,
    partition: number | 'any',
    source: BallotSource,
    signal: AbortSignal,
  ): Promise<ClaimedPartition>;
  /**
   * Claims the first of these partitions that is free, together with the partition of the source
   * that has the same number; null where none is free.
   */
  tryClaim(
    entry: ElectionEntry,
    partitions: readonly number[],
    source: BallotSource['name'],
  ): Promise<ClaimedPartition | null>;
  /**
   * The partitions of the roll with work left: they may hold a voter who was not asked yet, or
   * their end is not in topic `definition` yet.
   */
  unasked(entry: ElectionEntry): Promise<readonly number[]>;
  /** Becomes one of the processes that share the partitions of a source. */
  share(entry: ElectionEntry, source: BallotSource['name']): Promise<Sharing>;
  /**
   * @throws OperationalError INPUT_REFUSED where votes were already taken from another source of
   * that name.
   */
  openIntake(entry: ElectionEntry, source: IdentifiedSource): Promise<Intake>;
  /**
   * What those commits have stored whose answer was lost, each of them once. Their `commit` has
   * failed, so nobody has counted them. Ask at each new try, and when the work is done.
   */
  recovered(): Promise<Committed>;
  /** Finds voters by registration number. Unknown numbers are missing from the map. */
  lookUp(entry: ElectionEntry, registrationNumbers: readonly string[]): Promise<ReadonlyMap<string, KnownVoter>>;
}

export interface KnownVoter {
  readonly voter_id: number;
  readonly location: number;
  readonly has_voted: boolean;
}

/** A partition of the log that no other process appends votes to. */
export interface ClaimedPartition extends ChainEnd, AsyncDisposable {
  /** The offset at which the source goes on. */
  readonly next_offset: number;
  commit(batch: CastBatch): Promise<Committed>;
  /** Appends a record to topic `definition`: no vote follows in this partition. Idempotent. */
  end(): Promise<void>;
  /** Lets other processes claim it. Never throws. */
  release(): Promise<void>;
}
