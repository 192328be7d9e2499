import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, OperationalError } from './errors.ts';

/** The pauses between two tries double from this one to the last one. */
const PAUSE_MS_FIRST = 100;
/** A server that is back is found within this time; the load of asking for it is nothing. */
const PAUSE_MS_LAST = 2_000;
/**
 * How long a stage waits before it gives up: a database that recovers from a crash may take
 * minutes.
 */
const PATIENCE_MS = 10 * 60_000;

/**
 * A connection is waited for at most 20 s. A server that was not missed for longer than this was
 * back in between.
 */
const SILENCE_MS_MAX = 30_000;
/**
 * Nothing is waited for longer than a minute (Kafka's client inside Spark). Work that went on for
 * longer had succeeded before it failed.
 */
const NEW_FAILURE_MS = 120_000;
/** What is said of a server that is waited for. */
const WAITING: Partial<Record<ErrorCode, string>> = {
  DATABASE_UNREACHABLE: 'PostgreSQL does not answer. Waiting for it; nothing committed is lost.',
  KAFKA_UNREACHABLE: 'Kafka does not answer. Waiting for it; nothing committed is lost.',
  SPARK_UNREACHABLE: 'Spark does not answer. Waiting for it; nothing committed is lost.',
};

/**
 * The last moment at which each server was missed, by listener. All stages of a process and the
 * relay of each partition have the same listener. They may miss a server at different moments of an
 * outage, or two servers one after the other.
 */
const missed = new WeakMap<(line: string) => void, Map<ErrorCode, number>>();

/**
 * Says once per outage that its server is waited for, however many stages wait and however often
 * they try.
 */
function sayOnce(say: (line: string) => void, { code, message }: OperationalError, now: number): void {
  const times = missed.get(say) ?? new Map<ErrorCode, number>();
  missed.set(say, times);
  const last = times.get(code);
  times.set(code, now);
  if (last === undefined || now - last > SILENCE_MS_MAX) say(WAITING[code] ?? `${message}. Waiting for it.`);
}

/**
 * Runs a stage again while a server that it needs cannot be reached. Every stage goes on from what
 * is durable, so recovery is no more than another start. Stages with the same `say` tell of an
 * outage once, together.
 * @param patience_ms the longest outage that is waited for.
 * @throws at once an error that cannot be retried, and one that can be when patience ends;
 * AbortError where the signal comes first.
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
      // A stage that is cut off while it stops has stopped, and has not failed.
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
