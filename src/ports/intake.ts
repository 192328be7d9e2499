import type { BallotSource, CastBatch, Committed } from './ballot-batch.ts';

/** A source of several partitions outside of us. */
export interface IdentifiedSource {
  readonly name: BallotSource['name'];
  /** Tells it from another one that was made later under the same name. A whole number. */
  readonly identity: number;
}

/**
 * Takes in the votes of a source of several partitions. No partition of the log is claimed in
 * between: each batch goes into one that is free at that moment. So a source may have more
 * partitions than the log, and waiting for its votes keeps no other vote waiting.
 */
export interface Intake extends AsyncDisposable {
  /** Where each partition of the source goes on that votes were taken from, by any process. */
  positions(): Promise<ReadonlyMap<number, number>>;
  /** Claims the first of these partitions of the source that is free; null where none is. */
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
   * One commit of an intake at a time.
   * @throws AbortError when the signal aborts while no partition of the log is free.
   */
  commit(batch: CastBatch, signal: AbortSignal): Promise<Committed>;
  /** Lets other processes claim it. Never throws. */
  release(): Promise<void>;
}
