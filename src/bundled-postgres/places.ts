import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  chmod,
  chown,
  cp,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { diskFull, isDiskFull } from '../base/disk-full.ts';
import { OperationalError } from '../base/errors.ts';
import { sha256 } from '../base/sha256.ts';
import { type Account, findPrograms, type Programs, programsRoot, runProgram, tryPrograms } from './programs.ts';

/** Where a database is, and the account it runs as. */
export interface Places {
  /** The directory that holds `cluster` and `server.log`, closed to everybody but the account. */
  readonly home: string;
  readonly account: Account | undefined;
  readonly programs: Programs;
  /**
   * Lines of postgresql.conf for a server that is not only ours; the last of two that set the same
   * holds.
   */
  readonly settings?: string;
}

/** Marks a directory as ours, so that no other directory is ever filled by mistake. */
const MARKER = 'tallyroom-data';
/** Names the home where it cannot be inside the data directory. */
const POINTER = 'postgres.location';
/** Notes in such a home whose it is. */
const OWNER_NOTE = 'data-directory';
/**
 * Where root keeps what another account must reach; the first that can be used. Not /tmp: it is
 * emptied at boot.
 */
const SHARED_BASES = ['/var/lib', '/opt', '/var/tmp'];
/**
 * A Unix socket's address holds 103 bytes of path on macOS and 107 on Linux; the name of the socket
 * is part of it. The same limit everywhere, so that a data directory behaves alike on both.
 */
const SOCKET_PATH_BYTES_MAX = 103;
/** Paths that need no quoting in a PostgreSQL configuration. */
const PLAIN_PATH = /^[A-Za-z0-9/._+@-]+$/;
const SOCKET_PORT = 5432;

/**
 * Finds or makes the places of the database of a data directory.
 * @throws OperationalError where it cannot be used.
 */
export async function preparePlaces(dataDir: string, onProgress: (line: string) => void): Promise<Places> {
  const directory = resolve(dataDir);
  await claimDataDirectory(directory);
  const found = await findPrograms();
  const root = process.getuid?.() === 0;
  const { home, account } = await withFileErrors(directory, () => findHome(directory, root, onProgress));
  const reachable = (await tryPrograms(found, account)) === 'run';
  const programs = reachable
    ? found
    : await withFileErrors(directory, () => shareablePrograms(found, account, onProgress));
  return { home, account, programs };
}

/** Turns an error of the file system into one that names the data directory and a way out. */
export async function withFileErrors<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    // The code of an AbortError is a number.
    if (cause instanceof OperationalError || typeof code !== 'string') throw cause;
    if (isDiskFull(cause)) throw diskFull(directory, cause);
    throw unusable(`The data directory ${directory} cannot be used: ${message}`, cause);
  }
}

/**
 * Whether PostgreSQL tells of a full disk. It says so in the words of the system, or, where a part
 * was written, only in its hint.
 */
export const isFull = (text: string): boolean =>
  /No space left on device|Disk quota exceeded|Check free disk space/.test(text);

function unusable(message: string, cause?: unknown, nextStep?: string): OperationalError {
  return new OperationalError('DATA_DIRECTORY_UNUSABLE', {
    message,
    nextStep: nextStep ?? 'Name another directory with --data-dir, one that this user may write to.',
    cause,
  });
}

/**
 * Marks a directory as ours, or finds the mark.
 * @throws OperationalError where it holds what is not ours.
 */
export async function claimDataDirectory(directory: string): Promise<void> {
  await withFileErrors(directory, async () => {
    await mkdir(directory, { recursive: true });
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    const entries = await readdir(directory);
    if (entries.includes(MARKER)) return;
    const foreign = entries.find((entry) => entry !== 'lost+found');
    if (foreign !== undefined)
      throw unusable(
        `The directory ${directory} is not empty and was not made by Tallyroom: it holds ${foreign}.`,
        undefined,
        'Name an empty or a new directory with --data-dir.',
      );
    await writeFile(
      join(directory, MARKER),
      'This directory holds the elections of a Tallyroom. Do not change it by hand.\n',
    );
  });
}

type Home = { readonly home: string; readonly account: Account | undefined };

async function findHome(directory: string, root: boolean, onProgress: (line: string) => void): Promise<Home> {
  const pointer = join(directory, POINTER);
  const elsewhere = await readIfThere(pointer);
  if (elsewhere !== undefined) {
    const home = elsewhere.trim();
    if ((await statusIfThere(home)) === undefined)
      throw unusable(
        `The database of ${directory} was kept in ${home}, which is gone.`,
        undefined,
        `Put ${home} back, or name another directory with --data-dir to begin anew.`,
      );
    return claimHome(home, root);
  }
  const inside = join(directory, 'postgres');
  if ((await statusIfThere(inside)) !== undefined) return claimHome(inside, root);
  if (!root || (await canReach(directory, await nobody()))) {
    await mkdir(inside, { mode: 0o700, recursive: true });
    return claimHome(inside, root);
  }
  return claimHome(await placeHomeElsewhere(directory, pointer, onProgress), root);
}

/** Makes sure that the account can use the home; as root, gives a new one to it. */
async function claimHome(home: string, root: boolean): Promise<Home> {
  const { uid, gid } = await lstat(home);
  if (!root) {
    if (uid !== process.getuid?.())
      throw unusable(
        `The database in ${home} belongs to another user (uid ${uid}).`,
        undefined,
        'Start as that user or as root, or name another directory with --data-dir.',
      );
    return { home, account: undefined };
  }
  const account = uid === 0 ? await nobody() : { uid, gid };
  if (uid === 0) await chown(home, account.uid, account.gid);
  if (!(await canReach(home, account)))
    throw unusable(
      `PostgreSQL does not run as root, and the user with uid ${account.uid}, as whom it runs, cannot enter ${home}.`,
      undefined,
      'Move the data directory to where other users may enter, or name another with --data-dir.',
    );
  return { home, account };
}

/**
 * The home is made before the pointer to it, so a pointer to nothing means that the database was
 * taken away.
 */
async function placeHomeElsewhere(
  directory: string,
  pointer: string,
  onProgress: (line: string) => void,
): Promise<string> {
  const base = await sharedBase(await nobody());
  await removeForgotten(base);
  const home = join(base, randomBytes(8).toString('hex'));
  await mkdir(home, { mode: 0o700 });
  await writeFile(join(home, OWNER_NOTE), `${directory}\n`);
  const draft = `${pointer}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${home}\n`, { flag: 'wx', flush: true });
  try {
    await link(draft, pointer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await rm(home, { recursive: true });
    return (await readFile(pointer, 'utf8')).trim();
  } finally {
    await rm(draft);
  }
  onProgress(
    `PostgreSQL does not run as root, and the user nobody, as whom it runs instead, cannot enter ${directory}: its files are in ${home}, as ${pointer} notes.`,
  );
  return home;
}

/**
 * A temporary data directory (of a test, of a trial) is removed without a word to us: what was kept
 * for it is removed when the next is made. Others are never judged, since their disk may only be
 * unmounted.
 */
async function removeForgotten(base: string): Promise<void> {
  for (const entry of await readdir(base)) {
    const home = join(base, entry);
    const directory = (await readIfThere(join(home, OWNER_NOTE)))?.trim();
    if (directory?.startsWith(`${tmpdir()}/`) && (await statusIfThere(directory)) === undefined)
      await rm(home, { recursive: true, force: true });
  }
}

/**
 * A directory of root's own, open to enter for the account, for what cannot stay under a closed
 * home.
 */
async function sharedBase(account: Account): Promise<string> {
  for (const parent of SHARED_BASES) {
    const base = join(parent, 'tallyroom');
    try {
      await mkdir(base);
      await chmod(base, 0o755);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') continue;
    }
    const status = await lstat(base);
    // Someone else's directory of this name could change the programs under us.
    const ours = status.isDirectory() && status.uid === 0 && (status.mode & 0o022) === 0;
    if (ours && (await canReach(base, account))) return base;
  }
  throw unusable(
    `PostgreSQL does not run as root, and none of ${SHARED_BASES.join(', ')} can hold files for the user nobody, as whom it runs.`,
    undefined,
    'Start as an ordinary user, or name a PostgreSQL 15 or later in DATABASE_URL.',
  );
}

/** A copy of the programs that the account can run, made once for each version of the package. */
async function shareablePrograms(
  programs: Programs,
  account: Account | undefined,
  onProgress: (line: string) => void,
): Promise<Programs> {
  const from = programsRoot(programs);
  const { version } = JSON.parse(await readFile(join(from, '..', 'package.json'), 'utf8')) as { version: string };
  const base = await sharedBase(account ?? (await nobody()));
  const to = join(base, `postgresql-${version}-${process.arch}`);
  if ((await statusIfThere(to)) === undefined) {
    onProgress(`Copying PostgreSQL to ${to}, where the user it runs as can reach it.`);
    await removeLeftovers(base, 'copy-');
    const draft = join(base, draftName('copy-'));
    await cp(from, draft, { recursive: true, verbatimSymlinks: true });
    await openToAll(draft);
    await moveIntoPlace(draft, to);
  }
  const copied = (program: string) => join(to, relative(from, program));
  const copies = {
    initdb: copied(programs.initdb),
    pg_ctl: copied(programs.pg_ctl),
    postgres: copied(programs.postgres),
  };
  if ((await tryPrograms(copies, account)) !== 'run')
    throw unusable(`PostgreSQL cannot be run from its copy in ${to}.`);
  return copies;
}

async function openToAll(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await openToAll(path);
    else if (entry.isFile()) await chmod(path, basename(directory) === 'bin' ? 0o755 : 0o644);
  }
}

/** A name for something unfinished, which tells whose it is. */
export function draftName(prefix: string): string {
  return `${prefix}${process.pid}-${randomBytes(4).toString('hex')}`;
}

/**
 * Renames a finished directory to its final name; where another process was first, its directory
 * stays and the draft goes.
 */
export async function moveIntoPlace(draft: string, final: string): Promise<void> {
  try {
    await rename(draft, final);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    await rm(draft, { recursive: true, force: true });
  }
}

/** Removes drafts whose process has ended. */
export async function removeLeftovers(directory: string, prefix: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    if (!entry.startsWith(prefix) || isAlive(Number.parseInt(entry.slice(prefix.length), 10))) continue;
    await rm(join(directory, entry), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * The directory for the server's Unix socket: the home, unless its path is too long for a socket or
 * needs quoting.
 */
export async function prepareSocketDirectory({ home, account }: Places): Promise<string> {
  if (PLAIN_PATH.test(home) && Buffer.byteLength(`${home}/.s.PGSQL.${SOCKET_PORT}`) <= SOCKET_PATH_BYTES_MAX)
    return home;
  const directory = `/tmp/tallyroom-${sha256(home).slice(0, 16)}`;
  await mkdir(directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const status = await lstat(directory);
  const owner = account?.uid ?? process.getuid?.();
  const ours = status.uid === owner || status.uid === process.getuid?.();
  if (!status.isDirectory() || !ours || (status.mode & 0o077) !== 0)
    throw unusable(
      `The directory ${directory}, which the database needs for its socket, belongs to someone else.`,
      undefined,
      'Remove it, or name a data directory with a shorter path of plain letters with --data-dir.',
    );
  if (account !== undefined) await chown(directory, account.uid, account.gid);
  return directory;
}

async function nobody(): Promise<Account> {
  const line = (await readIfThere('/etc/passwd'))?.split('\n').find((entry) => entry.startsWith('nobody:'));
  const [, , uid, gid] = line?.split(':') ?? [];
  // A negative number is how macOS writes its nobody; the system call takes it as unsigned.
  return { uid: Number(uid ?? 65534) >>> 0, gid: Number(gid ?? 65534) >>> 0 };
}

/**
 * Asks the system itself, since modes alone do not tell: access lists and mounts have their say
 * too.
 */
async function canReach(directory: string, account: Account | undefined): Promise<boolean> {
  const outcome = await runProgram('/bin/sh', ['-c', 'cd -- "$1"', 'sh', directory], { cwd: '/', account });
  if (outcome.failure?.code === 'EPERM' || outcome.failure?.code === 'EINVAL')
    throw unusable(
      'PostgreSQL refuses to run as root, and this machine does not let root run a program as another user.',
      outcome.failure,
      'Start Tallyroom as an ordinary user, or name a PostgreSQL 15 or later in DATABASE_URL.',
    );
  return outcome.status === 0;
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(undefinedIfMissing);
}

async function statusIfThere(path: string) {
  return lstat(path).catch(undefinedIfMissing);
}

function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
