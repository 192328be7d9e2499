import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, OperationalError } from '../errors.ts';

/** Waits between two tries double from the first to the last of these. */
const PAUSE_MS_FIRST = 100;
const PAUSE_MS_LAST = 2_000;
/** How long a stage waits before it gives up: a database that recovers from a crash may take minutes. */
const PATIENCE_MS = 10 * 60_000;

/** What went well for longer than any connection is waited for (20 s) has failed anew. */
const NEW_FAILURE_MS = 30_000;
/** The same sentence from every stage that waits, so that it is said once. */
const WAITING: Partial<Record<ErrorCode, string>> = {
  DATABASE_UNREACHABLE: 'PostgreSQL does not answer. Waiting for it; nothing committed is lost.',
};

/**
 * Runs a stage again while what it needs cannot be reached. Every stage goes on from what is durable, so starting it again is
 * all there is to recovering. Says once that it waits.
 * @throws whatever cannot be retried, at once, and what can be when patience ends.
 */
export async function keepGoing<Value>(
  work: () => Promise<Value>,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<Value> {
  let failingSince: number | null = null;
  for (let pause = PAUSE_MS_FIRST; ; pause = Math.min(pause * 2, PAUSE_MS_LAST)) {
    const begun = performance.now();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof OperationalError) || !error.canRetry || signal.aborted) throw error;
      const failed = performance.now();
      if (failingSince === null || failed - begun > NEW_FAILURE_MS) {
        failingSince = failed;
        pause = PAUSE_MS_FIRST;
        say(WAITING[error.code] ?? `${error.message}. Waiting for it.`);
      } else if (failed - failingSince > PATIENCE_MS) throw error;
      await sleep(pause, undefined, { signal }).catch(() => {});
      if (signal.aborted) throw error;
    }
  }
}
