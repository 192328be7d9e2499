/**
 * Runs work for all items at the same time. When one fails, it tells the others to stop, waits for
 * them, and throws the failure.
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
 * Waits for work that `told` stops once its results are durable. Work that waits for a server at
 * that moment has nothing to add, so its AbortError is not a failure.
 * @throws any other error of the work.
 */
export async function untilStopped(running: Promise<void>, told: AbortSignal): Promise<void> {
  try {
    await running;
  } catch (error) {
    if (!told.aborted || !(error instanceof Error && error.name === 'AbortError')) throw error;
  }
}
