import type { IncomingMessage, ServerResponse } from 'node:http';
import { memoryUsage } from 'node:process';
import type { ResultsFeed } from '../live/results-feed.ts';
import type { Gauge } from '../ports/counter.ts';
import { type Hub, VIEWERS_MAX } from './hub.ts';
import { photoOf } from './photo.ts';
import { Body, type Snapshots } from './snapshot.ts';

export interface Context {
  readonly feed: ResultsFeed;
  readonly hub: Hub;
  readonly snapshots: Snapshots;
  readonly gauges: () => readonly Gauge[];
}

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One address of the API. Everything is GET, public and read-only. */
export interface Route {
  readonly path: string;
  readonly summary: string;
  readonly type: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: 'query' | 'header';
    readonly description: string;
  }[];
  /** Null when the route answers the response itself, as the event stream does. */
  answer(context: Context, url: URL, request: IncomingMessage, response: ServerResponse): Answer | null;
}

/** Browsers and caches may keep a snapshot but ask each time whether it is still the newest: 304 costs a few bytes. */
const REVALIDATE = { 'cache-control': 'public, no-cache' };
const NEVER_STORE = { 'cache-control': 'no-store' };

const textBody = (type: string, text: string): Body => new Body(type, '', Buffer.from(text));
export const jsonBody = (value: unknown): Body => textBody('application/json', JSON.stringify(value));

/** Every error of the API has this shape: what happened and what to do. */
export function errorAnswer(status: number, code: string, message: string, next_step: string): Answer {
  const retry = status === 503 ? { 'retry-after': '2' } : {};
  return { status, body: jsonBody({ error: { code, message, next_step } }), headers: { ...NEVER_STORE, ...retry } };
}

const waiting = (): Answer =>
  errorAnswer(503, 'WAITING', 'The election is not defined yet.', 'Try again shortly; the page does so by itself.');

export const ROUTES: readonly Route[] = [
  {
    path: '/api/results',
    summary: 'The results document: the latest complete state. ETag changes with every state.',
    type: 'application/json',
    answer: ({ hub, snapshots }) => {
      const state = hub.shown;
      if (state === null) return waiting();
      const headers = {
        ...REVALIDATE,
        'tallyroom-event-id': `${state.epoch}:${state.results.sequence}`,
        'tallyroom-definition': state.definition.hash,
      };
      return { status: 200, body: snapshots.json(state), headers };
    },
  },
  {
    path: '/api/events',
    summary:
      'Server-sent events with id epoch:sequence: `update` (what changed, absolute) and `resync` (fetch /api/results). A comment every 5 s shows that the stream lives.',
    type: 'text/event-stream',
    parameters: [{ name: 'Last-Event-ID', in: 'header', description: 'Go on after this event or snapshot.' }],
    answer: ({ hub }, _url, request, response) =>
      request.method === 'HEAD'
        ? { status: 200, body: textBody('text/event-stream; charset=utf-8', ''), headers: NEVER_STORE }
        : hub.connect(request, response)
          ? null
          : errorAnswer(
              503,
              'TOO_MANY_VIEWERS',
              `This server has its ${VIEWERS_MAX} viewers.`,
              'Try again later, or read /api/results.',
            ),
  },
  {
    path: '/api/results.csv',
    summary: 'The results as the uniform results CSV, which `--results` reads back.',
    type: 'text/csv',
    answer: ({ hub, snapshots }) =>
      hub.shown === null ? waiting() : { status: 200, body: snapshots.csv(hub.shown), headers: REVALIDATE },
  },
  {
    path: '/api/photo',
    summary: "A candidate's picture.",
    type: 'image/*',
    parameters: [
      { name: 'contest', in: 'query', description: 'The id of the contest.' },
      { name: 'candidate', in: 'query', description: 'The id of the candidate.' },
    ],
    answer: ({ hub }, url) => {
      const candidate = hub.shown?.definition.election.candidates.find(
        ({ contest_id, id }) =>
          contest_id === url.searchParams.get('contest') && id === url.searchParams.get('candidate'),
      );
      if (candidate === undefined)
        return errorAnswer(404, 'NO_CANDIDATE', 'There is no such candidate.', 'See /api/results for the candidates.');
      return photoOf(candidate);
    },
  },
  {
    path: '/healthz',
    summary: 'Whether the process answers.',
    type: 'text/plain',
    answer: () => ({ status: 200, body: textBody('text/plain', 'ok\n'), headers: NEVER_STORE }),
  },
  {
    path: '/readyz',
    summary: 'Whether there is a state to show.',
    type: 'text/plain',
    answer: ({ hub }) =>
      hub.shown === null ? waiting() : { status: 200, body: textBody('text/plain', 'ready\n'), headers: NEVER_STORE },
  },
  {
    path: '/metrics',
    summary: 'Metrics in the Prometheus text format.',
    type: 'text/plain',
    answer: (context) => ({
      status: 200,
      body: textBody('text/plain; version=0.0.4; charset=utf-8', metricsText(context)),
      headers: NEVER_STORE,
    }),
  },
  {
    path: '/api/openapi.json',
    summary: 'This description.',
    type: 'application/json',
    answer: () => ({ status: 200, body: jsonBody(openApi()), headers: REVALIDATE }),
  },
];

/** OpenAPI 3.1, made from the table above, so it cannot lack a route. */
function openApi(): unknown {
  const paths = ROUTES.map(({ path, summary, type, parameters = [] }) => [
    path,
    {
      get: {
        summary,
        parameters: parameters.map((parameter) => ({
          ...parameter,
          required: parameter.in === 'query',
          schema: { type: 'string' },
        })),
        responses: { 200: { description: summary, content: { [type]: {} } } },
      },
    },
  ]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tallyroom',
      version: '1',
      description: 'Public, read-only results of an election as they are counted.',
    },
    paths: Object.fromEntries(paths),
  };
}

/** The exposition format escapes backslash, quote and newline in label values. */
const label = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function metricsText({ hub, feed, gauges }: Context): string {
  const state = feed.state();
  const metrics: [name: string, type: 'gauge' | 'counter', help: string, value: number, labels?: string][] = [
    ['tallyroom_viewers', 'gauge', 'Viewers connected to the event stream.', hub.viewers],
    ['tallyroom_frames_skipped_total', 'counter', 'Times a slow viewer was skipped.', hub.framesSkipped],
    ['tallyroom_resident_memory_bytes', 'gauge', 'Memory of this process.', memoryUsage.rss()],
    ['tallyroom_ready', 'gauge', '1 when there is a state to show.', Number(state !== null)],
  ];
  if (state !== null) {
    const { results, epoch, held } = state;
    const changedAt_s = Date.parse(results.as_of) / 1000;
    metrics.push(
      ['tallyroom_ballots_cast', 'gauge', 'Ballots counted in the state on show.', results.totals.ballots_cast],
      ['tallyroom_votes_counted', 'gauge', 'Votes for candidates, all contests.', votesCounted(results.contests)],
      ['tallyroom_sequence', 'gauge', 'Sequence of the state on show.', results.sequence],
      ['tallyroom_epoch', 'gauge', "The counter's epoch.", epoch],
      ['tallyroom_last_change_timestamp_seconds', 'gauge', 'When the state was counted, Unix time.', changedAt_s],
      ['tallyroom_held', 'gauge', '1 when a newer state is held back.', Number(held !== null), held ?? ''],
    );
  }
  for (const { name, help, value } of gauges()) metrics.push([name, 'gauge', help, value]);
  return metrics
    .map(([name, type, help, value, reason]) => {
      const labels = reason ? `{reason="${label(reason)}"}` : '';
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name}${labels} ${value}\n`;
    })
    .join('');
}

const votesCounted = (contests: readonly { readonly votes_counted: number }[]): number =>
  contests.reduce((sum, { votes_counted }) => sum + votes_counted, 0);
