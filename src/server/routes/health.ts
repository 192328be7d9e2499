import { type Answer, NEVER_STORE, textBody } from '../answer.ts';
import { noState } from './no-state.ts';
import type { Route } from './route.ts';

const say = (text: string): Answer => ({ status: 200, body: textBody('text/plain', text), headers: NEVER_STORE });

export const ALIVE: Route = {
  path: '/healthz',
  summary: 'Whether the process answers.',
  type: 'text/plain',
  answer: () => say('ok\n'),
};

export const READY: Route = {
  path: '/readyz',
  summary: 'Whether there is a state to show.',
  type: 'text/plain',
  answer: ({ hub, feed }) => (hub.shown === null ? noState(feed) : say('ready\n')),
};
