import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { OperationalError } from '../../base/errors.ts';
import { MIGRATIONS_DIRECTORY } from '../../base/resources.ts';
import type { Waiting } from '../../base/waiting.ts';
import { type Database, inTransaction, lockOrAbort } from './database.ts';
import { assertSuitable } from './session.ts';

/** Any number of our own. Two processes that start at once wait for each other on this lock. */
const MIGRATION_LOCK = 0x7a11_0001;

/**
 * The longest wait for a process that migrates the same tables, or uses them in an older version.
 */
const LOCK_S_MAX = 600;
const LINE = `Bringing the tables to this version, or waiting for another process that does, at most ${LOCK_S_MAX} s.`;

/**
 * Brings the tables to the version of this program. Several processes may start at once: each takes
 * the lock inside the transaction that applies a migration, so one applies it and the others find
 * it applied.
 * @throws OperationalError DATABASE_UNSUITABLE where no tables can be made here, DATABASE_UNSAFE
 * where a newer program has migrated the database, DATABASE_UNREACHABLE where another process holds
 * the tables; the signal's reason.
 */
export async function migrate(database: Database, { say, signal }: Waiting): Promise<void> {
  const files = (await readdir(MIGRATIONS_DIRECTORY)).filter((name) => /^\d{4}-.*\.sql$/.test(name)).sort();
  await using client = await database.connect();
  const work = async () => {
    await assertSuitable(client);
    await inTransaction(client, () => apply(client, files));
  };
  await lockOrAbort(database, client, signal, work, { say, line: LINE });
  crashPoint('migrate.after-commit');
}

/** Applies what is not applied yet, in the transaction of the caller. */
async function apply(client: pg.Client, files: readonly string[]): Promise<void> {
  const known = Number(files.at(-1)!.slice(0, 4));
  await client.query(`SET LOCAL lock_timeout = '${LOCK_S_MAX}s'`);
  await client.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
  await client.query(
    'CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  const { rows } = await client.query<{ number: number; name: string }>('SELECT number, name FROM migrations');
  const newest = rows.reduce((most, row) => Math.max(most, row.number), 0);
  if (newest > known)
    throw new OperationalError('DATABASE_UNSAFE', {
      message: `the database is at migration ${newest}, this program knows ${known}`,
      nextStep: 'Start the newer version of Tallyroom that made it.',
    });
  for (const name of files) {
    const number = Number(name.slice(0, 4));
    if (rows.some((row) => row.number === number)) continue;
    await client.query(await readFile(join(MIGRATIONS_DIRECTORY, name), 'utf8'));
    await client.query('INSERT INTO migrations (number, name) VALUES ($1, $2)', [number, name]);
  }
  crashPoint('migrate.before-commit');
}
