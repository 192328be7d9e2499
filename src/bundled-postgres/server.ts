/**
 * PostgreSQL 15 as a server of our own, from the binaries in npm, for a machine that has none.
 * Several processes share it: each holds a shared advisory lock on a session of its own. The last
 * to close is the one that gets the lock exclusively; it stops the server. Whichever process is
 * killed, the next to open finds the server running or starts it; PostgreSQL's own lock file alone
 * says which.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { crashPoint } from '../base/crash-points.ts';
import { diskFull } from '../base/disk-full.ts';
import { OperationalError } from '../base/errors.ts';
import { becomesTrue, SAY_AFTER_MS, TimedOut, type Waiting } from '../base/waiting.ts';
import { CLUSTER, ensureCluster, ROLE, readLog, SERVER_LOG, startFailure, turnLog, writeSettings } from './cluster.ts';
import { isServer, otherCluster, readLockFile, removeLockFile } from './lock-file.ts';
import { isFull, type Places, preparePlaces } from './places.ts';
import { type Ending, type Outcome, runProgram } from './programs.ts';
import {
  ANSWER_MS_MAX,
  answered,
  connect,
  DATABASE,
  ensureDatabase,
  hangUp,
  IN_USE_LOCK,
  isPassing,
  STOP_MS_MAX,
  silent,
  takeLock,
  unreachable,
} from './session.ts';

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
  /**
   * Ends what open() waits for, and leaves no server behind that it has started. After it close()
   * waits for a server that stops, and not for one that does not answer.
   */
  readonly signal?: AbortSignal | undefined;
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

/**
 * After the postmaster is killed its children hold its shared memory for a moment, one that writes
 * to a slow disk longer, and no start succeeds.
 */
export const START_RETRY_MS_MAX = 30_000;
/**
 * Recovery after a crash reads the log since the last checkpoint: seconds, minutes on a slow disk.
 */
const RECOVERY_S_MAX = 600;
/** How long a start that is broken off waits for the server to have its lock file. */
const LOCK_FILE_MS_MAX = 1_000;
/** A start or a stop takes some tenths of a second; asking this often costs nothing. */
const RETRY_PAUSE_MS = 50;

/**
 * Opens the server of a data directory: makes the database where there is none, starts the server
 * or takes over the one that runs.
 * @throws OperationalError DATABASE_START_FAILED, DATABASE_UNREACHABLE, DATA_DIRECTORY_VERSION,
 * DATA_DIRECTORY_UNUSABLE, DISK_FULL; the signal's reason.
 */
export async function openBundledServer(options: BundledServerOptions): Promise<BundledServer> {
  const waiting: Waiting = { say: options.onProgress ?? (() => {}), signal: options.signal };
  const places = await preparePlaces(options.dataDir, waiting.say);
  waiting.signal?.throwIfAborted();
  await ensureCluster(places, waiting);
  const session = await enter(places, waiting).catch(async (error: unknown) => {
    if (waiting.signal?.aborted === true) await abandon(places, waiting);
    throw error;
  });
  let state: 'open' | 'lost' | 'closed' = 'open';
  const lose = (cause: unknown) => {
    if (state !== 'open') return;
    state = 'lost';
    options.onLost?.(unreachable(`PostgreSQL in ${places.home} went away.`, places.home, cause));
  };
  try {
    await answered(session, ensureDatabase(session), places.home, waiting, RECOVERY_S_MAX * 1_000);
  } catch (error) {
    await leave(places, session, waiting).catch(() => {});
    waiting.signal?.throwIfAborted();
    throw notMade(places.home, error);
  }
  // An error has the reason; a connection may also end without one. `lose` takes the first of the
  // two alone.
  session.removeAllListeners('error');
  session.on('error', lose).on('end', () => lose(undefined));
  let closing: Promise<void> | undefined;
  const close = () => {
    const lost = state === 'lost';
    state = 'closed';
    closing ??= leave(places, lost ? undefined : session, waiting);
    return closing;
  };
  return { connection: { ...addressOf(session), database: DATABASE }, home: places.home, close };
}

function notMade(home: string, cause: unknown): OperationalError {
  const { code, message } = cause as { code?: string; message?: string };
  if (code === '53100' || isFull(message ?? '')) return diskFull(home, cause);
  return unreachable(`PostgreSQL in ${home} did not make its database.`, home, cause);
}

/**
 * Repeats until this process has a session that holds the lock: others may be starting or stopping
 * the server meanwhile.
 */
async function enter(places: Places, waiting: Waiting): Promise<pg.Client> {
  const { home } = places;
  const busy = createBusyWait(home, waiting);
  let failing_since_ms: number | undefined;
  for (;;) {
    waiting.signal?.throwIfAborted();
    const session = await connect(home, waiting);
    if (session !== undefined && (await takeLock(session, home, waiting))) return session;
    if (await isRunning(places, waiting.say)) {
      failing_since_ms = undefined;
      await busy();
      continue;
    }
    const failure = await start(places, waiting);
    if (failure === undefined) continue;
    failing_since_ms ??= performance.now();
    if (!failure.canRetry || performance.now() - failing_since_ms > START_RETRY_MS_MAX) throw failure;
    await delay(RETRY_PAUSE_MS, undefined, { signal: waiting.signal });
  }
}

/** @returns a pause while a server runs and takes no sessions; it says so once, and ends. */
function createBusyWait(home: string, { say, signal }: Waiting): () => Promise<void> {
  let since_ms: number | undefined;
  let hasSaid = false;
  return async () => {
    since_ms ??= performance.now();
    const waited_ms = performance.now() - since_ms;
    if (waited_ms > RECOVERY_S_MAX * 1_000)
      throw unreachable(
        `PostgreSQL in ${home} runs and has taken no session for ${RECOVERY_S_MAX} s.`,
        home,
        undefined,
      );
    if (!hasSaid && waited_ms > SAY_AFTER_MS) {
      hasSaid = true;
      say(`PostgreSQL in ${home} is starting, recovering or stopping. Waiting for it, at most ${RECOVERY_S_MAX} s.`);
    }
    await delay(RETRY_PAUSE_MS, undefined, { signal });
  };
}

/**
 * Whether a server has the cluster: running, starting, recovering or stopping. Clears a lock file
 * whose process is another program, or the server of another database.
 */
export async function isRunning(places: Places, say: (line: string) => void = () => {}): Promise<boolean> {
  const { status } = await controlServer(places, ['status']);
  if (status !== 0) return false;
  const lockFile = await readLockFile(places.home);
  if (lockFile === undefined) return false;
  if (await isServer(places, lockFile)) return true;
  // After a reboot, or in a container begun again, the number is that of another program. A copied
  // file names another server. And a killed server that is not reaped keeps its number, for ever
  // where the first process of a container is not an init. PostgreSQL would wait for each of these.
  const other = await otherCluster(places.home, lockFile);
  if (other !== undefined)
    say(`The lock file of PostgreSQL in ${places.home} named a process of ${other} (${lockFile.pid}); it is removed.`);
  await removeLockFile(places.home, lockFile);
  return false;
}

/**
 * @returns why it did not start, with `canRetry` where another process was first or the one before
 * has not quite gone.
 */
export async function start(places: Places, waiting: Waiting): Promise<OperationalError | undefined> {
  const { home } = places;
  await writeSettings(places);
  const log_from = await turnLog(home);
  crashPoint('postgres.before-start');
  waiting.say('Starting PostgreSQL.');
  const outcome = await runStart(places, waiting);
  waiting.signal?.throwIfAborted();
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
  const failure = await startFailure(home, log, 'start');
  // PostgreSQL says why it gives up; one that ends without a word was killed while it started or
  // recovered.
  const gaveUp =
    /\b(FATAL|PANIC):(?!.*unexpected postmaster exit)/.test(log) || failure.code !== 'DATABASE_START_FAILED';
  if (gaveUp || outcome.failure !== undefined) return failure;
  return new OperationalError(failure.code, { message: failure.message, nextStep: failure.nextStep, canRetry: true });
}

/** The signal breaks the start off, and stops the server that was starting. */
async function runStart(places: Places, { say, signal }: Waiting): Promise<Outcome> {
  const line = `PostgreSQL in ${places.home} is starting; after a crash it reads its log first. Waiting for it, at most ${RECOVERY_S_MAX} s.`;
  const timer = setTimeout(say, SAY_AFTER_MS, line);
  const args = ['start', '-w', '-t', String(RECOVERY_S_MAX), '-l', SERVER_LOG];
  try {
    return await controlServer(places, args, { signal, beforeEnd: () => untilLocked(places.home) });
  } finally {
    clearTimeout(timer);
  }
}

/** Only its lock file tells which process a server has that is starting. */
async function untilLocked(home: string): Promise<void> {
  const until = performance.now() + LOCK_FILE_MS_MAX;
  while ((await readLockFile(home)) === undefined && performance.now() < until) await delay(RETRY_PAUSE_MS);
}

/** Gives up the server of an open() that the signal ends; it may have been started by us. */
async function abandon(places: Places, waiting: Waiting): Promise<void> {
  const isReady = (await readLockFile(places.home))?.status === 'ready';
  const ended = isReady ? leave(places, undefined, waiting) : stopUnused(places, waiting);
  await ended.catch((error: Error) => waiting.say(error.message));
}

/**
 * Stops a server that takes no sessions: it starts, or recovers from a crash. Others that wait for
 * it start it again.
 */
async function stopUnused(places: Places, waiting: Waiting): Promise<void> {
  const lockFile = await readLockFile(places.home);
  if (lockFile === undefined || lockFile.status === 'stopping' || !(await isRunning(places))) return;
  await stop(places, waiting);
}

/** Relative names: pg_ctl passes what it is given through a shell. */
export function controlServer(
  { home, account, programs }: Places,
  args: readonly string[],
  ending: Ending = {},
): Promise<Outcome> {
  return runProgram(programs.pg_ctl, [...args, '-D', CLUSTER], { cwd: home, account, ...ending });
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
async function leave(places: Places, held: pg.Client | undefined, waiting: Waiting): Promise<void> {
  const { home } = places;
  const session = held ?? (await connect(home, waiting));
  if (session === undefined) return stopUnused(places, waiting);
  const ask = (sql: string) => answered(session, session.query(sql, [IN_USE_LOCK]), home, waiting, ANSWER_MS_MAX);
  try {
    if (held !== undefined) await ask('SELECT pg_advisory_unlock_shared($1)');
    const { rows } = await ask('SELECT pg_try_advisory_lock($1) AS is_last');
    if (rows[0].is_last) await stop(places, waiting);
  } catch (error) {
    if (error instanceof TimedOut || error === waiting.signal?.reason)
      throw silent(home, (await readLockFile(home))?.pid ?? 0, error);
    if (!isPassing(error)) throw error;
  } finally {
    await hangUp(session);
  }
}

/**
 * Waits for the process itself: `pg_ctl stop -w` waits for the lock file, which may by then be that
 * of a newcomer's server. A server that has taken the request says so in its lock file at once: it
 * then ends by itself. One that says nothing is stopped (SIGSTOP), and nobody waits long for it.
 */
async function stop(places: Places, waiting: Waiting): Promise<void> {
  const { home } = places;
  crashPoint('postgres.before-stop');
  const pid = (await readLockFile(home))?.pid;
  const { status, output } = await controlServer(places, ['stop', '-m', 'fast', '-W']);
  if (status !== 0 && (await isRunning(places)))
    throw unreachable(`PostgreSQL in ${home} did not stop: ${output.trim()}`, home, undefined);
  const ours = async () => {
    const lockFile = await readLockFile(home);
    return lockFile?.pid === pid ? lockFile : undefined;
  };
  const line = (limit_ms: number) =>
    `PostgreSQL in ${home} (process ${pid}) is told to stop and still runs. Waiting for it, at most ${limit_ms / 1000} s.`;
  const ask = { ...waiting, pause_ms: RETRY_PAUSE_MS };
  const hasHeard = async () => ((await ours())?.status ?? 'stopping') === 'stopping' || !(await isRunning(places));
  if (!(await becomesTrue(hasHeard, { ...ask, line: line(ANSWER_MS_MAX), limit_ms: ANSWER_MS_MAX })))
    throw silent(home, pid ?? 0);
  const hasEnded = async () => (await ours()) === undefined || !(await isRunning(places));
  // It writes what it has in memory, which is in order: the signal does not hurry it.
  const until = { ...ask, signal: undefined, line: line(STOP_MS_MAX), limit_ms: STOP_MS_MAX };
  if (!(await becomesTrue(hasEnded, until)))
    throw unreachable(
      `PostgreSQL in ${home} (process ${pid}) has been stopping for ${STOP_MS_MAX / 1000} s.`,
      home,
      undefined,
    );
  crashPoint('postgres.after-stop');
}
