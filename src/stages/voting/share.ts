import type { Sharing, Standing } from '../../ports/sharing.ts';

/** A partition that this process has claimed, and what it does with it. */
export interface PartitionWork {
  readonly partition: number;
  /**
   * Resolves once nothing is left to do in the partition, or soon after the signal aborts; releases
   * it in either case.
   */
  work(signal: AbortSignal): Promise<void>;
}

export interface SharedWork {
  readonly sharing: Sharing;
  readonly signal: AbortSignal;
  /** The partitions with work left, whichever process does it. */
  left(): Promise<readonly number[]>;
  /**
   * Claims the first of these partitions that is free; null where other processes have them all.
   */
  tryClaim(partitions: readonly number[]): Promise<PartitionWork | null>;
  /** Told whenever sharing has given this process other partitions than before. */
  shared(partitions: readonly number[]): void;
}

/**
 * How many of the partitions that are left are this process's to work on. The shares of all
 * processes differ by one at most and together are all partitions; with more processes than
 * partitions some have none, and stand by.
 */
export const shareOf = (left: number, { members, rank }: Standing): number =>
  Math.floor(left / members) + (rank < left % members ? 1 : 0);

/**
 * Works on this process's share of some partitions until no work is left anywhere, or the signal
 * aborts. It claims no more than its share, and releases a partition only where it has more, at the
 * end of what it is doing: so partitions move only when a process joins or leaves or a partition is
 * done. The store keeps things from happening twice; this only divides the work.
 * @throws what work on a partition throws, after all others have stopped.
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
  /** Aborts when the caller's does, and when work has failed. */
  readonly signal: AbortSignal;
  readonly failures: unknown[] = [];
  readonly #shared: SharedWork;
  readonly #stop = new AbortController();
  /** What is worked on, each with what ends it; `#leaving` are those that are being released. */
  readonly #claimed = new Map<number, AbortController>();
  readonly #leaving = new Set<number>();
  readonly #done = new Set<number>();
  readonly #running = new Set<Promise<void>>();
  /**
   * What was told last, without what is done meanwhile; null as long as no other process shares.
   */
  #told: readonly number[] | null = null;

  constructor(shared: SharedWork) {
    this.#shared = shared;
    this.signal = AbortSignal.any([shared.signal, this.#stop.signal]);
  }

  /**
   * Claims or releases partitions, so that this process has its share.
   * @returns false where it is over.
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
    // Once it is over, a partition that is claimed is released at once, and could be claimed again
    // for ever.
    while (this.#claimed.size < size && !this.signal.aborted) {
      // Meanwhile one may have been done: claimed again it would be done at once, for ever.
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
