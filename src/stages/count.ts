import { OperationalError } from '../base/errors.ts';
import { sumOf } from '../domain/counts.ts';
import type { Counter, Engine } from '../ports/counter.ts';
import { definitionOf } from '../ports/elections.ts';
import type { Log } from '../ports/log.ts';
import type { StageContext } from '../ports/stage-context.ts';
import { goOn } from './go-on.ts';

/** Metrics are read every few seconds, so newer figures are of no use. */
const MEASURE_MS = 1_000;

/**
 * Counts the election until the signal aborts, or with `once` until all votes that were in the log
 * at the start are counted.
 * @returns whether all of them were counted.
 * @throws OperationalError USAGE where the count was begun with another engine.
 */
export async function count(context: StageContext, engine: Engine, once = false): Promise<boolean> {
  return goOn(context, async (going) => {
    await using log = await going.backend.openLog(going.entry);
    return await countLog(going, log, engine, once);
  });
}

async function countLog(context: StageContext, log: Log, engine: Engine, once: boolean): Promise<boolean> {
  const { backend, progress, signal } = context;
  // Another process may have ordered a recount since the last attempt.
  const entry = (await backend.elections.find(context.entry.id)) ?? context.entry;
  if (engine === 'spark' && definitionOf(entry).source === 'returns')
    throw new OperationalError('USAGE', {
      message: `election ${entry.id} counts official returns, and Spark counts votes`,
      nextStep: 'Leave --engine out: this process counts returns.',
    });
  const counter = backend.createCounter(engine, log, entry);
  const fixed = await backend.elections.fixEngine(entry, engine);
  if (fixed !== engine)
    throw new OperationalError('USAGE', {
      message: `the counting of ${entry.id} was begun with --engine ${fixed}`,
      nextStep: `Go on with --engine ${fixed}, or start a new election with --fresh.`,
    });
  const ends = once ? await backend.elections.entriesInLog(entry) : null;
  const finished = new AbortController();
  const published = (covers: readonly number[]): void => {
    progress.counted(sumOf(covers));
    if (ends?.every((end, partition) => covers[partition]! >= end)) finished.abort();
  };
  const watch = setInterval(() => void measure(context, counter), MEASURE_MS);
  try {
    await counter.run(entry, { published, say: progress.say }, AbortSignal.any([signal, finished.signal]));
  } finally {
    clearInterval(watch);
  }
  return finished.signal.aborted;
}

/** Measures for the metrics. The count goes on while the database does not answer. */
async function measure({ backend, entry, progress }: StageContext, counter: Counter): Promise<void> {
  const lag = await backend.lag(entry).catch(() => null);
  if (lag === null) return;
  const help = 'Committed batches that readers of the log may not see yet.';
  progress.measured([{ name: 'tallyroom_relay_lag_batches', help, value: lag }, ...(counter.gauges?.() ?? [])]);
}
