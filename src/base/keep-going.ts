import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, OperationalError } from './errors.ts';

/** Waits between two tries double from the first to the last of these. */
const PAUSE_MS_FIRST = 100;
/** A server that is back is found within this time; the load of asking for it is nothing. */
const PAUSE_MS_LAST = 2_000;
/** How long a stage waits before it gives up: a database that recovers from a crash may take minutes. */
const PATIENCE_MS = 10 * 60_000;

/** A server that nobody missed for longer than any connection is waited for (20 s) was back: missed again it is told again. */
const SILENCE_MS_MAX = 30_000;
/** What went on for longer than anything is waited for (Kafka's client inside Spark: a minute) has worked, and fails anew. */
const NEW_FAILURE_MS = 120_000;
const WAITING: Partial<Record<ErrorCode, string>> = {
  DATABASE_UNREACHABLE: 'PostgreSQL does not answer. Waiting for it; nothing committed is lost.',
  KAFKA_UNREACHABLE: 'Kafka does not answer. Waiting for it; nothing committed is lost.',
  SPARK_UNREACHABLE: 'Spark does not answer. Waiting for it; nothing committed is lost.',
};

/**
 * When each server was last missed, by who is told. All stages of a process and the relay of each partition tell the same one, and
 * may miss a server at different moments of an outage, or two servers one after the other.
 */
const missed = new WeakMap<(line: string) => void, Map<ErrorCode, number>>();

/** Says once an outage that its server is waited for, whoever waits and however often it is tried. */
function sayOnce(say: (line: string) => void, { code, message }: OperationalError, now: number): void {
  const times = missed.get(say) ?? new Map<ErrorCode, number>();
  missed.set(say, times);
  const last = times.get(code);
  times.set(code, now);
  if (last === undefined || now - last > SILENCE_MS_MAX) say(WAITING[code] ?? `${message}. Waiting for it.`);
}

/**
 * Runs a stage again while what it needs cannot be reached. Every stage goes on from what is durable, so starting it again is
 * all there is to recovering. That it waits is said once, by all who wait and have the same `say`.
 * @param patience_ms how long one outage is waited for.
 * @throws whatever cannot be retried, at once, and what can be when patience ends; AbortError where the signal has come first.
 */
export async function keepGoing<Value>(
  work: () => Promise<Value>,
  say: (line: string) => void,
  signal: AbortSignal,
  patience_ms = PATIENCE_MS,
): Promise<Value> {
  let failingSince: number | null = null;
  for (let pause = PAUSE_MS_FIRST; ; pause = Math.min(pause * 2, PAUSE_MS_LAST)) {
    const begun = performance.now();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof OperationalError) || !error.canRetry) throw error;
      // Told to stop, and cut off while stopping: that is a stop, and no failure.
      signal.throwIfAborted();
      const failed = performance.now();
      if (failingSince === null || failed - begun > NEW_FAILURE_MS) {
        failingSince = failed;
        pause = PAUSE_MS_FIRST;
      } else if (failed - failingSince > patience_ms) throw error;
      sayOnce(say, error, failed);
      await sleep(pause, undefined, { signal });
    }
  }
}
