/**
 * One of several processes that share partitions. It is a member from `share` until `leave` or the
 * death of the process, by a kill too. A process that the system has suspended stays a member.
 */
export interface Sharing extends AsyncDisposable {
  look(): Promise<Standing>;
  /**
   * Resolves when a look may show something new, after a second at the latest, or when the signal
   * aborts.
   */
  wait(signal: AbortSignal): Promise<void>;
  /** Makes all members look: a partition was released, or has no work left. */
  tell(): Promise<void>;
  /** Ends the membership. Never throws. */
  leave(): Promise<void>;
}

/**
 * The number of members, and the rank of this process among them, from 0. All members see the same
 * order.
 */
export interface Standing {
  readonly members: number;
  readonly rank: number;
}
