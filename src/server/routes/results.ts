import { REVALIDATE, waitingAnswer } from '../answer.ts';
import { eventIdOf } from '../hub.ts';
import type { Route } from './route.ts';

export const RESULTS_JSON: Route = {
  path: '/api/results',
  summary: 'The results document: the latest complete state. ETag changes with every state.',
  type: 'application/json',
  answer: ({ hub, snapshots }) => {
    const state = hub.shown;
    if (state === null) return waitingAnswer();
    const headers = {
      ...REVALIDATE,
      'tallyroom-event-id': eventIdOf(state),
      'tallyroom-definition': state.definition.hash,
    };
    return { status: 200, body: snapshots.json(state), headers };
  },
};

export const RESULTS_CSV: Route = {
  path: '/api/results.csv',
  summary: 'The results as the uniform results CSV, which `--results` reads back.',
  type: 'text/csv',
  answer: ({ hub, snapshots }) =>
    hub.shown === null ? waitingAnswer() : { status: 200, body: snapshots.csv(hub.shown), headers: REVALIDATE },
};
