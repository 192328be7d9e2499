/**
 * Waits for work that cannot be cancelled.
 * @returns the value of the work, or `otherwise` where the signal aborts first. The work then runs
 * on, and nobody hears of its failure.
 */
export function unlessAborted<Value>(work: Promise<Value>, signal: AbortSignal, otherwise: Value): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const stop = (): void => resolve(otherwise);
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  return promise;
}
