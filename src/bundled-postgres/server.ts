/**
 * PostgreSQL 15 as a server of our own, from the binaries in npm, for a machine that has none.
 * Several processes share it: each holds a shared advisory lock on a session of its own. The last
 * to close is the one that gets the lock exclusively; it stops the server. Whichever process is
 * killed, the next to open finds the server running or starts it; PostgreSQL's own lock file alone
 * says which.
 */
import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { crashPoint } from '../base/crash-points.ts';
import { OperationalError } from '../base/errors.ts';
import { CLUSTER, ensureCluster, ROLE, readLog, SERVER_LOG, startFailure, turnLog, writeSettings } from './cluster.ts';
import { type Places, preparePlaces } from './places.ts';
import { type Outcome, runProgram } from './programs.ts';

export interface BundledServerOptions {
  /** Made where it does not exist. Relative to the working directory. */
  readonly dataDir: string;
  /** Takes lines for the user about what takes time or is unusual. */
  readonly onProgress?: (line: string) => void;
  /**
   * Called once when the server goes away under us; then close() and open again. Never called by
   * close().
   */
  readonly onLost?: (error: OperationalError) => void;
}

/**
 * For `new pg.Client` and `new pg.Pool`: a Unix socket in a directory that only the server's
 * account and root can enter.
 */
export interface BundledConnection {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly ssl: false;
  /** Set here, so that PGOPTIONS of the user's environment cannot weaken a commit. */
  readonly options: string;
}

export interface BundledServer {
  readonly connection: BundledConnection;
  /** The directory that holds the cluster and the server's log. */
  readonly home: string;
  /**
   * Gives the server up, and stops it when no other process uses it. End your own connections
   * first: a stop cuts them. May be repeated.
   */
  close(): Promise<void>;
}

export const DATABASE = 'tallyroom';
/** The lock that says "in use", in the database `postgres`; any number that nothing else uses. */
export const IN_USE_LOCK = 7_411_001;
/**
 * After the postmaster is killed its children hold its shared memory for a moment, one that writes
 * to a slow disk longer, and no start succeeds.
 */
export const START_RETRY_MS_MAX = 30_000;
/**
 * Recovery after a crash reads the log since the last checkpoint: seconds, minutes on a slow disk.
 */
const RECOVERY_S_MAX = 600;
/**
 * A server that starts, recovers or stops answers at once, with a refusal. One that says nothing
 * for this long is stopped (SIGSTOP) or hangs on its disk.
 */
const ANSWER_MS_MAX = 20_000;
/** A start or a stop takes some tenths of a second; asking this often costs nothing. */
const RETRY_PAUSE_MS = 50;

/**
 * Opens the server of a data directory: makes the database where there is none, starts the server
 * or takes over the one that runs.
 * @throws OperationalError DATABASE_START_FAILED, DATABASE_UNREACHABLE, DATA_DIRECTORY_VERSION,
 * DATA_DIRECTORY_UNUSABLE, DISK_FULL.
 */
export async function openBundledServer(options: BundledServerOptions): Promise<BundledServer> {
  const onProgress = options.onProgress ?? (() => {});
  const places = await preparePlaces(options.dataDir, onProgress);
  await ensureCluster(places, onProgress);
  const session = await enter(places, onProgress);
  let state: 'open' | 'lost' | 'closed' = 'open';
  const lose = (cause: unknown) => {
    if (state !== 'open') return;
    state = 'lost';
    options.onLost?.(unreachable(`PostgreSQL in ${places.home} went away.`, places.home, cause));
  };
  // An error has the reason; a connection may also end without one. `lose` takes the first of the
  // two alone.
  session.removeAllListeners('error');
  session.on('error', lose).on('end', () => lose(undefined));
  try {
    await ensureDatabase(session);
  } catch (error) {
    state = 'closed';
    await session.end();
    throw unreachable(`PostgreSQL in ${places.home} did not make its database.`, places.home, error);
  }
  let closing: Promise<void> | undefined;
  const close = () => {
    const lost = state === 'lost';
    state = 'closed';
    closing ??= leave(places, lost ? undefined : session);
    return closing;
  };
  return { connection: { ...addressOf(session), database: DATABASE }, home: places.home, close };
}

/**
 * Repeats until this process has a session that holds the lock: others may be starting or stopping
 * the server meanwhile.
 */
async function enter(places: Places, onProgress: (line: string) => void): Promise<pg.Client> {
  let failing_since_ms: number | undefined;
  for (;;) {
    const session = await connect(places.home);
    if (session !== undefined && (await takeLock(session))) return session;
    if (await isRunning(places)) {
      failing_since_ms = undefined;
      await delay(RETRY_PAUSE_MS);
      continue;
    }
    const failure = await start(places, onProgress);
    if (failure === undefined) continue;
    failing_since_ms ??= performance.now();
    if (!failure.canRetry || performance.now() - failing_since_ms > START_RETRY_MS_MAX) throw failure;
    await delay(RETRY_PAUSE_MS);
  }
}

/**
 * A session on the server that runs, as its owner and without the lock.
 * @returns undefined where none takes connections now.
 */
export async function connect(home: string): Promise<pg.Client | undefined> {
  const lockFile = await readLockFile(home);
  if (lockFile?.socketDirectory === undefined) return undefined;
  const client = new pg.Client({
    host: lockFile.socketDirectory,
    port: lockFile.port,
    user: ROLE,
    database: 'postgres',
    ssl: false,
    options: '-c synchronous_commit=on',
    application_name: 'tallyroom-in-use',
    connectionTimeoutMillis: ANSWER_MS_MAX,
  });
  client.on('error', () => {}); // Without a listener a session that breaks would end the process.
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    if (/^timeout expired/.test((error as Error).message)) throw silent(home, lockFile.pid, error);
    if (isPassing(error)) return undefined;
    throw unreachable(`PostgreSQL in ${home} runs and refuses us.`, home, error);
  }
}

/**
 * @returns false where the server stopped while we waited: the process that stops it holds the lock
 * exclusively.
 */
async function takeLock(session: pg.Client): Promise<boolean> {
  try {
    await session.query('SELECT pg_advisory_lock_shared($1)', [IN_USE_LOCK]);
    return true;
  } catch (error) {
    await session.end().catch(() => {});
    if (isPassing(error)) return false;
    throw error;
  }
}

/**
 * Errors of a server that is starting, stopping or gone: 57P01-57P03 by its own word, the rest by a
 * cut connection.
 */
function isPassing(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return (
    /^(57P0[123]|ECONNREFUSED|ECONNRESET|EPIPE|ENOENT)$/.test(code ?? '') ||
    /^Connection terminated|not queryable/.test(message ?? '')
  );
}

/** PostgreSQL's own record of a running server: process, ..., port, socket directory by line. */
export async function readLockFile(home: string) {
  const text = await readFile(join(home, CLUSTER, 'postmaster.pid'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (text === undefined) return undefined;
  const [pid = '', , , port = '', socketDirectory = ''] = text.split('\n');
  return {
    pid: Number(pid),
    port: Number(port),
    socketDirectory: socketDirectory === '' ? undefined : socketDirectory,
  };
}

/**
 * Whether a server has the cluster: running, starting, recovering or stopping. Clears a lock file
 * whose process is another program.
 */
export async function isRunning(places: Places): Promise<boolean> {
  const { status } = await controlServer(places, ['status']);
  if (status !== 0) return false;
  const lockFile = await readLockFile(places.home);
  if (lockFile === undefined) return false;
  const program = await programOf(lockFile.pid);
  if (program === undefined || /postgres/.test(program)) {
    if (!(await isZombie(lockFile.pid)) || (await hasProcesses(places))) return true;
  }
  // After a reboot, or in a container begun again, the number is that of another program. And a
  // killed server that is not reaped keeps its number, for ever where the first process of a
  // container is not an init. PostgreSQL would wait for either.
  await rm(join(places.home, CLUSTER, 'postmaster.pid'), { force: true });
  if (lockFile.socketDirectory !== undefined)
    await rm(join(lockFile.socketDirectory, `.s.PGSQL.${lockFile.port}.lock`), { force: true });
  return false;
}

async function programOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/comm`, 'utf8').catch(() => undefined);
  const { status, output } = await runProgram('ps', ['-p', String(pid), '-o', 'comm='], { cwd: '/' });
  return status === 0 ? output : undefined;
}

/** Whether a process has ended and only its number is left. */
export async function isZombie(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return / [ZX] /.test(stat.slice(stat.lastIndexOf(')')));
}

/**
 * Whether any process still works in the cluster: one that outlived its server could write, and
 * must end first.
 */
async function hasProcesses({ home }: Places): Promise<boolean> {
  const cluster = await realpath(join(home, CLUSTER));
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const directories = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => null)));
  return directories.includes(cluster);
}

/**
 * @returns why it did not start, with `canRetry` where another process was first or the one before
 * has not quite gone.
 */
export async function start(places: Places, onProgress: (line: string) => void): Promise<OperationalError | undefined> {
  const { home } = places;
  await writeSettings(places);
  const log_from = await turnLog(home);
  crashPoint('postgres.before-start');
  onProgress('Starting PostgreSQL.');
  const outcome = await controlServer(places, ['start', '-w', '-t', String(RECOVERY_S_MAX), '-l', SERVER_LOG]);
  if (outcome.status === 0) {
    crashPoint('postgres.after-start');
    return undefined;
  }
  const log = `${outcome.failure?.message ?? outcome.output}\n${await readLog(home, log_from)}`;
  if (/lock file ".*" (already exists|is empty)|pre-existing shared memory block|is being used by/.test(log))
    return new OperationalError('DATABASE_START_FAILED', {
      message: `Another PostgreSQL holds ${home} and does not answer:\n${log.trim()}`,
      nextStep: 'Wait until it has ended, or end it, then start again.',
      canRetry: true,
    });
  const failure = startFailure(home, log, 'start');
  // PostgreSQL says why it gives up; one that ends without a word was killed while it started or
  // recovered.
  const gaveUp =
    /\b(FATAL|PANIC):(?!.*unexpected postmaster exit)/.test(log) || failure.code !== 'DATABASE_START_FAILED';
  if (gaveUp || outcome.failure !== undefined) return failure;
  return new OperationalError(failure.code, { message: failure.message, nextStep: failure.nextStep, canRetry: true });
}

/** Relative names: pg_ctl passes what it is given through a shell. */
export function controlServer({ home, account, programs }: Places, args: readonly string[]): Promise<Outcome> {
  return runProgram(programs.pg_ctl, [...args, '-D', CLUSTER], { cwd: home, account });
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

function addressOf(session: pg.Client) {
  return {
    host: session.host,
    port: session.port,
    user: ROLE,
    ssl: false,
    options: '-c synchronous_commit=on',
  } as const;
}

/**
 * Of several that leave at once the last is the one that gets the lock exclusively. A process that
 * comes meanwhile waits for the lock, or for a new server.
 */
async function leave(places: Places, held: pg.Client | undefined): Promise<void> {
  const session = held ?? (await connect(places.home));
  if (session === undefined) return;
  try {
    if (held !== undefined) await session.query('SELECT pg_advisory_unlock_shared($1)', [IN_USE_LOCK]);
    const { rows } = await session.query('SELECT pg_try_advisory_lock($1) AS is_last', [IN_USE_LOCK]);
    if (rows[0].is_last) await stop(places);
  } catch (error) {
    if (!isPassing(error)) throw error;
  } finally {
    await session.end().catch(() => {});
  }
}

/**
 * Waits for the process itself: `pg_ctl stop -w` waits for the lock file, which may by then be that
 * of a newcomer's server.
 */
async function stop(places: Places): Promise<void> {
  crashPoint('postgres.before-stop');
  const pid = (await readLockFile(places.home))?.pid;
  const { status, output } = await controlServer(places, ['stop', '-m', 'fast', '-W']);
  if (status !== 0 && (await isRunning(places)))
    throw unreachable(`PostgreSQL in ${places.home} did not stop: ${output.trim()}`, places.home, undefined);
  while ((await readLockFile(places.home))?.pid === pid && (await isRunning(places))) await delay(RETRY_PAUSE_MS);
  crashPoint('postgres.after-stop');
}

const silent = (home: string, pid: number, cause: unknown): OperationalError =>
  new OperationalError('DATABASE_UNREACHABLE', {
    message: `PostgreSQL in ${home} (process ${pid}) runs and has not answered for ${ANSWER_MS_MAX / 1000} s.`,
    nextStep: `Let it go on (\`kill -CONT ${pid}\`) or end it, then start again: nothing committed is lost.`,
    cause,
  });

function unreachable(message: string, home: string, cause: unknown): OperationalError {
  const reason = cause instanceof Error ? ` ${cause.message}` : '';
  return new OperationalError('DATABASE_UNREACHABLE', {
    message: `${message}${reason}`,
    nextStep: `Start again: the database goes on where it was. Should it not, read ${join(home, SERVER_LOG)}.`,
    canRetry: true,
    cause,
  });
}
