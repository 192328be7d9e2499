import type { Sharing, Standing } from '../../ports/sharing.ts';

/** A partition that this process has claimed, with the work on it. */
export interface PartitionWork {
  readonly partition: number;
  /**
   * Works until nothing is left to do in the partition, or until soon after the signal aborts.
   * Releases the partition in either case.
   */
  work(signal: AbortSignal): Promise<void>;
}

export interface SharedWork {
  readonly sharing: Sharing;
  readonly signal: AbortSignal;
  /** The partitions with work left for any process. */
  left(): Promise<readonly number[]>;
  /**
   * Claims the first of these partitions that is free; null where other processes have claimed all.
   */
  tryClaim(partitions: readonly number[]): Promise<PartitionWork | null>;
  /** Called when the partitions of this process have changed. */
  shared(partitions: readonly number[]): void;
}

/**
 * The number of the partitions left that this process should work on. The shares of all processes
 * add up to all partitions and differ by one at most. With more processes than partitions, some
 * have none and stand by.
 */
export const shareOf = (left: number, { members, rank }: Standing): number =>
  Math.floor(left / members) + (rank < left % members ? 1 : 0);

/**
 * Works on this process's share of some partitions until no work is left anywhere, or the signal
 * aborts. It claims no more than its share. Where it has more, it finishes the work in hand and
 * releases a partition. So partitions move only when a process joins or leaves, or when a partition
 * is done. This function only divides the work; the store keeps each vote from being cast twice.
 * @throws the error of the work on a partition, after the work on all others has stopped.
 */
export async function workShare(shared: SharedWork): Promise<void> {
  const share = new Share(shared);
  try {
    while (await share.adjust()) await shared.sharing.wait(share.signal);
  } finally {
    await share.stop();
  }
  if (share.failures.length > 0) throw share.failures[0];
}

/** The partitions that this process has, each with the work on it. */
class Share {
  /** Aborts when the signal of the caller aborts, and when work has failed. */
  readonly signal: AbortSignal;
  readonly failures: unknown[] = [];
  readonly #shared: SharedWork;
  readonly #stop = new AbortController();
  /**
   * The partitions in work, each with the controller that ends it. `#leaving` are those that are
   * being released.
   */
  readonly #claimed = new Map<number, AbortController>();
  readonly #leaving = new Set<number>();
  readonly #done = new Set<number>();
  readonly #running = new Set<Promise<void>>();
  /**
   * The partitions that were reported last, without those that are done since; null while no other
   * process shares.
   */
  #told: readonly number[] | null = null;

  constructor(shared: SharedWork) {
    this.#shared = shared;
    this.signal = AbortSignal.any([shared.signal, this.#stop.signal]);
  }

  /**
   * Claims or releases partitions until this process has its share.
   * @returns false where no work is left.
   */
  async adjust(): Promise<boolean> {
    if (this.signal.aborted) return false;
    const standing = await this.#shared.sharing.look();
    const open = (await this.#shared.left()).filter((partition) => !this.#done.has(partition));
    if (open.length === 0) return false;
    const size = shareOf(open.length, standing);
    for (const partition of [...this.#claimed.keys()].slice(size)) this.#release(partition);
    await this.#claimUpTo(size, open);
    this.#tell(size, standing);
    return true;
  }

  /** Ends all work and waits for it. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #claimUpTo(size: number, open: readonly number[]): Promise<void> {
    // The loop ends when the signal aborts. Otherwise it could claim a partition that is released
    // at once, again and again.
    while (this.#claimed.size < size && !this.signal.aborted) {
      // A partition may be done by now. Without this filter it would be claimed again and be done
      // at once, for ever.
      const others = open.filter(
        (each) => !this.#claimed.has(each) && !this.#leaving.has(each) && !this.#done.has(each),
      );
      const claimed = others.length === 0 ? null : await this.#shared.tryClaim(others);
      if (claimed === null) return;
      this.#begin(claimed);
    }
  }

  #begin({ partition, work }: PartitionWork): void {
    const release = new AbortController();
    this.#claimed.set(partition, release);
    const ending = work(AbortSignal.any([this.signal, release.signal]))
      .then(
        () => {
          if (this.signal.aborted || release.signal.aborted) return;
          this.#done.add(partition);
          this.#told = this.#told?.filter((each) => each !== partition) ?? null;
        },
        (error: unknown) => {
          this.failures.push(error);
          this.#stop.abort();
        },
      )
      .then(async () => {
        this.#claimed.delete(partition);
        this.#leaving.delete(partition);
        this.#running.delete(ending);
        await this.#shared.sharing.tell().catch(() => {});
      });
    this.#running.add(ending);
  }

  #release(partition: number): void {
    this.#claimed.get(partition)!.abort();
    this.#claimed.delete(partition);
    this.#leaving.add(partition);
  }

  #tell(size: number, { members }: Standing): void {
    const now = [...this.#claimed.keys()].toSorted((a, b) => a - b);
    const isNews = this.#told === null ? members > 1 : this.#told.join() !== now.join();
    if (now.length !== size || !isNews) return;
    this.#told = now;
    this.#shared.shared(now);
  }
}
