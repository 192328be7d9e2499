import { setTimeout as delay } from 'node:timers/promises';

/** Whom a wait tells what it waits for, and the signal at which it ends. */
export interface Waiting {
  /** Takes lines for the user. */
  say(line: string): void;
  /** Aborts when the user wants the command to end. */
  readonly signal?: AbortSignal | undefined;
}

/** A wait says what it waits for after this time. An ordinary start or stop is over before. */
export const SAY_AFTER_MS = 3_000;
/**
 * A server that works answers within this time. After the signal nobody waits longer for one that
 * does not.
 */
export const AFTER_SIGNAL_MS = 1_500;

/** One answer of a server that is waited for. */
export interface Wait extends Waiting {
  /** The line for the user while it lasts. */
  readonly line: string;
  /** The longest wait; without it the work ends by itself. */
  readonly limit_ms?: number;
  /** Breaks off the work, which then fails. */
  cut(reason: Error): void;
}

/** The error of an answer that did not come within its limit. */
export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}

/**
 * Waits for the answer of a server that may never come. The work is cut off at its limit, and
 * {@link AFTER_SIGNAL_MS} after the signal.
 * @throws TimedOut at the limit, the signal's reason where the signal cut it off; else the error of
 * the work.
 */
export async function untilAnswered<Value>(work: Promise<Value>, wait: Wait): Promise<Value> {
  const { say, signal, line, limit_ms, cut } = wait;
  let reason: Error | undefined;
  const end = (error: Error): void => {
    reason ??= error;
    cut(reason);
  };
  const timers = [setTimeout(say, SAY_AFTER_MS, line)];
  if (limit_ms !== undefined)
    timers.push(setTimeout(() => end(new TimedOut(`timeout expired after ${limit_ms / 1000} s`)), limit_ms));
  const hurry = (): void => {
    timers.push(setTimeout(() => end(signal?.reason as Error), AFTER_SIGNAL_MS));
  };
  if (signal?.aborted === true) hurry();
  else signal?.addEventListener('abort', hurry, { once: true });
  try {
    return await work;
  } catch (error) {
    throw reason ?? error;
  } finally {
    signal?.removeEventListener('abort', hurry);
    for (const timer of timers) clearTimeout(timer);
  }
}

/** The limits of a wait that asks again and again. */
export interface Repeated extends Waiting {
  /** The line for the user while it lasts. */
  readonly line: string;
  /** The longest wait before the signal. */
  readonly limit_ms: number;
  /** The pause between two questions. */
  readonly pause_ms: number;
}

/**
 * Asks until the answer is yes.
 * @returns false where the limit comes first, or {@link AFTER_SIGNAL_MS} after the signal.
 */
export async function becomesTrue(ask: () => Promise<boolean>, wait: Repeated): Promise<boolean> {
  const { say, signal, line, limit_ms, pause_ms } = wait;
  const begun = performance.now();
  let hasSaid = false;
  let aborted_ms: number | undefined;
  while (!(await ask())) {
    const now = performance.now();
    if (signal?.aborted === true) aborted_ms ??= now;
    if (now - begun > limit_ms || now - (aborted_ms ?? now) > AFTER_SIGNAL_MS) return false;
    if (!hasSaid && now - begun > SAY_AFTER_MS) {
      hasSaid = true;
      say(line);
    }
    await delay(pause_ms);
  }
  return true;
}
