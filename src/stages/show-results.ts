import { type StageContext, withLog } from './context.ts';
import { type DashboardState, followResults, type ResultsFeed } from './dashboard.ts';

/** The results as the dashboard's server reads them, over restarts of what they are read from. */
export interface ShownResults {
  readonly feed: ResultsFeed;
  /** Follows the result topics until the signal aborts. */
  follow(context: StageContext): Promise<void>;
}

/** While the log is away the last state stays. */
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
    follow: (context) =>
      withLog(context, async (log) => {
        const following = followResults(log, context.signal);
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
      }),
  };
}
