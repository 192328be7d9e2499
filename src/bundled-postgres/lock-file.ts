/**
 * PostgreSQL's lock file, `postmaster.pid`: which process serves the cluster, and where. The file
 * may be wrong: copied from another cluster, or left by a server whose process number now belongs
 * to another program.
 */
import { readdir, readFile, readlink, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CLUSTER } from './cluster.ts';
import { draftName, type Places } from './places.ts';
import { runProgram } from './programs.ts';

/** The record of a server that runs, or ran. */
export interface LockFile {
  readonly pid: number;
  /** The directory that the server serves, as it was called when the server started. */
  readonly dataDirectory: string;
  readonly port: number;
  /** Absent until the server listens. */
  readonly socketDirectory: string | undefined;
  /** `starting`, `ready`, `stopping`; empty in the first moments. */
  readonly status: string;
  /** The whole file. */
  readonly text: string;
}

const pathOf = (home: string): string => join(home, CLUSTER, 'postmaster.pid');

/** @returns undefined where there is none. */
export async function readLockFile(home: string): Promise<LockFile | undefined> {
  const text = await readFile(pathOf(home), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (text === undefined) return undefined;
  const [pid = '', dataDirectory = '', , port = '', socketDirectory = '', , , status = ''] = text.split('\n');
  return {
    pid: Number(pid),
    dataDirectory,
    port: Number(port),
    socketDirectory: socketDirectory === '' ? undefined : socketDirectory,
    status: status.trim(),
    text,
  };
}

/**
 * The directory that the process of a lock file serves, where it is not our cluster. PostgreSQL
 * works inside the directory that it serves, so Linux tells it; elsewhere the file's own word must
 * do.
 */
export async function otherCluster(home: string, { pid, dataDirectory }: LockFile): Promise<string | undefined> {
  const working = process.platform === 'linux' ? await readlink(`/proc/${pid}/cwd`).catch(() => undefined) : undefined;
  const directory = working ?? dataDirectory;
  return (await isSame(working === undefined ? dataDirectory : `/proc/${pid}/cwd`, join(home, CLUSTER)))
    ? undefined
    : directory;
}

/** Whether two names are of one directory. A name of nothing says nothing, so it counts as same. */
export async function isSame(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all([one, other].map((path) => stat(path).catch(() => undefined)));
  if (first === undefined || second === undefined) return true;
  return first.dev === second.dev && first.ino === second.ino;
}

/** Whether the process of a lock file is a server that works in the cluster, or may be. */
export async function isServer(places: Places, lockFile: LockFile): Promise<boolean> {
  const { pid } = lockFile;
  const program = await programOf(pid);
  if (program !== undefined && !/postgres/.test(program)) return false;
  if (await isZombie(pid)) return hasProcesses(places);
  return (await otherCluster(places.home, lockFile)) === undefined || (await hasProcesses(places));
}

/**
 * Removes a lock file that was judged to be wrong. Another process may have done that and started
 * the server meanwhile: then the file is another one, and is put back.
 */
export async function removeLockFile(home: string, judged: LockFile): Promise<void> {
  const aside = join(home, CLUSTER, draftName('lock-'));
  try {
    await rename(pathOf(home), aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if ((await readFile(aside, 'utf8')) !== judged.text) return rename(aside, pathOf(home));
  await rm(aside, { force: true });
  // A file that was copied names the socket of another server, which needs its lock.
  if (judged.socketDirectory !== undefined && (await isSame(judged.dataDirectory, join(home, CLUSTER))))
    await rm(join(judged.socketDirectory, `.s.PGSQL.${judged.port}.lock`), { force: true });
}

async function programOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/comm`, 'utf8').catch(() => undefined);
  const { status, output } = await runProgram('ps', ['-p', String(pid), '-o', 'comm='], { cwd: '/' });
  return status === 0 ? output : undefined;
}

/** Whether a process has ended and only its number is left. */
export async function isZombie(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return / [ZX] /.test(status.slice(status.lastIndexOf(')')));
}

/**
 * Whether any process still works in the cluster: one that outlived its server could write, and
 * must end first.
 */
async function hasProcesses({ home }: Places): Promise<boolean> {
  const cluster = await stat(join(home, CLUSTER));
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const directories = await Promise.all(pids.map((pid) => stat(`/proc/${pid}/cwd`).catch(() => null)));
  return directories.some((each) => each !== null && each.dev === cluster.dev && each.ino === cluster.ino);
}
