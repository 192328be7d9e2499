import { OperationalError } from '../base/errors.ts';
import type { Counter, Engine } from '../ports/counter.ts';
import { type StageContext, withLog } from './context.ts';

/**
 * Counts the election until the signal aborts; with `once`, until everything that was in the log at the start is counted.
 * @returns whether that was reached.
 * @throws OperationalError USAGE when it was begun with another engine.
 */
export async function count(context: StageContext, engine: Engine, once = false): Promise<boolean> {
  const { backend, entry, progress } = context;
  return withLog(context, async (log) => {
    const counter = backend.createCounter(engine, log, entry);
    const fixed = await backend.elections.fixEngine(entry, engine);
    if (fixed !== engine)
      throw new OperationalError('USAGE', {
        message: `the counting of ${entry.id} was begun with --engine ${fixed}`,
        nextStep: `Go on with --engine ${fixed}, or start a new election with --fresh.`,
      });
    const ends = once ? await backend.elections.votesInLog(entry) : null;
    const finished = new AbortController();
    const published = (covers: readonly number[]): void => {
      progress.counted = covers.reduce((sum, seq) => sum + seq, 0);
      if (ends?.every((end, partition) => covers[partition]! >= end)) finished.abort();
    };
    const watch = setInterval(() => void measure(context, counter), MEASURE_MS);
    try {
      await counter.run(entry, { published }, AbortSignal.any([context.signal, finished.signal]));
    } finally {
      clearInterval(watch);
    }
    return finished.signal.aborted;
  });
}

/** Metrics are read every few seconds; a newer figure would be read by nobody. */
const MEASURE_MS = 1_000;

/** For the metrics; a database that does not answer just now is no reason to stop counting. */
async function measure({ backend, entry, progress }: StageContext, counter: Counter): Promise<void> {
  const lag = await backend.lag(entry).catch(() => null);
  if (lag === null) return;
  const help = 'Committed batches that readers of the log may not see yet.';
  progress.gauges = [{ name: 'tallyroom_relay_lag_batches', help, value: lag }, ...(counter.gauges?.() ?? [])];
}
