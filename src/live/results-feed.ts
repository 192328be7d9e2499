import { keepGoing } from '../base/keep-going.ts';
import type { ClosableLog } from '../ports/backend.ts';
import type { Progress } from '../ports/progress.ts';
import { followLog } from './follow-log.ts';
import type { DashboardState, Shown } from './state-builder.ts';

/**
 * The results that viewers see, and the news of them. Every listener is called after each change,
 * until it unsubscribes.
 */
export interface ResultsFeed {
  /** Null while waiting: there is no definition yet, or its results are still being read. */
  state(): DashboardState | null;
  /**
   * The sentence that says why the results are not a sound count; null where they are, or where
   * nothing is published. Once a state was shown, its `results.held` says it instead.
   */
  trouble(): string | null;
  subscribe(listener: () => void): () => void;
}

/** A feed with its source. */
export interface WritableFeed extends ResultsFeed {
  show(shown: Shown): void;
}

export function createFeed(): WritableFeed {
  const listeners = new Set<() => void>();
  let state: DashboardState | null = null;
  let trouble: string | null = null;
  return {
    state: () => state,
    trouble: () => trouble,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    show(shown) {
      ({ state, trouble } = shown);
      for (const listener of listeners) listener();
    },
  };
}

/**
 * Shows what the result topics of a log say, until the signal aborts. Where the log goes away it is
 * opened again and again; meanwhile the last state stays, for as long as that takes.
 */
export function followResults(
  open: () => Promise<ClosableLog>,
  feed: WritableFeed,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const show = (shown: Shown): void => {
    if (shown.state !== null) progress.shown(shown.state.results);
    feed.show(shown);
  };
  return keepGoing(
    async () => {
      await using log = await open();
      await followLog(log, show, signal);
    },
    progress.say,
    signal,
    Number.POSITIVE_INFINITY,
  );
}
