import { setTimeout as sleepFor } from 'node:timers/promises';
import { OperationalError } from '../base/errors.ts';

/** Requests to a service that may be slow, busy, wrong or down. */

/** A page of 5,000 people is about 6 MB. */
const BODY_BYTES_MAX = 64_000_000;
/** One redirect to https and one to another host are usual; more of them are a circle. */
const REDIRECTS_MAX = 3;
/**
 * The attempts and the pauses between them take about 15 s. A service that restarts is back by
 * then.
 */
const ATTEMPTS_MAX = 6;
/** The pause after the first failure; each next one is twice as long. */
const BACK_OFF_FIRST_MS = 500;
/** The longest pause: a person at the command line still sees progress. */
const BACK_OFF_MS_MAX = 30_000;
/**
 * The longest pause that a service may ask for. A person at the command line would not wait longer.
 */
const RETRY_AFTER_MS_MAX = 120_000;
/** A page of 5,000 people has about 6 MB; a slow line needs a minute for it. */
const TIMEOUT_MS_DEFAULT = 60_000;

/**
 * The effects that a request has on the outside. They are real by default; tests replace them to be
 * silent and fast.
 */
export interface HttpOptions {
  /** Ends the request and the waiting between attempts. */
  readonly signal?: AbortSignal;
  /** A random number from 0 to 1, exclusive. */
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<unknown>;
  /** The current time in ms since 1970, for a Retry-After that names a date. */
  readonly now?: () => number;
  /** The limit for one attempt, its body included. */
  readonly timeout_ms?: number;
  /** Takes a line before each pause: its reason and its length. */
  readonly say?: (line: string) => void;
}

/** The reason why an attempt failed, and whether another attempt may help. */
interface Failure {
  readonly reason: string;
  readonly nextStep: string;
  readonly canRetry: boolean;
  /** The pause that the service asks for. */
  readonly retry_after_ms: number | null;
  readonly cause?: unknown;
}

class RequestFailed extends Error {
  readonly failure: Failure;
  constructor(failure: Pick<Failure, 'reason' | 'nextStep'> & Partial<Failure>) {
    super(failure.reason);
    this.failure = { canRetry: true, retry_after_ms: null, ...failure };
  }
}

/**
 * Gets JSON, with retries where they may help. Their pauses grow exponentially and have jitter.
 * @param accept takes the value, or throws what {@link unusable} makes
 * @throws OperationalError SOURCE_UNREACHABLE, or the signal's reason
 */
export async function getJson<Value>(
  url: URL,
  accept: (value: unknown) => Value,
  options: HttpOptions,
): Promise<Value> {
  const { signal, say, sleep = sleepUnless } = options;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return accept(await request(url, options));
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof RequestFailed)) throw error;
      const { failure } = error;
      const isPatient = (failure.retry_after_ms ?? 0) <= RETRY_AFTER_MS_MAX;
      if (!failure.canRetry || attempt === ATTEMPTS_MAX || !isPatient) throw unreachable(url, failure, attempt);
      const wait = failure.retry_after_ms ?? backOff(attempt, options.random ?? Math.random);
      say?.(
        `${url.host}: ${failure.reason}; asking again in ${(wait / 1000).toFixed(1)} s (${attempt} of ${ATTEMPTS_MAX - 1})`,
      );
      await sleep(wait, signal);
    }
  }
}

/** The error for an answer that is JSON but cannot be used. Another attempt may help. */
export const unusable = (reason: string, nextStep: string): Error => new RequestFailed({ reason, nextStep });

/**
 * The pause: 0.5, 1, 2... seconds, shortened by up to a half at random, so that many clients do not
 * come back at the same moment.
 */
function backOff(attempt: number, random: () => number): number {
  const full = Math.min(BACK_OFF_MS_MAX, BACK_OFF_FIRST_MS * 2 ** (attempt - 1));
  return Math.round(full * (0.5 + random() / 2));
}

const sleepUnless = (ms: number, signal: AbortSignal | undefined): Promise<unknown> =>
  sleepFor(ms, undefined, signal === undefined ? {} : { signal });

function unreachable(url: URL, { reason, nextStep, cause }: Failure, attempts: number): OperationalError {
  const asked = attempts === 1 ? '' : ` after ${attempts} attempts`;
  return new OperationalError('SOURCE_UNREACHABLE', {
    message: `${url.origin}${url.pathname}${asked}: ${reason}`,
    nextStep: nextStep,
    canRetry: true,
    cause,
  });
}

const STARTS_AGAIN = 'Start again later: it goes on from the page it was at';

async function request(first: URL, options: HttpOptions): Promise<unknown> {
  const timeout = AbortSignal.timeout(options.timeout_ms ?? TIMEOUT_MS_DEFAULT);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  let url = first;
  try {
    for (let redirects = 0; ; redirects++) {
      const response = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json' } });
      const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
      if (location === null) return parseJson(await readBody(response, options.now ?? Date.now));
      await response.body?.cancel();
      if (redirects === REDIRECTS_MAX || !URL.canParse(location, url.href))
        throw new RequestFailed({
          reason: `it redirects from one address to the next (${REDIRECTS_MAX} followed)`,
          nextStep: 'Give the final address with --api.',
          canRetry: false,
        });
      const next = new URL(location, url);
      if (next.protocol !== 'https:' && next.protocol !== first.protocol)
        throw new RequestFailed({
          reason: `it redirects to ${next.protocol}//${next.host}, which is not encrypted`,
          nextStep: 'Give an https address with --api.',
          canRetry: false,
        });
      url = next;
    }
  } catch (cause) {
    if (cause instanceof RequestFailed) throw cause;
    const reason = timeout.aborted ? 'there was no complete answer in time' : `no connection (${causeOf(cause)})`;
    throw new RequestFailed({ reason, nextStep: `Check the address and the network. ${STARTS_AGAIN}.`, cause });
  }
}

/** The cause inside the error of fetch: its code says more than "fetch failed". */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return 'code' in cause ? String(cause.code) : cause.message;
  return error.message;
}

async function readBody(response: Response, now: () => number): Promise<string> {
  if (!response.ok) {
    await response.body?.cancel();
    const isTransient = response.status === 429 || response.status === 408 || response.status >= 500;
    throw new RequestFailed({
      reason: `it answers ${response.status}${response.status === 429 ? ' (too many requests)' : ''}`,
      nextStep: isTransient ? `${STARTS_AGAIN}.` : 'Check the address given with --api.',
      canRetry: isTransient,
      retry_after_ms: isTransient ? retryAfter(response.headers.get('retry-after'), now) : null,
    });
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    length += chunk.length;
    // Leaving the loop cancels the body.
    if (length > BODY_BYTES_MAX)
      throw new RequestFailed({
        reason: `its answer is larger than ${BODY_BYTES_MAX} bytes`,
        nextStep: 'Check the address given with --api.',
        canRetry: false,
      });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The pause that Retry-After asks for, in seconds or as a date; null where it holds neither. */
function retryAfter(header: string | null, now: () => number): number | null {
  if (header === null) return null;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const time = Date.parse(header);
  return Number.isNaN(time) ? null : Math.max(0, time - now());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const isHtml = /^\s*</.test(text);
    throw new RequestFailed({
      reason: isHtml ? 'it answers with an HTML page instead of JSON' : 'its answer is not JSON, or cut off',
      nextStep: `Check the address given with --api. ${STARTS_AGAIN}.`,
      cause,
    });
  }
}
