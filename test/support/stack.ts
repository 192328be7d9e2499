import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStack, type Stack, type UpOptions } from '../../src/stack/stack.ts';

/**
 * The jars of Kafka and Spark, fetched once and kept between runs of the tests.
 * scripts/test-stack.mjs keeps them in the same place.
 */
export const JARS = fileURLToPath(new URL('../../node_modules/.cache/tallyroom-stack', import.meta.url));

/**
 * The reason why a test of real servers does not run under `npm test`; false where `npm run
 * test:stack` has started them.
 */
export const NEEDS_STACK =
  process.env.TALLYROOM_TEST_STACK === '1' ? false : 'no servers: npm run test:stack starts them';

/** An object with `after`: the context of a test, or the functions of node:test inside a suite. */
interface Owner {
  after(work: () => Promise<void>): void;
}

/**
 * The servers that `npm run test:stack` runs, all of them up, for a test that kills some and starts
 * them again with `up`. A test file that runs by itself has servers of its own.
 */
export async function sharedStack(owner: Owner): Promise<Stack> {
  const directory = process.env.TALLYROOM_TEST_STACK_DIR;
  if (directory === undefined) return ownStack(owner);
  const stack = openStack({ directory, jars: JARS });
  await stack.up();
  return stack;
}

/**
 * Servers for one test alone, with only the data of this test. They are gone when the test has
 * ended.
 */
export async function ownStack(owner: Owner, options: UpOptions = {}): Promise<Stack> {
  const { stack } = ownDirectory(owner);
  await stack.up(options);
  return stack;
}

/**
 * A data directory with a stack that is not started yet. It lies where scripts/test-stack.mjs looks
 * for servers when the tests have ended in any way, since an interrupted test cleans nothing up.
 */
export function ownDirectory(owner: Owner): { readonly dataDir: string; readonly stack: Stack } {
  const shared = process.env.TALLYROOM_TEST_STACK_DIR;
  const dataDir = mkdtempSync(join(shared === undefined ? tmpdir() : join(shared, '..', '..'), 'own-'));
  // Started by root, PostgreSQL runs as another user, and that user must be able to enter.
  chmodSync(dataDir, 0o755);
  const stack = openStack({ directory: join(dataDir, 'stack'), jars: JARS });
  owner.after(async () => {
    await stack.down();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return { dataDir, stack };
}

/** The process id of a running server. */
export async function pidOf(stack: Stack, name: string): Promise<number> {
  const pid = (await stack.status()).find((server) => server.name === name)?.pid ?? null;
  if (pid === null) throw new Error(`${name} does not run`);
  return pid;
}

/** Kills a server, and waits until it is dead. A process with much memory takes a moment. */
export async function killServer(stack: Stack, name: string): Promise<void> {
  await kill(await pidOf(stack, name));
}

/** The same by process id. */
export async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  while (isAlive(pid)) await sleep(20);
}

/** A dead process that was not reaped yet is not alive. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
