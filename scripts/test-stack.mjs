/**
 * Tests on real servers: starts the servers once, runs the tests, and stops the servers in any
 * case. Runs on Node 20.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runToEnd, SetupError } from './setup.mjs';

/** The jars, fetched once. test/support/stack.ts looks for them in the same place. */
const JARS = join(root, 'node_modules', '.cache', 'tallyroom-stack');

/**
 * @param {string} node @param {string[]} tests the arguments of the pinned Node that run the tests
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>}
 */
export async function runOnStack(node, tests) {
  const directory = mkdtempSync(join(tmpdir(), 'tallyroom-test-stack-'));
  // Started by root, PostgreSQL runs as another user, and that user must be able to enter.
  chmodSync(directory, 0o755);
  const shared = join(directory, 'shared');
  const stack = (action, dataDir) => [
    join(root, 'src/main.ts'),
    'stack',
    action,
    '--data-dir',
    dataDir,
    '--jars',
    JARS,
  ];
  try {
    const up = await runToEnd(node, stack('up', shared), root);
    if (up.code !== 0 || up.signal !== null) return up;
    const environment = await readEnvironment(node, stack('env', shared));
    Object.assign(process.env, environment, {
      TALLYROOM_TEST_STACK: '1',
      TALLYROOM_TEST_STACK_DIR: join(shared, 'stack'),
    });
    return await runToEnd(node, tests, root);
  } finally {
    let areStopped = true;
    // The servers of this run, and those of tests that were interrupted.
    for (const name of readdirSync(directory)) {
      const { code } = await runToEnd(node, stack('down', join(directory, name)), root);
      areStopped &&= code === 0;
    }
    // Servers that still run would lose their files.
    if (areStopped) rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns {Promise<Record<string, string>>} the `export` lines of `stack env` */
function readEnvironment(node, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0)
        resolve(Object.fromEntries([...output.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, ...pair]) => pair)));
      else reject(new SetupError('The servers do not say where they are.', 'Read what `stack env` says above.'));
    });
  });
}
