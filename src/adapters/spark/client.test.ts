import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createSecureServer, createServer, type Http2Server, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ErrorCode, OperationalError } from '../../base/errors.ts';
import { openSparkClient } from './client.ts';
import { SparkError } from './explain.ts';
import { openQueryHome } from './query.ts';
import { parseSparkRemote } from './remote.ts';

const SESSION = { session_id: '00112233-4455-6677-8899-aabbccddeeff', user_id: 'office' };
const failsWith = (code: ErrorCode, canRetry: boolean) => (error: unknown) =>
  error instanceof OperationalError && error.code === code && error.canRetry === canRetry;

/** The requests that a server has received, and its answer: an empty message, or a status. */
interface Heard {
  readonly headers: IncomingHttpHeaders[];
  readonly port: number;
  status: Record<string, string>;
  close(): Promise<void>;
}

/** Speaks as much gRPC over HTTP/2 as a call without a result needs. */
async function listen(server: Http2Server): Promise<Heard> {
  const headers: IncomingHttpHeaders[] = [];
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  const heard = { status: { 'grpc-status': '0' } as Record<string, string> };
  server.on('stream', (stream, received) => {
    headers.push(received);
    stream.on('error', () => {});
    stream.resume();
    stream.on('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(heard.status));
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(heard, {
    headers,
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}

/** Runs one call. */
async function call(remote: string): Promise<void> {
  const client = openSparkClient(parseSparkRemote(remote));
  try {
    await client.configure(SESSION, { 'spark.sql.session.timeZone': 'UTC' });
  } finally {
    client.close();
  }
}

describe('without TLS', () => {
  let server: Heard;
  before(async () => {
    server = await listen(createServer());
  });
  after(() => server.close());

  test('calls the service, without a token', async () => {
    server.status = { 'grpc-status': '0' };
    await call(`sc://127.0.0.1:${server.port}`);
    const headers = server.headers.at(-1)!;
    assert.equal(headers[':path'], '/spark.connect.SparkConnectService/Config');
    assert.equal(headers.authorization, undefined);
  });

  for (const [status, expected] of [
    ['14', failsWith('SPARK_UNREACHABLE', true)],
    ['4', failsWith('SPARK_UNREACHABLE', true)],
    ['16', failsWith('SPARK_REFUSED', false)],
    ['7', failsWith('SPARK_REFUSED', false)],
    ['13', (error: unknown) => error instanceof SparkError && error.condition === 'INVALID_HANDLE.SESSION_CLOSED'],
  ] as const)
    test(`tells what status ${status} means`, async () => {
      server.status = {
        'grpc-status': status,
        'grpc-message': '[INVALID_HANDLE.SESSION_CLOSED] The handle is invalid',
      };
      await assert.rejects(call(`sc://127.0.0.1:${server.port}`), expected);
    });

  test('tries the next sessions where one was closed, and gives up in the end', async () => {
    const client = openSparkClient(parseSparkRemote(`sc://127.0.0.1:${server.port}`));
    const calls = server.headers.length;
    server.status = { 'grpc-status': '13', 'grpc-message': '[INVALID_HANDLE.SESSION_CLOSED] The handle is invalid' };
    const plan = { name: 'q', configuration: {}, source: {}, sink: {} };
    await assert.rejects(openQueryHome(client, plan, 'office').find(), failsWith('SPARK_FAILED', false));
    assert.ok(server.headers.length - calls > 100);
    client.close();
  });

  test('a server that went away is unreachable, and worth another try', async () => {
    const gone = await listen(createServer());
    await gone.close();
    await assert.rejects(call(`sc://127.0.0.1:${gone.port}`), failsWith('SPARK_UNREACHABLE', true));
  });

  test('a server that goes away in the middle of a call is unreachable', async () => {
    const dying = createServer();
    dying.on('stream', (stream) => stream.session?.destroy());
    const { port, close } = await listen(dying);
    await assert.rejects(call(`sc://127.0.0.1:${port}`), failsWith('SPARK_UNREACHABLE', true));
    await close();
  });
});

/** A certificate of our own for 127.0.0.1, or null where openssl is not installed. */
function makeCertificate(directory: string): { key: Buffer; cert: Buffer; path: string } | null {
  const key = join(directory, 'key.pem');
  const path = join(directory, 'cert.pem');
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  try {
    const options = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', path];
    execFileSync('openssl', [...options, ...subject], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return { key: readFileSync(key), cert: readFileSync(path), path };
}

const directory = mkdtempSync(join(tmpdir(), 'tallyroom-tls-'));
const certificate = makeCertificate(directory);
after(() => rmSync(directory, { recursive: true, force: true }));

describe('with TLS', { skip: certificate === null && 'there is no openssl to make a certificate' }, () => {
  let server: Heard;
  before(async () => {
    server = await listen(createSecureServer({ key: certificate!.key, cert: certificate!.cert }));
  });
  after(() => server.close());

  test('refuses a certificate that nobody vouches for, and sends no token', async () => {
    const calls = server.headers.length;
    await assert.rejects(call(`sc://127.0.0.1:${server.port}/;token=secret`), failsWith('SPARK_REFUSED', false));
    assert.equal(server.headers.length, calls);
  });

  test('sends the token to a server whose certificate NODE_EXTRA_CA_CERTS vouches for', async () => {
    const program = `
      import { openSparkClient } from ${JSON.stringify(new URL('client.ts', import.meta.url).href)};
      import { parseSparkRemote } from ${JSON.stringify(new URL('remote.ts', import.meta.url).href)};
      const client = openSparkClient(parseSparkRemote(process.env.REMOTE));
      await client.configure(${JSON.stringify(SESSION)}, {});
      client.close();`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        NODE_EXTRA_CA_CERTS: certificate!.path,
        REMOTE: `sc://127.0.0.1:${server.port}/;token=secret`,
      },
    });
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    const headers = server.headers.at(-1)!;
    assert.equal(headers.authorization, 'Bearer secret');
    assert.equal(headers[':scheme'], 'https');
  });
});
