import { OperationalError } from '../errors.ts';
import type { Engine } from '../ports/counter.ts';
import { type StageContext, withLog } from './context.ts';

/**
 * Counts the election until the signal aborts; with `once`, until everything that was in the log at the start is counted.
 * @throws OperationalError USAGE when it was begun with another engine.
 */
export async function count(context: StageContext, engine: Engine, once = false): Promise<void> {
  const { backend, entry, progress } = context;
  await withLog(context, async (log) => {
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
    await counter.run(entry, { published }, AbortSignal.any([context.signal, finished.signal]));
  });
}
