import { constants } from 'node:fs';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runProgram } from '../bundled-postgres/programs.ts';
import type { StackPlaces } from './places.ts';

const LOCK = 'lock';
/**
 * A process holds this lock only while it removes the file of a dead owner, which takes
 * milliseconds. An older file means that its owner died in that moment.
 */
const REMOVAL = 'lock.removal';
/** Removing a file takes milliseconds. */
const REMOVAL_MS_MAX = 5_000;
/** Asking this often costs nothing and delays nobody. */
const POLL_MS = 50;

/**
 * Runs work that only one process may do at a time to a stack. Other processes wait. A process
 * takes over a lock whose owner has died. A lock names its owner by process id and start time,
 * since ids are used again.
 */
export async function withLock<T>(
  places: StackPlaces,
  say: (line: string) => void,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const path = join(places.directory, LOCK);
  const owner = `${process.pid} ${(await beginningOf(process.pid)) ?? ''}`;
  let isTold = false;
  while (!(await create(path, owner))) {
    signal?.throwIfAborted();
    if (await removeDead(path, join(places.directory, REMOVAL))) continue;
    if (!isTold) say('Another command works on this stack; waiting for it.');
    isTold = true;
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
  try {
    return await work();
  } finally {
    await rm(path, { force: true });
  }
}

/** Creates a file. @returns false where it exists already. */
async function create(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
    await file.writeFile(content).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Only one process may look and remove at a time. Otherwise a second process could remove the lock
 * that a third has taken in between.
 */
async function removeDead(path: string, removal: string): Promise<boolean> {
  if (!(await isDead(path))) return false;
  if (!(await create(removal, String(process.pid)))) {
    const status = await stat(removal).catch(() => undefined);
    if (status !== undefined && Date.now() - status.mtimeMs > REMOVAL_MS_MAX) await rm(removal, { force: true });
    return false;
  }
  try {
    if (!(await isDead(path))) return false;
    await rm(path, { force: true });
    return true;
  } finally {
    await rm(removal, { force: true });
  }
}

async function isDead(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return false;
  const [pid = '', ...beginning] = text.split(' ');
  if (text === '') {
    // The file is empty: its owner has not written it yet, or died before. Writing takes a moment
    // only.
    const status = await stat(path).catch(() => undefined);
    return status !== undefined && Date.now() - status.mtimeMs > REMOVAL_MS_MAX;
  }
  return (await beginningOf(Number(pid))) !== beginning.join(' ');
}

/**
 * The start time of a process, as the system writes it. @returns undefined where there is no such
 * process.
 */
async function beginningOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
    // The name in brackets may hold anything. The 20th field after it is the start time in ticks
    // since the start of the system; a zombie has it, too.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields === undefined || fields[0] === 'Z' ? undefined : `${boot.trim()} ${fields[19]}`;
  }
  const { status, output } = await runProgram('ps', ['-p', String(pid), '-o', 'lstart='], { cwd: '/' });
  return status === 0 ? output.trim() : undefined;
}
