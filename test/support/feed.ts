import { followLog } from '../../src/live/follow-log.ts';
import { createFeed, type ResultsFeed } from '../../src/live/results-feed.ts';
import type { DashboardState } from '../../src/live/state-builder.ts';
import type { Log } from '../../src/ports/log.ts';

/** The feed of a log; `done` settles when following ends. */
export function feedOf(log: Log, signal: AbortSignal): ResultsFeed & { readonly done: Promise<void> } {
  const feed = createFeed();
  return { ...feed, done: followLog(log, feed.show, signal) };
}

/** Resolves with the first state that the predicate accepts, the current one or a later one. */
export function stateWhere(feed: ResultsFeed, accepts: (state: DashboardState) => boolean): Promise<DashboardState> {
  const { promise, resolve } = Promise.withResolvers<DashboardState>();
  const look = () => {
    const state = feed.state();
    if (state === null || !accepts(state)) return;
    unsubscribe();
    resolve(state);
  };
  const unsubscribe = feed.subscribe(look);
  look();
  return promise;
}

/** Resolves with the reason why there is no state, as soon as there is one. */
export function troubleIn(feed: ResultsFeed): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const look = () => {
    const trouble = feed.trouble();
    if (trouble === null) return;
    unsubscribe();
    resolve(trouble);
  };
  const unsubscribe = feed.subscribe(look);
  look();
  return promise;
}
