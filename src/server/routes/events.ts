import { errorAnswer, NEVER_STORE, textBody } from '../answer.ts';
import { EVENT_STREAM_TYPE, VIEWERS_MAX, VIEWERS_PER_ADDRESS_MAX } from '../hub.ts';
import type { Route } from './route.ts';

export const EVENTS: Route = {
  path: '/api/events',
  summary:
    'Server-sent events, each with the id of its state: `update` (what changed, absolute) and `resync` (fetch /api/results). A comment every 5 s shows that the stream lives.',
  type: 'text/event-stream',
  parameters: [{ name: 'Last-Event-ID', in: 'header', description: 'Go on after this event or snapshot.' }],
  answer: ({ hub }, _url, request, response) => {
    if (request.method === 'HEAD') return { status: 200, body: textBody(EVENT_STREAM_TYPE, ''), headers: NEVER_STORE };
    const admission = hub.connect(request, response);
    if (admission === 'in') return null;
    const nextStep = 'Try again later, or read /api/results.';
    if (admission === 'full')
      return errorAnswer(503, 'TOO_MANY_VIEWERS', `This server has its ${VIEWERS_MAX} viewers.`, nextStep);
    const message = `${VIEWERS_PER_ADDRESS_MAX} viewers of this address are here already.`;
    return errorAnswer(429, 'TOO_MANY_FROM_ADDRESS', message, nextStep);
  },
};
