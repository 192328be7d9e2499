/**
 * Waits for work that cannot be taken back.
 * @returns what it gives, or something else where the signal aborts first; the work is then left to
 * itself, with its failure.
 */
export function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal, otherwise: Value): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const stop = (): void => resolve(otherwise);
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return promise;
}
