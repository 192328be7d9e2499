/**
 * What every script of package.json runs: `node scripts/bootstrap.mjs TASK [ARGUMENTS]`. Plain JavaScript for Node 20, so that a clean
 * clone needs nothing but Node and npm: it installs the packages, hands over to the Node that they pin, builds the page, runs the task.
 * Standard output belongs to the task alone; everything said here goes to standard error.
 */
import { join } from 'node:path';
import { preparePackages, preparePage, root, runToEnd, SetupError } from './setup.mjs';
import { runOnStack } from './test-stack.mjs';

const UNIT_AND_INTEGRATION = [
  'src/**/*.test.ts',
  'scripts/**/*.test.ts',
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
/** A net for a test that hangs, so that it fails by name instead of stopping the run; far above what any test takes. */
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

/** Node may leave 60 MB more of dead strings lying about, and more with every million votes; so it is 235 MB at 1 and at 10 million. */
const FLAT_MEMORY = '--max-semi-space-size=8';

/**
 * What each task runs, one after the other, as arguments of the pinned Node; whether it needs the page; whether it runs where the
 * user is, whose arguments name files, instead of in the project; and whether it needs Kafka, PostgreSQL and Spark beside it.
 * @type {Record<string, { needsPage: boolean, atUser?: boolean, onStack?: boolean, commands: (args: string[]) => string[][] }>}
 */
const TASKS = {
  start: {
    needsPage: true,
    atUser: true,
    commands: (args) => [[FLAT_MEMORY, join(root, 'src/main.ts'), 'run', ...args]],
  },
  tallyroom: { needsPage: true, atUser: true, commands: (args) => [[FLAT_MEMORY, join(root, 'src/main.ts'), ...args]] },
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
  bench: { needsPage: true, atUser: true, commands: (args) => [[FLAT_MEMORY, join(root, 'bench/main.ts'), ...args]] },
  check: {
    needsPage: false,
    commands: () => [
      ['node_modules/typescript/bin/tsc', '-p', '.'],
      ['node_modules/typescript/bin/tsc', '-p', 'src/domain'],
      ['node_modules/typescript/bin/tsc', '-p', 'web'],
      ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'],
      ...tests(['test/tidy.test.ts'], []),
    ],
  },
};

/** npm runs scripts in the project's directory and notes in INIT_CWD where it was called. */
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
