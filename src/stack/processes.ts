import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError } from '../base/errors.ts';
import { sha256 } from '../base/sha256.ts';
import { isZombie } from '../bundled-postgres/lock-file.ts';
import { withFileErrors } from '../bundled-postgres/places.ts';
import { runProgram } from '../bundled-postgres/programs.ts';
import type { StackPlaces } from './places.ts';

/** The settings for the start of a Java server. */
export interface JavaServer {
  readonly name: string;
  readonly java: string;
  /** The folder of its jars. */
  readonly jars: string;
  readonly main_class: string;
  /** The options of the virtual machine: memory, -D. */
  readonly options: readonly string[];
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The directory that the server runs in. It is made where it is missing. */
  readonly working_directory: string;
  /**
   * The settings that the server reads besides its arguments. When this text changes, a running
   * server is no longer current.
   */
  readonly settings: string;
}

/**
 * The process of a server. It outlives the process that started it, and any command finds it again.
 */
export interface ServerProcess {
  readonly log: string;
  /**
   * @returns the id of the process; null where it does not run. Another process with the same id is
   * not mistaken for it.
   */
  pid(): Promise<number | null>;
  /** Whether the server runs with the settings that a start would give it now. */
  isCurrent(): Promise<boolean>;
  start(): Promise<void>;
  /**
   * Asks the process to end, waits, and kills it where it does not end. Then does the same to the
   * rest of its process group.
   */
  stop(): Promise<void>;
}

/**
 * A broker writes its state and ends within a second or two. A broker that hangs is killed after
 * this time.
 */
const STOP_MS_MAX = 30_000;
/** A killed process is gone at once, unless the system is at its limit. */
const KILL_MS_MAX = 10_000;
/** Asking this often costs nothing and delays nobody. */
const POLL_MS = 20;
/** The most looks at a process without arguments. A process of the system itself never has any. */
const EXEC_TRIES_MAX = 50;
/** A start sets aside a log that has grown beyond this. One old file is kept. */
const LOG_BYTES_MAX = 10 * 1024 * 1024;
/** The bytes that are read from the end of a log, to find the lines that an error shows. */
const LOG_TAIL_BYTES_MAX = 16 * 1024;
const LOG_TAIL_LINES = 12;
const HASH_CHARACTERS = 16;

/**
 * The shell writes its own process id before it becomes the server, so every running server is
 * known.
 */
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
        const output = await openLog(log);
        // Closing can fail on a full disk, so this is not `await using`.
        try {
          const args = ['-c', LAUNCH, 'sh', pid_file, server.java, marks.name, marks.settings, ...command];
          const child = await launch(args, server, output);
          // A server that has already ended has written the reason to its log.
          while ((await pid()) === null && child.exitCode === null && child.signalCode === null) await delay(POLL_MS);
        } finally {
          await output.close();
        }
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
 * Starts the server in a session of its own, so that neither Ctrl-C nor the end of the terminal
 * reaches it. Its environment has no variable of the user that Java or Spark would read.
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
 * The arguments of a process. A zombie has none. Nor has a process while `exec` replaces its
 * program. That takes a moment, so the function looks again: a starting server must not look like
 * one that has ended.
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
  // The executors of a worker are in its process group. The system does not use the id of the group
  // again while any of them lives.
  const isAlone = async (): Promise<boolean> => !send(name, -running, 0);
  if (await becomes(isAlone, POLL_MS)) return;
  send(name, -running, 'SIGKILL');
  await becomes(isAlone, KILL_MS_MAX);
}

/** @returns whether there was a process to send the signal to. */
function send(name: string, pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (cause) {
    // On macOS a signal to a group of zombies alone is not permitted.
    if ((cause as NodeJS.ErrnoException).code === 'ESRCH' || pid < 0) return false;
    throw new OperationalError('STACK_FAILED', {
      message: `The process ${Math.abs(pid)} of ${name} belongs to another user.`,
      nextStep: 'Run the same command as the user who started the stack.',
      cause,
    });
  }
}

/** Looks until the condition holds or the time is over. @returns whether it holds. */
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
