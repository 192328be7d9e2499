import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A process is ready in half the time when it need not compile what the one before has compiled. */
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
  /** Resolves when standard error or output has matched. @throws when the process ends without. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** What it was started with, what it said and when, what is waited for in it, how it ended: for whoever reads why a test failed. */
  story(): string[];
}

/** Lines of standard error that the story of a process has, its last. */
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
          // One that has ended may not have been read to the end.
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

/** The context of a test: it knows why the test has failed, though its types do not say so. */
export interface Outcome {
  readonly error?: unknown;
  diagnostic?(line: string): void;
}

/** Where the test has failed, what its processes said: what fails on another machine is understood from this alone. */
export function tellOfFailure(outcome: Outcome, processes: Iterable<Started>): void {
  if (outcome.error) for (const { story } of processes) for (const line of story()) outcome.diagnostic?.(line);
}

export const tallyroom = (args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended> =>
  start(args, environment).ended;

/** A directory for one test, and how to remove it. */
export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'tallyroom-test-'));
  // As root PostgreSQL runs as somebody else, who must be able to enter.
  chmodSync(path, 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
