import type { BallotSource, CastBatch, Committed } from './ballot-batch.ts';

/** A source with several partitions in another system. */
export interface IdentifiedSource {
  readonly name: BallotSource['name'];
  /** Tells it from another one that was made later under the same name. A whole number. */
  readonly identity: number;
}

/**
 * Takes in the votes of a source of several partitions. It claims no partition of the log between
 * two batches: each batch goes into a partition that is free at that moment. So a source may have
 * more partitions than the log. While it waits for votes of the source, other votes do not wait.
 */
export interface Intake extends AsyncDisposable {
  /** The offsets to go on at, for each partition of the source that any process took votes from. */
  positions(): Promise<ReadonlyMap<number, number>>;
  /** Claims the first of these partitions of the source that is free; null where none is free. */
  tryClaim(partitions: readonly number[]): Promise<ClaimedSource | null>;
  /** Never throws. */
  close(): Promise<void>;
}

/** A partition of a source that no other process takes votes from. */
export interface ClaimedSource extends AsyncDisposable {
  /** Its number in the source. */
  readonly partition: number;
  readonly next_offset: number;
  /**
   * Commits a batch. An intake runs one commit at a time.
   * @throws AbortError when the signal aborts while no partition of the log is free.
   */
  commit(batch: CastBatch, signal: AbortSignal): Promise<Committed>;
  /** Lets other processes claim the partition. Never throws. */
  release(): Promise<void>;
}
