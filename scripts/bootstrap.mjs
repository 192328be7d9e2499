/**
 * Runs every script of package.json: `node scripts/bootstrap.mjs TASK [ARGUMENTS]`. It is plain
 * JavaScript for Node 20, so that a clean clone needs nothing but Node and npm. It installs the
 * packages, hands over to the Node that they pin, builds the page, and runs the task. Standard
 * output belongs to the task alone. Messages from here go to standard error.
 */
import { join } from 'node:path';
import { preparePackages, preparePage, root, runToEnd, SetupError } from './setup.mjs';
import { runOnStack } from './test-stack.mjs';

const UNIT_AND_INTEGRATION = [
  'src/**/*.test.ts',
  'scripts/**/*.test.ts',
  'web/**/*.test.ts',
  'test/contracts/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/docs/**/*.test.ts',
  'test/chaos/**/*.test.ts',
];

const ON_REAL_SERVERS = ['test/contracts/**/*.test.ts', 'test/stack/**/*.test.ts'];

/** Two files at a time: a database or a browser runs beside most of them. */
const TEST_FILES_AT_ONCE = 2;
/** Some of them kill the servers that they share. */
const STACK_TEST_FILES_AT_ONCE = 1;
/**
 * A limit for a test that hangs, so that it fails by name instead of stopping the run. It is far
 * above the time of any test.
 */
const TEST_MS_MAX = 300_000;

/** @param {string[]} defaults @param {string[]} args */
function tests(defaults, args, filesAtOnce = TEST_FILES_AT_ONCE) {
  const files = args.some((arg) => !arg.startsWith('-')) ? [] : defaults;
  const report = process.env.TALLYROOM_TEST_REPORT;
  const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
  if (report) reporters.push('--test-reporter=tap', `--test-reporter-destination=${report}`);
  return [
    ['--test', `--test-concurrency=${filesAtOnce}`, `--test-timeout=${TEST_MS_MAX}`, ...reporters, ...args, ...files],
  ];
}

/**
 * Without the first Node may keep 60 MB more of dead strings, and more with every million votes.
 * With it memory is 235 MB at 1 and at 10 million. The second is for `base/memory.ts`.
 */
const FLAT_MEMORY = ['--max-semi-space-size=8', '--expose-gc'];

/**
 * The commands of each task, in order, as arguments of the pinned Node. `needsPage`: the task needs
 * the page. `atUser`: it runs in the user's directory instead of the project's, since its arguments
 * name files. `onStack`: it needs Kafka, PostgreSQL and Spark beside it.
 * @type {Record<string, {
 *   needsPage: boolean, atUser?: boolean, onStack?: boolean,
 *   commands: (args: string[]) => string[][]
 * }>}
 */
const TASKS = {
  start: {
    needsPage: true,
    atUser: true,
    commands: (args) => [[...FLAT_MEMORY, join(root, 'src/main.ts'), 'run', ...args]],
  },
  tallyroom: {
    needsPage: true,
    atUser: true,
    commands: (args) => [[...FLAT_MEMORY, join(root, 'src/main.ts'), ...args]],
  },
  stack: { needsPage: false, atUser: true, commands: (args) => [[join(root, 'src/main.ts'), 'stack', ...args]] },
  test: { needsPage: true, commands: (args) => tests(UNIT_AND_INTEGRATION, args) },
  'test:real': { needsPage: true, commands: (args) => tests(['test/real/**/*.test.ts'], args) },
  'test:stack': {
    needsPage: true,
    onStack: true,
    commands: (args) => tests(ON_REAL_SERVERS, args, STACK_TEST_FILES_AT_ONCE),
  },
  'test:faults': {
    needsPage: true,
    commands: (args) => tests(['test/faults/**/*.test.ts'], ['--test-timeout=900000', ...args]),
  },
  'test:containers': {
    needsPage: true,
    commands: (args) => tests(['test/containers/**/*.test.ts'], ['--test-timeout=1800000', ...args]),
  },
  bench: {
    needsPage: true,
    atUser: true,
    commands: (args) => [[...FLAT_MEMORY, join(root, 'bench/main.ts'), ...args]],
  },
  check: {
    needsPage: false,
    commands: () => [
      ['node_modules/typescript/bin/tsc', '-p', '.'],
      ['node_modules/typescript/bin/tsc', '-p', 'src/domain'],
      ['node_modules/typescript/bin/tsc', '-p', 'web'],
      ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'],
      ...tests(['test/tidy.test.ts', 'test/english.test.ts'], []),
    ],
  },
};

/** npm runs scripts in the project's directory, and notes the user's directory in INIT_CWD. */
function userDirectory() {
  return process.cwd() === root ? (process.env.INIT_CWD ?? root) : process.cwd();
}

async function main() {
  const [name = '', ...args] = process.argv.slice(2);
  const task = TASKS[name];
  if (task === undefined)
    throw new SetupError(`There is no task "${name}".`, `Name one of: ${Object.keys(TASKS).join(', ')}.`);
  const node = await preparePackages();
  if (task.needsPage && !args.includes('--help')) await preparePage(node);
  let worst = 0;
  for (const command of task.commands(args)) {
    const { code, signal } = task.onStack
      ? await runOnStack(node, command)
      : await runToEnd(node, command, task.atUser ? userDirectory() : root);
    if (signal !== null) return process.kill(process.pid, signal);
    if (code !== 0 && name === 'check') console.error(`Failed: ${command.join(' ')}`);
    worst = Math.max(worst, code);
  }
  process.exitCode = worst;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`${error.message}\n${error.nextStep}`);
  process.exitCode = 3;
}
