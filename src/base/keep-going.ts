import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, OperationalError } from './errors.ts';

/** The pause before the first retry. Each next pause is twice as long, up to the last one. */
const PAUSE_MS_FIRST = 100;
/** A server that is back is found within this time. Asking this often costs nothing. */
const PAUSE_MS_LAST = 2_000;
/**
 * How long a stage waits before it gives up: a database that recovers from a crash may take
 * minutes.
 */
const PATIENCE_MS = 10 * 60_000;

/**
 * A try to connect takes at most 20 s. If no try has failed for longer than this, the server was
 * back in between, and the next failure begins a new outage.
 */
const SILENCE_MS_MAX = 30_000;
/**
 * The longest wait inside one try is a minute (Kafka's client inside Spark). Work that ran for
 * longer than this had reached its servers, so its failure is a new one.
 */
const NEW_FAILURE_MS = 120_000;
/** The message while a stage waits for a server. */
const WAITING: Partial<Record<ErrorCode, string>> = {
  DATABASE_UNREACHABLE: 'PostgreSQL does not answer. Waiting for it; nothing committed is lost.',
  KAFKA_UNREACHABLE: 'Kafka does not answer. Waiting for it; nothing committed is lost.',
  SPARK_UNREACHABLE: 'Spark does not answer. Waiting for it; nothing committed is lost.',
};

/**
 * The last moment at which a stage found each server down, by listener. All stages of a process and
 * the relay of each partition have the same listener. They may find a server down at different
 * moments of an outage, or two servers one after the other.
 */
const missed = new WeakMap<(line: string) => void, Map<ErrorCode, number>>();

/**
 * Says once per outage that stages wait for the server. The number of stages and of retries does
 * not matter.
 */
function sayOnce(say: (line: string) => void, { code, message }: OperationalError, now: number): void {
  const times = missed.get(say) ?? new Map<ErrorCode, number>();
  missed.set(say, times);
  const last = times.get(code);
  times.set(code, now);
  if (last === undefined || now - last > SILENCE_MS_MAX) say(lineOf(code, message));
}

/** The message of the error names the address, which may be a wrong one. */
function lineOf(code: ErrorCode, message: string): string {
  const waiting = WAITING[code];
  return waiting === undefined ? `${message}. Waiting for it.` : `${waiting} The reason: ${message}.`;
}

/**
 * Runs a stage again while a server that it needs cannot be reached. Every stage goes on from what
 * is durable, so recovery is just another start. Stages with the same `say` report an outage once,
 * together.
 * @param work gets a function to call when something has succeeded: the next failure is then a new
 * one, and patience begins anew.
 * @param patience_ms the longest outage that the stage sits out.
 * @throws at once an error that cannot be retried; an error that can be retried when patience ends;
 * AbortError where the signal comes first.
 */
export async function keepGoing<Value>(
  work: (succeeded: () => void) => Promise<Value>,
  say: (line: string) => void,
  signal: AbortSignal,
  patience_ms = PATIENCE_MS,
): Promise<Value> {
  let failingSince: number | null = null;
  const succeeded = (): void => {
    failingSince = null;
  };
  for (let pause = PAUSE_MS_FIRST; ; pause = Math.min(pause * 2, PAUSE_MS_LAST)) {
    const begun = performance.now();
    try {
      return await work(succeeded);
    } catch (error) {
      if (!(error instanceof OperationalError) || !error.canRetry) throw error;
      // An error while the stage stops is part of the stop. It is not a failure.
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
