/**
 * Runs work for each item at once. When one fails, the others are told to stop and waited for, and
 * the failure is thrown.
 */
export async function allOrStop<Item>(
  signal: AbortSignal,
  items: readonly Item[],
  work: (item: Item, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const running = items.map((item) => work(item, either));
  try {
    await Promise.all(running);
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}

/**
 * Waits for work that `told` ends once its results are durable. Work that was waiting for a server
 * just then has nothing to add, so its AbortError is not a failure.
 * @throws whatever else ended it.
 */
export async function untilStopped(running: Promise<void>, told: AbortSignal): Promise<void> {
  try {
    await running;
  } catch (error) {
    if (!told.aborted || !(error instanceof Error && error.name === 'AbortError')) throw error;
  }
}
