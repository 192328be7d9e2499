import type { ClosableLog } from '../ports/backend.ts';
import { type StageContext, withOpened } from '../stages/context.ts';
import { type DashboardState, followResults, type ResultsFeed } from './follow-results.ts';

/** The results as the dashboard's server reads them, over restarts of what they are read from. */
export interface ShownResults {
  readonly feed: ResultsFeed;
  /** Follows the result topics of the log that `open` opens, again and again where it goes away, until the signal aborts. */
  follow(open: () => Promise<ClosableLog>, signal: AbortSignal): Promise<void>;
}

/** While the log is away the last state stays, however long: a page that goes away helps nobody, and nothing is held up by it. */
export function showResults({ progress }: Pick<StageContext, 'progress'>): ShownResults {
  const listeners = new Set<() => void>();
  let shown: DashboardState | null = null;
  return {
    feed: {
      state: () => shown,
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    follow: (open, signal) =>
      withOpened(
        open,
        { progress, signal },
        async (log) => {
          const following = followResults(log, signal);
          const unsubscribe = following.subscribe(() => {
            shown = following.state() ?? shown;
            progress.results = shown?.results ?? null;
            for (const listener of listeners) listener();
          });
          try {
            await following.done;
          } finally {
            unsubscribe();
          }
        },
        Number.POSITIVE_INFINITY,
      ),
  };
}
