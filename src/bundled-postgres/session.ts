/** Sessions on the bundled server, and the lock that says that a process uses it. */
import { join } from 'node:path';
import pg from 'pg';
import { OperationalError } from '../base/errors.ts';
import { TimedOut, untilAnswered, type Waiting } from '../base/waiting.ts';
import { CLUSTER, ROLE, SERVER_LOG } from './cluster.ts';
import { isSame, otherCluster, readLockFile } from './lock-file.ts';

export const DATABASE = 'tallyroom';
/** The lock that says "in use", in the database `postgres`; any number that nothing else uses. */
export const IN_USE_LOCK = 7_411_001;
/**
 * A server that starts, recovers or stops answers at once, with a refusal. One that says nothing
 * for this long is stopped (SIGSTOP) or hangs on its disk.
 */
export const ANSWER_MS_MAX = 20_000;
/**
 * The process that stops the server holds the lock, for at most {@link STOP_MS_MAX}; a slow disk
 * makes its database in less.
 */
const LOCK_MS_MAX = 120_000;
/** The longest clean stop that is waited for: memory is written, on a slow disk for a while. */
export const STOP_MS_MAX = 60_000;

const QUIET: Waiting = { say: () => {} };

/**
 * A session on the server that runs, as its owner and without the lock.
 * @returns undefined where none takes connections now.
 * @throws OperationalError where it says nothing, or serves another directory; AbortError.
 */
export async function connect(home: string, waiting = QUIET): Promise<pg.Client | undefined> {
  const lockFile = await readLockFile(home);
  if (lockFile?.socketDirectory === undefined) return undefined;
  if ((await otherCluster(home, lockFile)) !== undefined) return undefined;
  const client = new pg.Client({
    host: lockFile.socketDirectory,
    port: lockFile.port,
    user: ROLE,
    database: 'postgres',
    ssl: false,
    options: '-c synchronous_commit=on',
    application_name: 'tallyroom-in-use',
  });
  client.on('error', () => {}); // Without a listener a session that breaks would end the process.
  try {
    await answered(client, client.connect(), home, waiting, ANSWER_MS_MAX);
    await assertOurs(client, home, waiting);
    return client;
  } catch (error) {
    await hangUp(client);
    if (error instanceof TimedOut) throw silent(home, lockFile.pid, error);
    if (isPassing(error)) return undefined;
    if (error instanceof OperationalError || error === waiting.signal?.reason) throw error;
    throw unreachable(`PostgreSQL in ${home} runs and refuses us.`, home, error);
  }
}

/** The lock file may name the socket of another server: the server itself says what it serves. */
async function assertOurs(client: pg.Client, home: string, waiting: Waiting): Promise<void> {
  const asked = client.query<{ data_directory: string }>('SHOW data_directory');
  const { rows } = await answered(client, asked, home, waiting, ANSWER_MS_MAX);
  const served = rows[0]!.data_directory;
  if (await isSame(served, join(home, CLUSTER))) return;
  throw new OperationalError('DATABASE_START_FAILED', {
    message: `The lock file ${join(home, CLUSTER, 'postmaster.pid')} names the server of another database, ${served}.`,
    nextStep: 'Remove the lock file if no server runs for this data directory, then start again.',
  });
}

/** Waits for an answer on a session; the session is cut off where none comes. */
export function answered<Value>(
  client: pg.Client,
  work: Promise<Value>,
  home: string,
  { say, signal }: Waiting,
  limit_ms: number,
): Promise<Value> {
  const line = `PostgreSQL in ${home} has not answered yet. Waiting for it, at most ${limit_ms / 1000} s.`;
  return untilAnswered(work, {
    say,
    signal,
    line,
    limit_ms,
    cut: (reason) => client.connection.stream.destroy(reason),
  });
}

/** Ends a session without waiting for a server that may not answer. Never throws. */
export async function hangUp(client: pg.Client): Promise<void> {
  const ended = client.end().catch(() => {});
  client.connection.stream.destroy();
  await ended;
}

/**
 * @returns false where the server stopped while we waited: the process that stops it holds the lock
 * exclusively.
 */
export async function takeLock(session: pg.Client, home: string, waiting: Waiting): Promise<boolean> {
  try {
    const locked = session.query('SELECT pg_advisory_lock_shared($1)', [IN_USE_LOCK]);
    await answered(session, locked, home, waiting, LOCK_MS_MAX);
    return true;
  } catch (error) {
    await hangUp(session);
    waiting.signal?.throwIfAborted();
    if (isPassing(error)) return false;
    if (error instanceof TimedOut)
      throw unreachable(`Another process has been stopping PostgreSQL in ${home} for long.`, home, error);
    throw error;
  }
}

/**
 * Errors of a server that is starting, stopping or gone: 57P01-57P03 by its own word, the rest by a
 * cut connection.
 */
export function isPassing(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return (
    /^(57P0[123]|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT)$/.test(code ?? '') ||
    /^Connection terminated|not queryable/.test(message ?? '')
  );
}

/** Makes the database where it is not there. */
export async function ensureDatabase(session: pg.Client): Promise<void> {
  const { rowCount } = await session.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
  if (rowCount !== 0) return;
  try {
    await session.query(`CREATE DATABASE ${DATABASE}`);
  } catch (error) {
    // Another process made it in the same moment: 42P04 by name, 23505 by its unique index.
    if (!/^(42P04|23505)$/.test((error as { code?: string }).code ?? '')) throw error;
  }
}

export const silent = (home: string, pid: number, cause?: unknown): OperationalError =>
  new OperationalError('DATABASE_UNREACHABLE', {
    message: `PostgreSQL in ${home} (process ${pid}) runs and has not answered: it is stopped, or its disk is.`,
    nextStep: `Let it go on (\`kill -CONT ${pid}\`) or end it, then start again: nothing committed is lost.`,
    cause,
  });

export function unreachable(message: string, home: string, cause: unknown): OperationalError {
  const reason = cause instanceof Error ? ` ${cause.message}` : '';
  return new OperationalError('DATABASE_UNREACHABLE', {
    message: `${message}${reason}`,
    nextStep: `Start again: the database goes on where it was. Should it not, read ${join(home, SERVER_LOG)}.`,
    canRetry: true,
    cause,
  });
}
