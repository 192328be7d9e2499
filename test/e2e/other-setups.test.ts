/** Databases that are set up otherwise: each setting is overruled, or refused by name. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { type BundledServer, openBundledServer } from '../../src/bundled-postgres/server.ts';
import { temporaryDirectory } from '../support/tallyroom.ts';
import { openWorkspace, succeeded, urlOf } from '../support/workspace.ts';

/** Settings that the session overrules. */
const OVERRULED: readonly string[] = [
  "default_transaction_isolation = 'repeatable read'",
  "default_transaction_isolation = 'serializable'",
  'statement_timeout = 50',
  'lock_timeout = 1',
  'idle_in_transaction_session_timeout = 1',
  'idle_session_timeout = 200',
  "bytea_output = 'escape'",
  'standard_conforming_strings = off',
  "DateStyle = 'German, DMY'",
  "TimeZone = 'Asia/Kathmandu'",
  "IntervalStyle = 'sql_standard'",
  'extra_float_digits = -15',
  'jit = on',
];

interface Refused {
  readonly name: string;
  /** What CREATE DATABASE has more. */
  readonly made?: string;
  /** SQL in the new database, by its owner. */
  readonly sql: (database: string) => string;
  readonly says: RegExp;
  readonly role?: string;
}

const REFUSED: readonly Refused[] = [
  {
    name: 'read-only by default',
    sql: (database) => `ALTER DATABASE ${database} SET default_transaction_read_only = on`,
    says: /is read-only for role tallyroom[\s\S]*default_transaction_read_only to off/,
  },
  {
    name: 'LATIN1',
    made: "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    sql: () => 'SELECT 1',
    says: /has the encoding LATIN1[\s\S]*ENCODING 'UTF8'/,
  },
  {
    name: 'SQL_ASCII',
    made: "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    sql: () => 'SELECT 1',
    says: /has the encoding SQL_ASCII/,
  },
  { name: 'no schema', sql: () => 'DROP SCHEMA public', says: /none of the schemas[\s\S]*CREATE SCHEMA/ },
  {
    name: 'a search_path to nowhere',
    sql: (database) => `ALTER DATABASE ${database} SET search_path = nowhere`,
    says: /none of the schemas that search_path of role tallyroom names \(nowhere\)/,
  },
  {
    name: 'no right to make tables',
    sql: () => 'CREATE ROLE guest LOGIN',
    says: /role guest may not create tables in schema public[\s\S]*GRANT USAGE, CREATE ON SCHEMA public TO guest/,
    role: 'guest',
  },
];

describe('a database that is set up otherwise', { concurrency: 1 }, () => {
  const directory = temporaryDirectory();
  let server: BundledServer;
  let made = 0;
  before(async () => {
    server = await openBundledServer({ dataDir: directory.path });
  });
  after(async () => {
    await server.close();
    directory.remove();
  });

  async function run(sql: string, database = server.connection.database): Promise<void> {
    const client = new pg.Client({ ...server.connection, database });
    await client.connect();
    try {
      await client.query(sql);
    } finally {
      await client.end();
    }
  }

  /** @returns its name, and its address for a role. */
  async function makeDatabase(more = ''): Promise<{ name: string; url(role?: string): string }> {
    const name = `other_${++made}`;
    await run(`CREATE DATABASE ${name} ${more}`);
    const url = new URL(urlOf(server).replace('///', '//host/'));
    url.pathname = `/${name}`;
    return {
      name,
      url(role) {
        if (role !== undefined) url.searchParams.set('user', role);
        return url.href.replace('//host/', '///');
      },
    };
  }

  for (const setting of OVERRULED)
    test(`${setting}: an election is counted and verified`, async (t) => {
      const workspace = openWorkspace(t);
      const { name, url } = await makeDatabase();
      await run(`ALTER DATABASE ${name} SET ${setting}`);
      const environment = { DATABASE_URL: url() };
      const args = ['run', '--voters', '3000', '--rate', 'max', '--once', '--port', '0'];
      succeeded(await workspace.run(args, environment));
      succeeded(await workspace.run(['verify'], environment));
    });

  test('search_path elsewhere: the tables are made there', async (t) => {
    const workspace = openWorkspace(t);
    const { name, url } = await makeDatabase();
    await run('CREATE SCHEMA app', name);
    await run(`ALTER DATABASE ${name} SET search_path = app`);
    succeeded(await workspace.run(['register', '--voters', '100'], { DATABASE_URL: url() }));
    await run('SELECT election_no FROM app.elections', name);
  });

  for (const { name, made: more, sql, says, role } of REFUSED)
    test(`${name}: refused at the start, by doctor too`, async (t) => {
      const workspace = openWorkspace(t);
      const database = await makeDatabase(more);
      await run(sql(database.name), database.name);
      for (const command of [['register', '--voters', '10'], ['doctor']]) {
        const { code, stderr, stdout } = await workspace.run(command, { DATABASE_URL: database.url(role) });
        assert.notEqual(code, 0);
        assert.match(stderr + stdout, says);
        assert.doesNotMatch(stderr + stdout, /Report it|defect/);
      }
    });
});
