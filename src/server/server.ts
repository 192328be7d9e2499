import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OperationalError } from '../base/errors.ts';
import { PAGE_DIRECTORY } from '../base/resources.ts';
import type { ResultsFeed } from '../live/results-feed.ts';
import type { Gauge } from '../ports/counter.ts';
import { type Answer, type Body, errorAnswer, IMMUTABLE, REVALIDATE, sendAnswer } from './answer.ts';
import { Hub, type HubOptions } from './hub.ts';
import { readPage } from './page-files.ts';
import type { Context } from './routes/route.ts';
import { ROUTES } from './routes/table.ts';
import { Snapshots } from './snapshot.ts';

/**
 * The most connections that wait to be accepted. Ten thousand browsers connect at once in 1.1 s;
 * with Node's default of 511 it took 6.3 s.
 */
const BACKLOG_MAX = 4_096;

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  // Pictures may live elsewhere; everything else comes from here. Nothing inline runs.
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
};

export interface ServerOptions {
  /** 0 takes any free port. */
  readonly port: number;
  /** Where to listen; by default only this machine reaches it. */
  readonly host?: string;
  readonly results: ResultsFeed;
  /** More figures for the metrics. */
  readonly gauges?: () => readonly Gauge[];
  /** The built page; by default `dist/web` of this project. */
  readonly page?: string;
  /** How viewers are watched. */
  readonly viewers?: HubOptions;
}

export interface RunningServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Ends every stream and connection. Never throws. */
  close(): Promise<void>;
}

/**
 * Serves the page, the snapshot, the event stream and the metrics of one election.
 * @throws OperationalError PORT_IN_USE when another program listens there.
 */
export async function startServer({
  port,
  host = '127.0.0.1',
  results,
  gauges = () => [],
  page,
  viewers = {},
}: ServerOptions): Promise<RunningServer> {
  const files = readPage(page ?? PAGE_DIRECTORY);
  const hub = new Hub(results, viewers);
  const context: Context = { feed: results, hub, gauges, snapshots: new Snapshots() };
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    // Answers only fail when the client is gone; there is no one left to tell.
    answerRequest(context, files, request, response).catch(() => response.destroy());
  });
  try {
    await listen(server, port, host);
  } catch (error) {
    hub.close();
    throw error;
  }
  const bound = (server.address() as AddressInfo).port;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const close = async (): Promise<void> => {
    hub.close();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  return { port: bound, url: `http://${name}:${bound}/`, close, [Symbol.asyncDispose]: close };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ port, host, backlog: BACKLOG_MAX }, resolve);
  try {
    await promise;
  } catch (cause) {
    throw explainListen(cause, port, host);
  }
}

/** Failures to listen that a person can mend, by the code of the system. Others are defects. */
const LISTEN_FAILURES: Readonly<Record<string, { readonly reason: string; readonly nextStep: string }>> = {
  EACCES: {
    reason: 'this user may not use that port',
    nextStep: 'Take a port from 1024 on, such as --port 8080, or let a proxy listen there.',
  },
  EADDRNOTAVAIL: {
    reason: 'this machine does not have that address',
    nextStep: 'Give an address of this machine: --host 127.0.0.1, or --host 0.0.0.0 for all of them.',
  },
  ENOTFOUND: {
    reason: 'no address is known for that name',
    nextStep: 'Correct --host: 127.0.0.1, or 0.0.0.0 for all addresses of this machine.',
  },
  EAI_AGAIN: {
    reason: 'the name could not be looked up',
    nextStep: 'Give --host as an address: 127.0.0.1, or 0.0.0.0 for all addresses of this machine.',
  },
  EINVAL: {
    reason: 'the system refuses that address',
    nextStep: 'Give --host as an address of this machine, with its interface where it is link-local (fe80::1%eth0).',
  },
  EAFNOSUPPORT: {
    reason: 'this machine does not have that kind of address',
    nextStep: 'Give an address of the other kind: --host 127.0.0.1 or --host ::1.',
  },
};

/** Turns a failure to listen into an error with a next step. Returns an unknown error unchanged. */
export function explainListen(cause: unknown, port: number, host: string): unknown {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (code === 'EADDRINUSE')
    return new OperationalError('PORT_IN_USE', {
      message: `Port ${port} is in use by another program, at address ${host}.`,
      nextStep: 'Stop that program, or take another port: --port 0 finds a free one.',
      cause,
    });
  const failure = LISTEN_FAILURES[code];
  if (failure === undefined) return cause;
  return new OperationalError('ADDRESS_UNUSABLE', {
    message: `the dashboard cannot listen at --host ${host}, --port ${port}: ${failure.reason}`,
    nextStep: failure.nextStep,
    cause,
  });
}

async function answerRequest(
  context: Context,
  files: ReadonlyMap<string, Body>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const answer = route(context, files, request, response);
  if (answer !== null) await sendAnswer(answer, request, response);
}

/** @returns null where the route writes the response itself. */
function route(
  context: Context,
  files: ReadonlyMap<string, Body>,
  request: IncomingMessage,
  response: ServerResponse,
): Answer | null {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return {
      ...errorAnswer(405, 'READ_ONLY', 'This server only answers GET.', 'See /api/openapi.json.'),
      headers: { allow: 'GET, HEAD' },
    };
  const url = addressOf(request.url ?? '/');
  if (url === null) return errorAnswer(400, 'BAD_ADDRESS', 'No address.', 'See /api/openapi.json.');
  const found = ROUTES.find(({ path }) => path === url.pathname);
  if (found !== undefined) return found.answer(context, url, request, response);
  const file = files.get(url.pathname);
  if (file !== undefined) {
    // The build puts a hash into the name of each asset, so its content never changes.
    const isHashed = url.pathname.startsWith('/assets/');
    return { status: 200, body: file, headers: isHashed ? IMMUTABLE : REVALIDATE };
  }
  if (url.pathname === '/')
    return errorAnswer(503, 'PAGE_NOT_BUILT', 'The page is not built.', 'Run npm start once: it builds the page.');
  return errorAnswer(404, 'NOT_FOUND', 'There is nothing at this address.', 'See /api/openapi.json.');
}

/**
 * The address of a request. Proxies that join paths carelessly send `//api/results`: a row of
 * slashes counts as one, and is never read as the name of another host. @returns null for a text
 * that is not an address.
 */
function addressOf(target: string): URL | null {
  const text = target.startsWith('/') ? `http://host${target}` : target;
  if (!URL.canParse(text, 'http://host')) return null;
  const url = new URL(text, 'http://host');
  url.pathname = url.pathname.replace(/\/{2,}/g, '/');
  return url;
}
