import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { acceptedEncodings } from './encoding.ts';

const compress = promisify(gzip);

/** A body up to this is sent as it is: compressing it saves nothing. */
const PLAIN_BYTES_MAX = 1_000;

/** Caches keep it and ask each time whether it is still the newest: a 304 costs a few bytes. */
export const REVALIDATE = { 'cache-control': 'public, no-cache' };
/** Caches keep it for ever: other content has another address. */
export const IMMUTABLE = { 'cache-control': 'public, max-age=31536000, immutable' };
export const NEVER_STORE = { 'cache-control': 'no-store' };

/** A body ready to be sent; compressed once, at the first request that needs it compressed. */
export class Body {
  readonly type: string;
  /** Empty where the content has none. */
  readonly etag: string;
  readonly plain: Buffer;
  #packed: Promise<Buffer> | null = null;

  constructor(type: string, etag: string, plain: Buffer) {
    this.type = type;
    this.etag = etag;
    this.plain = plain;
  }

  packed(): Promise<Buffer> {
    this.#packed ??= compress(this.plain);
    return this.#packed;
  }
}

export interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly headers?: Readonly<Record<string, string>>;
}

export const textBody = (type: string, text: string): Body => new Body(type, '', Buffer.from(text));
export const jsonBody = (value: unknown): Body => textBody('application/json', JSON.stringify(value));

/** Every error of the API has this shape: what happened, and the next step. */
export function errorAnswer(status: number, code: string, message: string, next_step: string): Answer {
  const retry = status === 503 ? { 'retry-after': '2' } : {};
  return { status, body: jsonBody({ error: { code, message, next_step } }), headers: { ...NEVER_STORE, ...retry } };
}

/** Sends an answer: 304 where the client has the body already, compressed where it accepts gzip. */
export async function sendAnswer(
  { status, body, headers = {} }: Answer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (body.etag !== '') response.setHeader('etag', body.etag);
  response.setHeader('vary', 'accept-encoding');
  if (body.etag !== '' && isKnown(String(request.headers['if-none-match'] ?? ''), body.etag)) {
    response.writeHead(304).end();
    return;
  }
  const accepted = acceptedEncodings(request);
  const isPacked = accepted.gzip && (body.plain.length > PLAIN_BYTES_MAX || !accepted.identity);
  const content = isPacked ? await body.packed() : body.plain;
  if (isPacked) response.setHeader('content-encoding', 'gzip');
  response.writeHead(status, { 'content-type': body.type, 'content-length': content.length });
  response.end(request.method === 'HEAD' ? undefined : content);
}

/** A cache on the way may weaken the tag, so the comparison is the weak one (RFC 9110, 13.1.2). */
const isKnown = (ifNoneMatch: string, etag: string): boolean =>
  ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
