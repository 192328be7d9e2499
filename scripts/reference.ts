/**
 * Makes docs/reference.md from the code: `npx node scripts/reference.ts docs/reference.md` writes
 * it anew, and without a file it goes to standard output. A test compares the two.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CRASH_POINTS } from '../src/base/crash-points.ts';
import { ERROR_CODES } from '../src/base/errors.ts';
import { COMMANDS, OPTIONS, type OptionName } from '../src/cli/command-table.ts';
import { ENVIRONMENT_NAMES, SERVER_VARIABLES } from '../src/cli/config.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

type Row = readonly string[];

/** One line a row, so that a row may be as long as it is. */
function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

const code = (text: string): string => `\`${text}\``;

function optionTable(): string {
  const rows = (Object.keys(OPTIONS) as OptionName[]).map((name) => {
    const { value, help } = OPTIONS[name];
    const variable = ENVIRONMENT_NAMES.find((each) => each.endsWith(`_${name.toUpperCase().replaceAll('-', '_')}`));
    return [code(value === null ? `--${name}` : `--${name} ${value}`), code(variable ?? ''), help, commandsWith(name)];
  });
  return table(['option', 'in the environment', 'meaning (default)', 'commands'], rows);
}

function commandsWith(option: OptionName): string {
  const names = (isTaken: boolean): string =>
    Object.entries(COMMANDS)
      .filter(([, { options }]) => (options as readonly OptionName[]).includes(option) === isTaken)
      .map(([name]) => name)
      .join(', ');
  const without = names(false);
  if (without === '') return 'all';
  return without.includes(',') ? names(true) : `all but ${without}`;
}

const environmentTable = (): string =>
  table(
    ['name', 'meaning (default)'],
    Object.entries(SERVER_VARIABLES).map(([name, meaning]) => [code(name), meaning]),
  );

function errorTable(): string {
  return table(
    ['code', 'exit', 'meaning'],
    Object.entries(ERROR_CODES).map(([name, { exitCode, meaning }]) => [code(name), String(exitCode), meaning]),
  );
}

function crashPointTable(): string {
  return table(
    ['name', 'what is true there', 'how it goes on'],
    Object.entries(CRASH_POINTS).map(([name, { now, next }]) => [code(name), now, next]),
  );
}

/**
 * Limits and settings of time and size, by the end of their names. A number that is part of a
 * format is not one.
 */
const LIMIT =
  /^(?:export )?const ((?!DAY_|MINUTE_)[A-Z][A-Z\d_]*(?:_(?:MAX|MIN|RATIO|SHARE|MS|SECONDS|YEARS)|_MS_[A-Z]+|_PER_[A-Z_]+)) = ([^'"[({]+);$/;

interface Limit {
  readonly name: string;
  readonly value: string;
  readonly path: string;
  /** The text of the comment right above it; null where there is none. */
  readonly reason: string | null;
}

function limitsOf(path: string): Limit[] {
  const lines = read(path).split('\n');
  return lines.flatMap((line, at) => {
    const found = LIMIT.exec(line);
    return found === null ? [] : [{ name: found[1]!, value: found[2]!, path, reason: commentAbove(lines, at) }];
  });
}

function commentAbove(lines: readonly string[], at: number): string | null {
  let first = at;
  while (first > 0 && /^(\/\*\*| \*|\/\/)/.test(lines[first - 1]!)) first--;
  if (first === at) return null;
  const text = lines.slice(first, at).map((line) =>
    line
      .replace(/^(\/\*\*| \*\/?|\/\/)/, '')
      .replace(/\*\/$/, '')
      .trim(),
  );
  return text
    .join(' ')
    .replace(/\{@link (\w+)\}/g, '$1')
    .trim();
}

const limits = globSync('src/**/*.ts', { cwd: ROOT })
  .filter((path) => !/\.test\.ts$|_pb\.ts$/.test(path))
  .toSorted()
  .flatMap(limitsOf);

function limitTable(): string {
  return table(
    ['name', 'value', 'file', 'reason'],
    limits.map(({ name, value, path, reason }) => [code(name), value, code(path.slice('src/'.length)), reason ?? '']),
  );
}

const text = `# Reference

Made from the code by \`npx node scripts/reference.ts docs/reference.md\`; a test compares the two.
Change the code, then make this page again.

## Options

Defaults come first, then \`tallyroom.json\` in the working directory, then the environment, then the
command line; the later wins. The file has each option by its name:
\`{"port": 8080, "data-dir": "/srv/election"}\`. A flag in the environment is on where its value is
\`1\` or \`true\`. An option that a command does not take is refused on the command line and ignored
elsewhere. \`npm run tallyroom -- COMMAND --help\` lists the options of one command.

A second \`run\` or \`register\` with the same options, or with none, goes on with the election that is
there. Other options are refused with exit code 2; \`--fresh\` starts a new election beside it.

${optionTable()}

## Environment

These names choose the servers and say how to reach them. [operations.md](operations.md) says more
of each.

${environmentTable()}

## Exit codes and error codes

| exit | meaning |
|---|---|
| 0 | done |
| 1 | a check failed (\`verify\`, \`doctor\`), a server of \`stack status\` does not run, or an error below with 1 |
| 2 | usage: a wrong option, an input that is refused, no election, another election is there already |
| 3 | a dependency is unreachable: PostgreSQL, Kafka, Spark, the service of \`--api\`, Java or Maven, the packages of npm |
| 130 | stopped by Ctrl-C before its work was done (\`register\`, \`vote\`, \`count --once\`, \`run --once\`) or while it waited for a server; a second Ctrl-C |

An error on standard error says what happened, a line a problem, and the next step. \`--debug\` adds
the stack. Each error has a code, and the code decides the exit code. A defect of Tallyroom ends
with 1. [operations.md](operations.md) says what to do about each.

${errorTable()}

## Crash points

\`TALLYROOM_CRASH_AT=NAME#3\` kills the process with SIGKILL when it passes a point for the third
time. Tests die at each of them, start again, and compare totals and \`verify\`.

${crashPointTable()}

## Limits

Each limit in \`src\`, with the reason that its comment gives. Files are named below \`src\`.

${limitTable()}
`;

const unexplained = limits.filter(({ reason }) => reason === null);
const [file] = process.argv.slice(2);
if (unexplained.length > 0) {
  const names = unexplained.map(({ name, path }) => `${path}: ${name} has no comment above it that gives its reason`);
  process.stderr.write(`${names.join('\n')}\n`);
  process.exitCode = 1;
} else if (file === undefined) process.stdout.write(text);
else writeFileSync(file, text);
