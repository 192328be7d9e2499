import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError } from '../base/errors.ts';
import { sha256 } from '../base/sha256.ts';
import { withFileErrors } from '../bundled-postgres/places.ts';
import { runProgram } from '../bundled-postgres/programs.ts';
import { isZombie } from '../bundled-postgres/server.ts';
import type { StackPlaces } from './places.ts';

/** What a Java server is started with. */
export interface JavaServer {
  readonly name: string;
  readonly java: string;
  /** The folder of its jars. */
  readonly jars: string;
  readonly main_class: string;
  /** Of the virtual machine: memory, -D. */
  readonly options: readonly string[];
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Made, and where it runs. */
  readonly working_directory: string;
  /**
   * What it reads besides its arguments: another text, and a running server is not current any
   * more.
   */
  readonly settings: string;
}

/**
 * The process of a server, which any command finds again: it outlives the process that started it.
 */
export interface ServerProcess {
  readonly log: string;
  /**
   * @returns null where it does not run. A process that has its number by chance is not taken for
   * it.
   */
  pid(): Promise<number | null>;
  /** Whether it runs with what it would be started with now. */
  isCurrent(): Promise<boolean>;
  start(): Promise<void>;
  /** Asks it to end, waits, and makes it end; then the rest of its process group. */
  stop(): Promise<void>;
}

/** A broker writes its state and leaves in a second or two; one that hangs is killed after this. */
const STOP_MS_MAX = 30_000;
/** What was killed is gone at once, unless the system is at its limit. */
const KILL_MS_MAX = 10_000;
/** Asking this often costs nothing and delays nobody. */
const POLL_MS = 20;
/** A process of the system itself has no arguments at all. */
const EXEC_TRIES_MAX = 50;
/** A log is set aside at a start when it has grown beyond this; one old file is kept. */
const LOG_BYTES_MAX = 10 * 1024 * 1024;
/** Read from the end of a log to find the lines that an error shows. */
const LOG_TAIL_BYTES_MAX = 16 * 1024;
const LOG_TAIL_LINES = 12;
const HASH_CHARACTERS = 16;

/** Writes its own number before it becomes the server: so no server runs that is not known. */
const LAUNCH = 'echo "$$" > "$1" && shift && exec "$@"';

export function javaProcess(places: StackPlaces, server: JavaServer): ServerProcess {
  const { name } = server;
  const log = join(places.logs, `${name}.log`);
  const pid_file = join(places.processes, `${name}.pid`);
  const command = [...server.options, '-cp', join(server.jars, '*'), server.main_class, ...server.args];
  const marks = {
    name: `-Dtallyroom.server=${name}@${places.directory}`,
    settings: `-Dtallyroom.settings=${hashOf([...command, server.settings, JSON.stringify(server.environment)])}`,
  };
  const pid = async (): Promise<number | null> => {
    const number = Number((await readFile(pid_file, 'utf8').catch(() => '')).trim());
    return number > 0 && (await hasMark(number, marks.name)) ? number : null;
  };
  return {
    log,
    pid,
    async isCurrent() {
      const running = await pid();
      return running !== null && (await hasMark(running, marks.settings));
    },
    start: () =>
      withFileErrors(places.directory, async () => {
        await mkdir(server.working_directory, { recursive: true });
        await rm(pid_file, { force: true });
        await using output = await openLog(log);
        const args = ['-c', LAUNCH, 'sh', pid_file, server.java, marks.name, marks.settings, ...command];
        const child = await launch(args, server, output);
        // One that has ended already has said why in its log.
        while ((await pid()) === null && child.exitCode === null && child.signalCode === null) await delay(POLL_MS);
      }),
    async stop() {
      const running = await pid();
      if (running !== null) await end(name, running, pid);
      await rm(pid_file, { force: true });
    },
  };
}

const hashOf = (texts: readonly string[]): string => sha256(texts.join('\0')).slice(0, HASH_CHARACTERS);

/**
 * In a session of its own, so that neither Ctrl-C nor the end of the terminal reaches it; with
 * nothing of the user's environment that Java or Spark would read.
 */
async function launch(args: readonly string[], server: JavaServer, output: FileHandle): Promise<ChildProcess> {
  const { PATH = '/usr/bin:/bin', HOME = '/' } = process.env;
  const child = spawn('/bin/sh', args, {
    cwd: server.working_directory,
    env: { PATH, HOME, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', ...server.environment },
    stdio: ['ignore', output.fd, output.fd],
    detached: true,
  });
  await once(child, 'spawn');
  child.unref();
  return child;
}

async function openLog(path: string): Promise<FileHandle> {
  const status = await stat(path).catch(() => undefined);
  if (status !== undefined && status.size > LOG_BYTES_MAX) await rename(path, `${path}.old`);
  return open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o644);
}

/** Whether an argument of the process is this text. */
export async function hasMark(pid: number, mark: string): Promise<boolean> {
  if (process.platform === 'linux') return (await argumentsOf(pid)).includes(mark);
  const { status, output } = await runProgram('ps', ['-ww', '-p', String(pid), '-o', 'command='], { cwd: '/' });
  return status === 0 && output.includes(mark);
}

/**
 * Of a process that has ended and only keeps its number there are none. Nor are there while the
 * system puts one program in the place of another: that passes, and a server that is just starting
 * must not be taken for one that has ended.
 */
async function argumentsOf(pid: number): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
    if (command === null || tries === EXEC_TRIES_MAX || (command === '' && (await isZombie(pid)))) return [];
    if (command !== '') return command.split('\0');
    await delay(POLL_MS);
  }
}

async function end(name: string, running: number, pid: () => Promise<number | null>): Promise<void> {
  send(name, running, 'SIGTERM');
  const isGone = async (): Promise<boolean> => (await pid()) !== running;
  if (!(await becomes(isGone, STOP_MS_MAX))) {
    send(name, -running, 'SIGKILL');
    await becomes(isGone, KILL_MS_MAX);
  }
  // A worker's executors are of its group. The number of the group is not given to another as long
  // as any of them is there.
  const isAlone = async (): Promise<boolean> => !send(name, -running, 0);
  if (await becomes(isAlone, POLL_MS)) return;
  send(name, -running, 'SIGKILL');
  await becomes(isAlone, KILL_MS_MAX);
}

/** @returns whether there was a process to send it to. */
function send(name: string, pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (cause) {
    // To a group of which only ended processes are left, macOS does not permit it.
    if ((cause as NodeJS.ErrnoException).code === 'ESRCH' || pid < 0) return false;
    throw new OperationalError('STACK_FAILED', {
      message: `The process ${Math.abs(pid)} of ${name} belongs to another user.`,
      nextStep: 'Run the same command as the user who started the stack.',
      cause,
    });
  }
}

/** Looks until it is so or the time is over. @returns whether it is so. */
export async function becomes(isSo: () => Promise<boolean>, most_ms: number, signal?: AbortSignal): Promise<boolean> {
  const until = performance.now() + most_ms;
  while (!(await isSo())) {
    if (performance.now() > until) return false;
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
  return true;
}

/** The last lines of a log, for an error. */
export async function tailOf(log: string): Promise<string> {
  await using file = await open(log, constants.O_RDONLY).catch(() => undefined);
  if (file === undefined) return '';
  const { size } = await file.stat();
  const start = Math.max(0, size - LOG_TAIL_BYTES_MAX);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
  return buffer.toString('utf8', 0, bytesRead).trim().split('\n').slice(-LOG_TAIL_LINES).join('\n');
}
