/** Addresses that lead nowhere: each message names the address and the next step. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { createFeed } from '../../src/live/results-feed.ts';
import { explainListen, startServer } from '../../src/server/server.ts';
import { freePort } from '../support/ports.ts';
import { openWorkspace } from '../support/workspace.ts';

/** A server that speaks HTTP and nothing else. @returns its port */
async function startWebServer(context: TestContext): Promise<number> {
  const server = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

describe('DATABASE_URL', { concurrency: 1 }, () => {
  for (const [name, url, says] of [
    [
      'an unknown host',
      () => 'postgresql://u@nowhere.invalid/x',
      /PostgreSQL at nowhere\.invalid:5432 does not answer/,
    ],
    [
      'nobody listens',
      async () => `postgresql://u@127.0.0.1:${await freePort()}/x`,
      /PostgreSQL at 127\.0\.0\.1:\d+ does not answer: .*ECONNREFUSED/,
    ],
    [
      'a web server listens',
      async (context) => `postgresql://u@127.0.0.1:${await startWebServer(context)}/x`,
      /PostgreSQL at 127\.0\.0\.1:\d+ does not answer/,
    ],
    [
      'a web server listens, and TLS is asked for',
      async (context) => `postgresql://u@127.0.0.1:${await startWebServer(context)}/x?sslmode=require`,
      /PostgreSQL at 127\.0\.0\.1:\d+ does not speak the protocol of PostgreSQL[\s\S]*another program/,
    ],
    [
      'a port out of range',
      () => 'postgresql://u@127.0.0.1:99999/x',
      /DATABASE_URL cannot be used[\s\S]*at most 65535/,
    ],
    [
      'a socket that is not there',
      () => 'postgresql:///x?host=/nowhere',
      /PostgreSQL at \/nowhere\/\.s\.PGSQL\.5432 does not answer/,
    ],
  ] satisfies [string, (context: TestContext) => string | Promise<string>, RegExp][])
    test(name, async (context) => {
      const workspace = openWorkspace(context);
      const { code, stderr } = await workspace.run(['register', '--voters', '10'], {
        DATABASE_URL: await url(context),
      });
      assert.ok(code === 2 || code === 3, stderr);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /defect/);
    });
});

describe('--host and --port', () => {
  for (const host of ['192.0.2.1', 'nowhere.invalid', 'fe80::1'])
    test(`${host}: the address is named`, async () => {
      const starting = startServer({ port: 0, host, results: createFeed() });
      await assert.rejects(starting, (error: { code?: string; message?: string }) => {
        assert.equal(error.code, 'ADDRESS_UNUSABLE');
        assert.ok(error.message?.includes(`--host ${host}, --port 0`), error.message);
        return true;
      });
    });

  test('a port that belongs to root alone', () => {
    const cause = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
    const error = explainListen(cause, 80, '127.0.0.1') as { code?: string; nextStep?: string };
    assert.equal(error.code, 'ADDRESS_UNUSABLE');
    assert.match(error.nextStep ?? '', /--port 8080/);
  });

  test('a failure that nobody can mend stays as it is', () => {
    const cause = new Error('it says why');
    assert.equal(explainListen(cause, 80, '127.0.0.1'), cause);
  });
});
