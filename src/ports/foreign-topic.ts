/** A topic of another system, from which votes are taken. */
export interface ForeignTopic extends AsyncDisposable {
  readonly name: string;
  /** Tells it from a topic that was made later under the same name. A whole number. */
  readonly identity: number;
  /** How many partitions it has now: they may become more. */
  partitions(): Promise<number>;
  /** Of each partition: one past the last offset that is committed. */
  ends(): Promise<readonly number[]>;
  /**
   * Committed records from an offset on. Waits for one, for at most about a second; none where the
   * signal aborts first.
   * @throws OperationalError INPUT_REFUSED where records from that offset on were removed, or the
   * topic itself.
   */
  read(partition: number, from: number, signal: AbortSignal): Promise<ForeignRecords>;
  /** Never throws. */
  close(): Promise<void>;
}

export interface ForeignRecords {
  readonly records: readonly { readonly offset: number; readonly value: Buffer | null }[];
  /** Where to go on; offsets may be missing before it. */
  readonly next: number;
}
