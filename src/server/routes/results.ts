import { REVALIDATE } from '../answer.ts';
import { noState } from './no-state.ts';
import type { Route } from './route.ts';

export const RESULTS_JSON: Route = {
  path: '/api/results',
  summary: 'The results document: the latest complete state. ETag changes with every state.',
  type: 'application/json',
  answer: ({ hub, feed, snapshots }) => {
    const state = hub.shown;
    if (state === null) return noState(feed);
    const headers = {
      ...REVALIDATE,
      'tallyroom-event-id': state.id,
      'tallyroom-definition': state.definition.tag,
    };
    return { status: 200, body: snapshots.json(state), headers };
  },
};

export const RESULTS_CSV: Route = {
  path: '/api/results.csv',
  summary: 'The results as the uniform results CSV, which `--results` reads back.',
  type: 'text/csv',
  answer: ({ hub, feed, snapshots }) =>
    hub.shown === null ? noState(feed) : { status: 200, body: snapshots.csv(hub.shown), headers: REVALIDATE },
};
