import type { Sharing, Standing } from '../../ports/sharing.ts';

/** A partition that this process has, and what it does with it. */
export interface PartitionWork {
  readonly partition: number;
  /** Resolves once nothing is left to do in the partition, or soon after the signal aborts; lets go of it in either case. */
  work(signal: AbortSignal): Promise<void>;
}

export interface SharedWork {
  readonly sharing: Sharing;
  readonly signal: AbortSignal;
  /** The partitions with work left, whoever does it. */
  left(): Promise<readonly number[]>;
  /** Takes the first of these partitions that is free; null where other processes have them all. */
  take(partitions: readonly number[]): Promise<PartitionWork | null>;
  /** Told whenever sharing has given this process other partitions than before. */
  shared(partitions: readonly number[]): void;
}

/**
 * How many of the partitions that are left are this process's to work on. The shares of all processes differ by one at most and
 * together are all partitions; with more processes than partitions some have none, and stand by.
 */
export const shareOf = (left: number, { members, rank }: Standing): number =>
  Math.floor(left / members) + (rank < left % members ? 1 : 0);

/**
 * Works on this process's share of some partitions until no work is left anywhere, or the signal aborts. Takes no more than its
 * share, and lets go of one only where it has more, at the end of what it is doing: so partitions move only when a process joins
 * or leaves or a partition is done. What must not happen twice the store keeps from happening; this only divides the work.
 * @throws whatever work on a partition throws, after all others have stopped.
 */
export async function workShare({ sharing, signal, left, take, shared }: SharedWork): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  /** What is worked on, each with how to let go of it; `leaving` are those that are being let go of. */
  const held = new Map<number, AbortController>();
  const leaving = new Set<number>();
  const done = new Set<number>();
  const running = new Set<Promise<void>>();
  /** What was said last, without what is done meanwhile; null as long as nobody shares. */
  let told: readonly number[] | null = null;
  const failures: unknown[] = [];

  const begin = ({ partition, work }: PartitionWork): void => {
    const letGo = new AbortController();
    held.set(partition, letGo);
    const ending = work(AbortSignal.any([either, letGo.signal]))
      .then(
        () => {
          if (either.aborted || letGo.signal.aborted) return;
          done.add(partition);
          told = told?.filter((each) => each !== partition) ?? null;
        },
        (error: unknown) => {
          failures.push(error);
          stop.abort();
        },
      )
      .then(async () => {
        held.delete(partition);
        leaving.delete(partition);
        running.delete(ending);
        await sharing.tell().catch(() => {});
      });
    running.add(ending);
  };
  const release = (partition: number): void => {
    held.get(partition)!.abort();
    held.delete(partition);
    leaving.add(partition);
  };

  try {
    while (!either.aborted) {
      const standing = await sharing.look();
      const open = (await left()).filter((partition) => !done.has(partition));
      if (open.length === 0) break;
      const share = shareOf(open.length, standing);
      for (const partition of [...held.keys()].slice(share)) release(partition);
      // Once it is over, whatever is taken is let go of at once, and could be taken again for ever.
      while (held.size < share && !either.aborted) {
        // Meanwhile one may have been done: taken again it would be done at once, for ever.
        const others = open.filter((each) => !held.has(each) && !leaving.has(each) && !done.has(each));
        const taken = others.length === 0 ? null : await take(others);
        if (taken === null) break;
        begin(taken);
      }
      const now = [...held.keys()].toSorted((a, b) => a - b);
      if (now.length === share && (told === null ? standing.members > 1 : told.join() !== now.join())) {
        told = now;
        shared(now);
      }
      await sharing.wait(either);
    }
  } finally {
    stop.abort();
    await Promise.all(running);
  }
  if (failures.length > 0) throw failures[0];
}
