/**
 * One of several processes that share partitions. It counts from when it is opened until it is left
 * or the process dies, also where the process is killed; one that is stopped without being ended
 * still counts.
 */
export interface Sharing extends AsyncDisposable {
  look(): Promise<Standing>;
  /**
   * Resolves when a look may show something new, at the latest after a second; or when the signal
   * aborts.
   */
  wait(signal: AbortSignal): Promise<void>;
  /** Lets all of them look: a partition was released, or has no work left. */
  tell(): Promise<void>;
  /** Counts no longer. Never throws. */
  leave(): Promise<void>;
}

/**
 * How many processes share, and which of them this one is, from 0; all of them see the same order.
 */
export interface Standing {
  readonly members: number;
  readonly rank: number;
}
