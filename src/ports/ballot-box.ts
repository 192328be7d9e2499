import type { BallotSource, CastBatch, ChainEnd, Committed } from './ballot-batch.ts';
import type { ElectionEntry } from './elections.ts';
import type { IdentifiedSource, Intake } from './intake.ts';
import type { Sharing } from './sharing.ts';

/**
 * Where `vote` puts what was cast. Claiming a partition keeps every other process off it until this
 * one releases it or dies.
 */
export interface BallotBox {
  /**
   * Waits until the partition is free and claims it; with `any`, the first free one of all.
   * @throws OperationalError DATABASE_UNREACHABLE, or AbortError when the signal comes first.
   */
  claim(
    entry: ElectionEntry,
    partition: number | 'any',
    source: BallotSource,
    signal: AbortSignal,
  ): Promise<ClaimedPartition>;
  /**
   * Claims the first of these partitions that is free, for the partition of the source with its
   * number; null where none is.
   */
  tryClaim(
    entry: ElectionEntry,
    partitions: readonly number[],
    source: BallotSource['name'],
  ): Promise<ClaimedPartition | null>;
  /**
   * The partitions of the roll that may hold a voter who was not asked, or whose end is not in
   * topic `definition` yet.
   */
  unasked(entry: ElectionEntry): Promise<readonly number[]>;
  /** Becomes one of the processes that share the partitions of a source. */
  share(entry: ElectionEntry, source: BallotSource['name']): Promise<Sharing>;
  /**
   * @throws OperationalError INPUT_REFUSED where the source of that name is another than the one
   * that votes were taken from.
   */
  openIntake(entry: ElectionEntry, source: IdentifiedSource): Promise<Intake>;
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
  /** Where the source goes on. */
  readonly next_offset: number;
  commit(batch: CastBatch): Promise<Committed>;
  /** Appends the record that no vote follows in this partition to topic `definition`; once. */
  end(): Promise<void>;
  /** Lets other processes claim it. Never throws. */
  release(): Promise<void>;
}
