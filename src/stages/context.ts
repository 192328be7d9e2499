import { keepGoing } from '../base/keep-going.ts';
import type { Progress } from '../cli/progress.ts';
import type { Backend, ClosableLog } from '../ports/backend.ts';
import type { ElectionEntry } from '../ports/elections.ts';

/** What every stage of a process shares. */
export interface StageContext {
  readonly backend: Backend;
  readonly entry: ElectionEntry;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Runs a stage with a log of its own, and again when what holds the log went away meanwhile. */
export function withLog<Value>(context: StageContext, work: (log: ClosableLog) => Promise<Value>): Promise<Value> {
  return withOpened(() => context.backend.openLog(context.entry), context, work);
}

/** The same with a log that is opened in a way of its own. */
export function withOpened<Value>(
  open: () => Promise<ClosableLog>,
  { progress, signal }: Pick<StageContext, 'progress' | 'signal'>,
  work: (log: ClosableLog) => Promise<Value>,
  patience_ms?: number,
): Promise<Value> {
  return keepGoing(
    async () => {
      const log = await open();
      try {
        return await work(log);
      } finally {
        await log.close();
      }
    },
    progress.say,
    signal,
    patience_ms,
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

/**
 * Waits for stages that `told` ends once their work is durable: one that was waiting for a server just then has nothing to add.
 * @throws whatever else ended them.
 */
export async function untilStopped(running: Promise<void>, told: AbortSignal): Promise<void> {
  try {
    await running;
  } catch (error) {
    if (!told.aborted || !(error instanceof Error && error.name === 'AbortError')) throw error;
  }
}
