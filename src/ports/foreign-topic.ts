/** A topic of another system, from which votes are taken. */
export interface ForeignTopic extends AsyncDisposable {
  readonly name: string;
  /** Tells it from a topic that was made later under the same name. A whole number. */
  readonly identity: number;
  /** The current number of partitions; it may grow. */
  partitions(): Promise<number>;
  /** For each partition, one past the last committed offset. */
  ends(): Promise<readonly number[]>;
  /**
   * Committed records from an offset on. Waits about a second at most for the first one; none where
   * the signal aborts first.
   * @throws OperationalError INPUT_REFUSED where records from that offset on were removed, or the
   * topic itself.
   */
  read(partition: number, from: number, signal: AbortSignal): Promise<ForeignRecords>;
  /** Never throws. */
  close(): Promise<void>;
}

export interface ForeignRecords {
  readonly records: readonly { readonly offset: number; readonly value: Buffer | null }[];
  /** The offset to go on at. Offsets before it may be missing. */
  readonly next: number;
}
