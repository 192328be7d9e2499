/**
 * Addresses of Kafka and Spark that lead to no such server: each message names the address and the
 * next step, and nothing ends the process on its own.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { withAdmin } from '../../src/adapters/kafka/topics.ts';
import { openSparkClient } from '../../src/adapters/spark/client.ts';
import { parseSparkRemote } from '../../src/adapters/spark/remote.ts';
import { type ErrorCode, OperationalError } from '../../src/base/errors.ts';
import { freePort } from '../support/ports.ts';

/** @returns the address of a server that is closed after the test. */
async function listen(context: TestContext, server: Server): Promise<string> {
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    context.after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A certificate that nobody trusts. */
function makeCertificate(context: TestContext): { key: Buffer; cert: Buffer } {
  const directory = mkdtempSync(join(tmpdir(), 'tallyroom-tls-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const files = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') };
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=x'];
  execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', files.key, '-out', files.cert], { stdio: 'ignore' });
  return { key: readFileSync(files.key), cert: readFileSync(files.cert) };
}

type Listening = (context: TestContext) => string | Promise<string>;

const nobody: Listening = async () => `127.0.0.1:${await freePort()}`;
const unknownHost: Listening = () => 'nowhere.invalid:9092';
const webServer: Listening = (context) =>
  listen(
    context,
    createServer((_, response) => response.end('hello')),
  );
const secureServer: Listening = (context) =>
  listen(
    context,
    createSecureServer(makeCertificate(context), (_, response) => response.end('hello')),
  );
const banner: Listening = (context) =>
  listen(
    context,
    createTcpServer((socket) => socket.write('SSH-2.0-Other\r\n')),
  );
const closing: Listening = (context) =>
  listen(
    context,
    createTcpServer((socket) => socket.destroy()),
  );
/** It speaks HTTP/2, and knows no call. */
const http2Server: Listening = (context) =>
  listen(context, createHttp2Server((_, response) => response.writeHead(404).end()) as unknown as Server);

interface Expected {
  readonly code: ErrorCode;
  readonly says?: RegExp;
  readonly next: RegExp;
}

type Case = readonly [name: string, where: Listening, isTls: boolean, expected: Expected];

function assertNamed(error: unknown, address: string, { code, says = /./, next }: Expected): true {
  assert.ok(error instanceof OperationalError, String(error));
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.includes(address), error.message);
  assert.match(error.message, says);
  assert.match(error.nextStep, next);
  assert.doesNotMatch(error.message, /\n|SSL routines/);
  return true;
}

const KAFKA_AWAY: Expected = { code: 'KAFKA_UNREACHABLE', says: /does not answer: /, next: /KAFKA_BROKERS.*KAFKA_TLS/ };
const KAFKA_CASES: readonly Case[] = [
  ['nobody listens', nobody, false, { ...KAFKA_AWAY, says: /ECONNREFUSED/ }],
  ['nobody listens, by TLS', nobody, true, { ...KAFKA_AWAY, says: /ECONNREFUSED/ }],
  ['an unknown host', unknownHost, false, { ...KAFKA_AWAY, says: /ENOTFOUND/ }],
  ['a web server', webServer, false, KAFKA_AWAY],
  ['a server that closes', closing, false, KAFKA_AWAY],
  ['a server that closes, by TLS', closing, true, KAFKA_AWAY],
  ['a server of TLS, without TLS', secureServer, false, KAFKA_AWAY],
  [
    'a web server, by TLS',
    webServer,
    true,
    { code: 'KAFKA_REFUSED', says: /does not speak TLS/, next: /KAFKA_TLS=false/ },
  ],
  ['another program, by TLS', banner, true, { code: 'KAFKA_REFUSED', says: /not speak TLS/, next: /KAFKA_TLS=false/ }],
  [
    'a certificate of nobody',
    secureServer,
    true,
    { code: 'KAFKA_REFUSED', says: /self-signed/, next: /KAFKA_CA_FILE/ },
  ],
];

describe('KAFKA_BROKERS', () => {
  for (const [name, where, isTls, expected] of KAFKA_CASES)
    test(name, async (context) => {
      const address = await where(context);
      const tls = isTls ? { ca_file: null, cert_file: null, key_file: null } : null;
      const settings = { brokers: [address], tls, sasl: null, replication: 1 };
      await assert.rejects(
        withAdmin(settings, (admin) => admin.metadata({ topics: ['any'], forceUpdate: true })),
        (error) => assertNamed(error, address, expected),
      );
    });
});

const SPARK_AWAY: Expected = { code: 'SPARK_UNREACHABLE', says: /does not answer: /, next: /SPARK_REMOTE.*use_ssl/ };
const SPARK_CASES: readonly Case[] = [
  ['nobody listens', nobody, false, { ...SPARK_AWAY, says: /ECONNREFUSED/ }],
  ['nobody listens, by TLS', nobody, true, { ...SPARK_AWAY, says: /ECONNREFUSED/ }],
  ['an unknown host', unknownHost, false, { ...SPARK_AWAY, says: /ENOTFOUND/ }],
  ['a web server', webServer, false, SPARK_AWAY],
  ['another program', banner, false, SPARK_AWAY],
  ['a server that closes', closing, false, SPARK_AWAY],
  ['a server of TLS, without TLS', secureServer, false, SPARK_AWAY],
  [
    'a server of HTTP/2 that is not Spark',
    http2Server,
    false,
    { code: 'SPARK_REFUSED', says: /does not know the calls/, next: /another program/ },
  ],
  ['a web server, by TLS', webServer, true, { code: 'SPARK_REFUSED', says: /wrong version/, next: /speaks no TLS/ }],
  ['another program, by TLS', banner, true, { code: 'SPARK_REFUSED', says: /wrong version/, next: /speaks no TLS/ }],
  ['a secure web server, by TLS', secureServer, true, { code: 'SPARK_REFUSED', next: /the address/ }],
];

describe('SPARK_REMOTE', () => {
  for (const [name, where, isTls, expected] of SPARK_CASES)
    test(name, async (context) => {
      const address = await where(context);
      const client = openSparkClient(parseSparkRemote(`sc://${address}/;use_ssl=${isTls}`));
      const session = { session_id: '00112233-4455-6677-8899-aabbccddeeff', user_id: 'office' };
      await assert.rejects(client.configure(session, { any: 'value' }), (error) =>
        assertNamed(error, address, expected),
      );
      client.close();
    });
});
