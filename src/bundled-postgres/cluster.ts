import { constants } from 'node:fs';
import { chown, open, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { crashPoint } from '../base/crash-points.ts';
import { diskFull } from '../base/disk-full.ts';
import { OperationalError } from '../base/errors.ts';
import { SAY_AFTER_MS, type Waiting } from '../base/waiting.ts';
import {
  draftName,
  isFull,
  moveIntoPlace,
  type Places,
  prepareSocketDirectory,
  removeLeftovers,
  withFileErrors,
} from './places.ts';
import { type Outcome, runProgram } from './programs.ts';

/**
 * Voting takes one connection for each partition, of which `--partitions` allows 64, and in the
 * cluster profile the relay takes one more. The rest is for some ten processes beside these. An
 * unused connection costs some kilobytes.
 */
const CONNECTIONS_MAX = 2 * 64 + 72;

/**
 * The role that owns everything; no password, since only the account itself (and root) can enter
 * the socket's directory.
 */
export const ROLE = 'tallyroom';
export const CLUSTER = 'cluster';
export const SERVER_LOG = 'server.log';
const POSTGRES_VERSION = '15';
const MEBIBYTE = 1024 * 1024;
/** PostgreSQL caches in the system's page cache too, so more than this gained nothing. */
const SHARED_BUFFERS_MIB_MAX = 256;
/** A quarter of the default of PostgreSQL: enough to start on a machine with little memory. */
const SHARED_BUFFERS_MIB_MIN = 32;
/** The server's log grows by a few lines a start; one old file is kept beside it. */
const SERVER_LOG_BYTES_MAX = 10 * MEBIBYTE;
/** initdb writes some 40 MB, which takes seconds, and minutes on a very slow disk. */
const INIT_S_MAX = 600;
/** A start writes more than this. */
const SPACE_MIN = MEBIBYTE;
/** The most lines of the log that an error shows. */
const LOG_TAIL_LINES = 8;
/** Read from the end of the log to find those lines; a line has some hundred bytes. */
const LOG_TAIL_BYTES_MAX = 16 * 1024;

/**
 * Makes the cluster where there is none: whole or not at all, whenever the process dies.
 * @throws OperationalError
 */
export async function ensureCluster(places: Places, { say, signal }: Waiting): Promise<void> {
  const { home } = places;
  await withFileErrors(home, async () => {
    if (await checkVersion(home)) return;
    crashPoint('postgres.before-init');
    say('Making the database.');
    await removeLeftovers(home, 'init-');
    const draft = draftName('init-');
    const made = await initialise(places, draft, { say, signal });
    if (made.status !== 0) {
      await rm(join(home, draft), { recursive: true, force: true });
      signal?.throwIfAborted();
      throw await startFailure(home, made.failure?.message ?? made.output, 'make the database');
    }
    crashPoint('postgres.after-init');
    await moveIntoPlace(join(home, draft), join(home, CLUSTER));
    const directory = await open(home, constants.O_RDONLY);
    await directory.sync().finally(() => directory.close());
  });
}

/** Runs initdb. The signal or its limit ends it. */
async function initialise(places: Places, draft: string, { say, signal }: Waiting): Promise<Outcome> {
  const { home, account, programs } = places;
  // C orders text by its bytes: the same on every machine and in every later version of its C
  // library.
  const options = ['--encoding=UTF8', '--no-locale', '--data-checksums', '--auth=trust', `--username=${ROLE}`];
  const line = `initdb is still making the database. Waiting for it, at most ${INIT_S_MAX} s.`;
  const timer = setTimeout(say, SAY_AFTER_MS, line);
  const limit = AbortSignal.timeout(INIT_S_MAX * 1_000);
  try {
    const made = await runProgram(programs.initdb, ['-D', draft, ...options, '--no-instructions'], {
      cwd: home,
      account,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    return limit.aborted ? { ...made, output: `initdb has not ended within ${INIT_S_MAX} s` } : made;
  } finally {
    clearTimeout(timer);
  }
}

async function checkVersion(home: string): Promise<boolean> {
  const cluster = join(home, CLUSTER);
  if ((await stat(cluster).catch(() => undefined)) === undefined) return false;
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version?.trim() === POSTGRES_VERSION) return true;
  throw otherVersion(cluster, version === undefined ? 'no' : version.trim());
}

function otherVersion(cluster: string, version: string, cause?: string): OperationalError {
  return new OperationalError('DATA_DIRECTORY_VERSION', {
    message: `The database in ${cluster} is of PostgreSQL ${version}; this Tallyroom runs PostgreSQL ${POSTGRES_VERSION}.`,
    nextStep: `Start the Tallyroom that made it, or name another directory with --data-dir; pg_dump of PostgreSQL ${version} carries the data over.`,
    cause,
  });
}

/**
 * Writes the server's whole configuration, so that it follows this version of the program and this
 * machine's memory.
 */
export async function writeSettings(places: Places): Promise<void> {
  const { home, account } = places;
  const draft = join(home, CLUSTER, draftName('conf-'));
  const more = places.settings ?? '';
  await withFileErrors(home, async () => {
    const socketDirectory = await prepareSocketDirectory(places);
    // A start that was killed or failed here leaves its draft.
    await removeLeftovers(join(home, CLUSTER), 'conf-');
    try {
      await writeFile(draft, settings(socketDirectory) + more, { flag: 'wx', mode: 0o600 });
      if (account !== undefined) await chown(draft, account.uid, account.gid);
      await rename(draft, join(home, CLUSTER, 'postgresql.conf'));
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  });
}

function settings(socketDirectory: string): string {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY) / MEBIBYTE;
  const buffers = Math.floor(Math.min(SHARED_BUFFERS_MIB_MAX, Math.max(SHARED_BUFFERS_MIB_MIN, memory / 8)));
  return `# Written by Tallyroom at each start of the server.
listen_addresses = ''
unix_socket_directories = '${socketDirectory}'
unix_socket_permissions = 0700
max_connections = ${CONNECTIONS_MAX}

# What is committed stays.
fsync = on
full_page_writes = on
synchronous_commit = on

# Bulk COPY on a small machine. One machine, no standby: the least log. The log between two checkpoints is what a start after a
# crash reads again, so its size is what a restart takes.
shared_buffers = ${buffers}MB
work_mem = 32MB
maintenance_work_mem = 128MB
wal_level = minimal
max_wal_senders = 0
wal_buffers = 16MB
max_wal_size = 512MB
min_wal_size = 512MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
jit = off

# Rows are only added: vacuum would read them all again for nothing.
autovacuum_max_workers = 1
autovacuum_vacuum_insert_threshold = -1

# Shared memory in files of the cluster: containers give /dev/shm too little, and systemd empties it when a user logs out.
dynamic_shared_memory_type = mmap
enable_parallel_hash = off

timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
log_checkpoints = off
`;
}

/**
 * @returns the size of the server's log, in bytes: where what comes next begins. A log that has
 * grown large is set aside.
 */
export async function turnLog(home: string): Promise<number> {
  const path = join(home, SERVER_LOG);
  const size = await logSize(home);
  if (size <= SERVER_LOG_BYTES_MAX) return size;
  await rename(path, `${path}.old`);
  return 0;
}

async function logSize(home: string): Promise<number> {
  const status = await stat(join(home, SERVER_LOG)).catch(() => undefined);
  return status?.size ?? 0;
}

/** The last that the server wrote to its log since it had `from` bytes. */
export async function readLog(home: string, from: number): Promise<string> {
  const size = await logSize(home);
  const start = Math.max(from, size - LOG_TAIL_BYTES_MAX);
  if (size <= start) return '';
  await using file = await open(join(home, SERVER_LOG), constants.O_RDONLY);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
  return buffer.toString('utf8', 0, bytesRead);
}

/** On a disk that is full to the last byte the server cannot even log why it ends. */
async function hasNoSpace(home: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(home);
  return bavail * bsize < SPACE_MIN;
}

/** The error for what a program or the server's log says. */
export async function startFailure(home: string, output: string, what: string): Promise<OperationalError> {
  const tail = output.trim().split('\n').slice(-LOG_TAIL_LINES).join('\n');
  if (isFull(output) || (await hasNoSpace(home))) return diskFull(home, tail);
  if (/initialized by PostgreSQL version|initialized with PG_CONTROL_VERSION/.test(output))
    return otherVersion(join(home, CLUSTER), 'another version', tail);
  const noAccount = /could not look up (effective user ID|local user ID)/.test(output);
  return new OperationalError('DATABASE_START_FAILED', {
    message: `PostgreSQL could not ${what}:\n${tail}`,
    nextStep: noAccount
      ? 'Start as a user that /etc/passwd knows, or as root, or name a PostgreSQL 15 or later in DATABASE_URL.'
      : `Read ${join(home, SERVER_LOG)} for more, put right what it names, then start again.`,
    cause: output,
  });
}
