/** Answers of PostgreSQL that get lost on an open connection, and answers that take long. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { copyIn } from '../../src/adapters/postgres/copy.ts';
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts';
import { chunks, startProxy } from '../support/proxy.ts';
import { openWorkspace } from '../support/workspace.ts';

/** Looks often, so that a test needs no patience. */
const LOOK_MS = 50;
const UNREACHABLE = { code: 'DATABASE_UNREACHABLE', message: /the answer did not arrive/ };

/** A database behind a proxy that swallows the answer to each message with the word `swallowed`. */
async function openBehindProxy(context: TestContext): Promise<Database> {
  const { host, port, user, database } = (await openWorkspace(context).server()).connection;
  const proxy = await startProxy({ target: () => ({ path: join(host, `.s.PGSQL.${port}`) }), framing: chunks });
  proxy.judge = (message) => (message.includes('swallowed') ? 'swallow the answer' : 'pass');
  const opened = openDatabase(
    async () => ({ host: '127.0.0.1', port: proxy.port, user, database }),
    undefined,
    LOOK_MS,
  );
  context.after(async () => {
    await opened.close();
    await proxy.close();
  });
  return opened;
}

describe('answers of PostgreSQL', { concurrency: 1 }, () => {
  test('a lost answer ends the connection; the next statement has another', async (context) => {
    const database = await openBehindProxy(context);
    await assert.rejects(database.query(`SELECT 'swallowed'`), UNREACHABLE);
    assert.deepEqual(await database.query('SELECT 1 AS one'), [{ one: 1 }]);
  });

  test('inside a transaction, and for the data of a COPY', async (context) => {
    const database = await openBehindProxy(context);
    await using first = await database.connect();
    await first.query('BEGIN');
    await assert.rejects(first.query(`SELECT 'swallowed'`), UNREACHABLE);
    await using second = await database.connect();
    await second.query('CREATE TEMPORARY TABLE copied (n integer)');
    await assert.rejects(copyIn(second, 'COPY copied /* swallowed */ FROM STDIN', Buffer.from('1\n')), UNREACHABLE);
  });

  test('a statement that takes long or waits for a lock is waited for', async (context) => {
    const database = await openBehindProxy(context);
    await using holder = await database.connect();
    await using waiting = await database.connect();
    await holder.query('SELECT pg_advisory_lock(1)');
    const locked = waiting.query('SELECT pg_advisory_lock(1)');
    // As long as many looks.
    await database.query('SELECT pg_sleep($1)', [(20 * LOOK_MS) / 1000]);
    await holder.query('SELECT pg_advisory_unlock(1)');
    await locked;
  });
});
