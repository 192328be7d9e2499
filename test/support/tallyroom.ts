import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The program, for a test that starts it with streams of its own. */
export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/**
 * A process is ready in half the time if it need not compile the code that the one before has
 * compiled.
 */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/tallyroom-tests', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command of the program in a process of its own, as a user starts it. */
export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /**
   * Resolves when standard error or output matches.
   * @throws when the process ends without a match
   */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /**
   * A report for the reader of a failed test: the arguments, the output with times, the patterns
   * that are waited for, and the exit.
   */
  story(): string[];
}

/** The number of lines in a process's story: the last ones of its standard error. */
const STORY_LINES_MAX = 40;

export function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const begun = performance.now();
  let stdout = '';
  let stderr = '';
  const told: { readonly ms: number; readonly chunk: string }[] = [];
  const looks = new Map<() => void, RegExp>();
  const look = (): void => {
    for (const each of looks.keys()) each();
  };
  child.stdout.setEncoding('utf8');
  child.stderr.setEncoding('utf8');
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    look();
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    told.push({ ms: performance.now() - begun, chunk });
    look();
  });
  let isClosed = false;
  const ended = new Promise<Ended>((resolve) =>
    child.on('close', (code, signal) => {
      isClosed = true;
      resolve({ code, signal, stdout, stderr });
      look();
    }),
  );
  return {
    child,
    ended,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const found = pattern.exec(stderr) ?? pattern.exec(stdout);
          // The output of an ended process may not have been read to its end.
          if (found === null && !isClosed) return;
          looks.delete(check);
          if (found === null) reject(new Error(`ended without saying ${pattern}:\n${stderr}\n${stdout}`));
          else resolve(found);
        };
        looks.set(check, pattern);
        check();
      }),
    story() {
      const lines = told.flatMap(({ ms, chunk }) =>
        chunk.split('\n').flatMap((line) => (line === '' ? [] : [`  ${(ms / 1000).toFixed(1)} s: ${line}`])),
      );
      const state = child.exitCode ?? child.signalCode ?? 'runs';
      return [
        `tallyroom ${args.join(' ')} (${state}, started ${((performance.now() - begun) / 1000).toFixed(1)} s ago)`,
        ...lines.slice(-STORY_LINES_MAX),
        ...[...looks.values()].map((pattern) => `  waited for: ${pattern}`),
      ];
    },
  };
}

/** The context of a test. It knows why the test has failed, although its types do not say so. */
export interface Outcome {
  readonly error?: unknown;
  diagnostic?(line: string): void;
}

/**
 * Shows the output of the processes if the test has failed. A failure on another machine must be
 * understood from this alone.
 */
export function tellOfFailure(outcome: Outcome, processes: Iterable<Started>): void {
  if (outcome.error) for (const { story } of processes) for (const line of story()) outcome.diagnostic?.(line);
}

export const tallyroom = (args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended> =>
  start(args, environment).ended;

/** A directory for one test, with a function that removes it. */
export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'tallyroom-test-'));
  // Started by root, PostgreSQL runs as another user, and that user must be able to enter.
  chmodSync(path, 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
