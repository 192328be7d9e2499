/** Tests on real servers: starts them once, runs the tests against them, stops them whatever happened. Runs on Node 20. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runToEnd, SetupError } from './setup.mjs';

/** Fetched once; test/support/stack.ts looks for them in the same place. */
const JARS = join(root, 'node_modules', '.cache', 'tallyroom-stack');

/**
 * @param {string} node @param {string[]} tests the arguments of the pinned Node that run the tests
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>}
 */
export async function runOnStack(node, tests) {
  const directory = mkdtempSync(join(tmpdir(), 'tallyroom-test-stack-'));
  // As root PostgreSQL runs as somebody else, who must be able to enter.
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
    // Its own, and those of tests that were interrupted.
    for (const name of readdirSync(directory)) {
      const { code } = await runToEnd(node, stack('down', join(directory, name)), root);
      areStopped &&= code === 0;
    }
    // What runs on would lose its files.
    if (areStopped) rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns {Promise<Record<string, string>>} what the `export` lines of `stack env` say */
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
