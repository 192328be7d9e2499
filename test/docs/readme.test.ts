/**
 * The examples of README.md and docs/examples.md run as they stand, with fewer voters. The commands
 * and the result document that are written down are compared with the program.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../../src/cli/command-table.ts';
import type { Results } from '../../src/domain/results/results.ts';
import { tallyroom, temporaryDirectory } from '../support/tallyroom.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');
/** The pages with examples. */
const PAGES = ['README.md', 'docs/examples.md'];
const PROGRAM = `"${process.execPath}" "${join(ROOT, 'src/main.ts')}"`;

/** More voters than this would show nothing more. */
const VOTERS_MAX = 2_000;
/** An election that is described by any of these takes its voters from there. */
const DESCRIBED = /--(voters|results|roll|api|election)\b/;
const COMMAND = /^npm (?:start|run(?: --silent)? tallyroom)\b/;
/** Fewer commands would mean that the examples are no longer found. */
const COMMANDS_MIN = 25;

interface Block {
  /** The HTML comment right above the fence: why it cannot run here. */
  readonly reason: string | undefined;
  readonly language: string;
  /** The second word of the fence: the file that the text belongs to. */
  readonly file: string | undefined;
  readonly text: string;
}

const FENCE = /(?:^<!-- not run in a test: (.+) -->\n)?^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm;

const blocksOf = (page: string): Block[] =>
  [...read(page).matchAll(FENCE)].map(([, reason, language = '', file, text = '']) => ({
    reason,
    language,
    file,
    text,
  }));

const isRunnable = ({ language, reason }: Block): boolean => language === 'sh' && reason === undefined;

/** The lines of a block that call the program. Lines that end with a backslash are joined. */
const commandsOf = ({ text }: Block): string[] =>
  text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => COMMAND.test(line));

/**
 * The line as a reader types it, except for the program itself, which npm would install first, and
 * the number of voters.
 */
function scriptOf(line: string): string {
  return line
    .replace(
      /^npm start(?: --silent)?(?: --(?= ))?/,
      `${PROGRAM} run${DESCRIBED.test(line) ? '' : ` --voters ${VOTERS_MAX}`}`,
    )
    .replace(/^npm run(?: --silent)? tallyroom --/, PROGRAM)
    .replace(/--voters (\d+)/, (_, voters) => `--voters ${Math.min(Number(voters), VOTERS_MAX)}`)
    .replace(/--rate \S+/, '--rate max')
    .replace(/--port \d+/, '--port 0');
}

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
}

/**
 * Runs a line in a shell, so that files and pipes mean the same as for a reader. A dashboard is
 * ended once it is up.
 */
function runLine(line: string, cwd: string, dataDir: string): Promise<Ended> {
  const environment = {
    ...process.env,
    TALLYROOM_DATA_DIR: dataDir,
    TALLYROOM_PORT: '0',
    TALLYROOM_ONCE: '1',
    TALLYROOM_RATE: 'max',
  };
  const isDashboard = /tallyroom -- dashboard/.test(line);
  const script = scriptOf(line);
  const child = spawn('sh', ['-c', isDashboard ? `exec ${script}` : script], {
    cwd,
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  let isTold = false;
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    if (!isDashboard || isTold || !/Results: http/.test(stderr)) return;
    // Only once: a second Ctrl-C ends it at once, which is another case.
    isTold = true;
    child.kill('SIGINT');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stderr }));
  });
}

describe('the examples', { concurrency: 1 }, () => {
  test('are found on every page', () => {
    const commands = PAGES.flatMap(blocksOf).filter(isRunnable).flatMap(commandsOf);
    assert.ok(commands.length >= COMMANDS_MIN, `${commands.length} commands`);
    for (const page of PAGES)
      assert.ok(
        blocksOf(page).some(({ file }) => file !== undefined),
        page,
      );
  });

  for (const page of PAGES)
    for (const block of blocksOf(page).filter(isRunnable)) {
      const lines = commandsOf(block);
      test(`of ${page} run: ${lines[0]}`, async (context) => {
        const directory = temporaryDirectory();
        context.after(directory.remove);
        for (const { file, text } of blocksOf(page))
          if (file !== undefined) writeFileSync(join(directory.path, file), text);
        for (const line of lines) {
          const { code, stderr } = await runLine(line, directory.path, join(directory.path, 'data'));
          assert.equal(code, 0, `${line}\n${stderr}`);
          // After a pipe the shell only reports the exit code of the last program.
          assert.doesNotMatch(stderr, /^Error:/m, line);
        }
      });
    }

  test('name every field of the result document (docs/data.md)', async (context) => {
    const directory = temporaryDirectory();
    context.after(directory.remove);
    const { code, stdout, stderr } = await tallyroom([
      'run',
      '--voters',
      '50',
      '--rate',
      'max',
      '--port',
      '0',
      '--once',
      '--json',
      '--data-dir',
      directory.path,
    ]);
    assert.equal(code, 0, stderr);
    const results: Results = JSON.parse(stdout);
    const [contest] = results.contests;
    const described = blocksOf('docs/data.md')
      .find(({ text }) => text.startsWith('{ election:'))
      ?.text.match(/\w+/g);
    const parts = [results, results.election, results.totals, contest!, contest!.candidates[0]!, results.locations[0]!];
    assert.deepEqual(
      new Set(described),
      new Set([...parts.flatMap((part) => Object.keys(part)), 'contest_id', 'candidate_id', 'n']),
    );
  });

  test('name every command', () => {
    const text = PAGES.map(read).join('\n');
    for (const command of Object.keys(COMMANDS))
      assert.match(text, new RegExp(`\`${command}\`|tallyroom -- ${command}\\b`), command);
  });
});
