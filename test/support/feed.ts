import type { DashboardState, ResultsFeed } from '../../src/live/follow-results.ts';

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
