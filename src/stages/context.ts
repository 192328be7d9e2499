import type { Backend, ClosableLog } from '../ports/backend.ts';
import type { ElectionEntry } from '../ports/store.ts';
import { keepGoing } from './keep-going.ts';
import type { Progress } from './progress.ts';

/** What every stage of a process shares. */
export interface StageContext {
  readonly backend: Backend;
  readonly entry: ElectionEntry;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Runs a stage with a log of its own, and again when the database went away meanwhile. */
export function withLog<Value>(context: StageContext, work: (log: ClosableLog) => Promise<Value>): Promise<Value> {
  const { backend, entry, progress, signal } = context;
  return keepGoing(
    async () => {
      const log = await backend.openLog(entry);
      try {
        return await work(log);
      } finally {
        await log.close();
      }
    },
    progress.say,
    signal,
  );
}

/** Runs work for each item at once; when one fails the others are told to stop, waited for, and the failure is thrown. */
export async function allOrStop<Item>(
  signal: AbortSignal,
  items: readonly Item[],
  work: (item: Item, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const running = items.map((item) => work(item, either));
  try {
    await Promise.all(running);
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}
