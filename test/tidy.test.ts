/**
 * The habits of this project that neither the compiler nor the linter can see. Part of `npm run
 * check`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'vite';
import { CRASH_POINTS } from '../src/base/crash-points.ts';
import { TOPICS } from '../src/ports/log.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A longer file answers more than one question. */
const LINES_MAX = 400;
/** A longer function does not fit a screen. */
const FUNCTION_LINES_MAX = 60;
/**
 * A wider line of SQL does not fit a screen. The formatter wraps other code, and
 * test/english.test.ts checks comments.
 */
const SQL_COLUMNS_MAX = 140;
/** Fixtures are small and made by hand; real elections are not committed. */
const CSV_BYTES_MAX = 200 * 1024;

/**
 * The floors of the house: each folder with the folders it may import from, always further down. A
 * folder that is not listed has no place in `src` or `web`. `src/main.ts` and `web/main.tsx` stand
 * on the top floor.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'src/base': [],
  'src/domain/numbers': [],
  'src/domain/election': ['src/domain/numbers'],
  'src/domain/ballots': ['src/domain/numbers', 'src/domain/election'],
  'src/domain/generated': ['src/domain/numbers', 'src/domain/election'],
  'src/domain/log': ['src/domain/election', 'src/domain/ballots'],
  'src/domain/counting': ['src/domain/election', 'src/domain/ballots', 'src/domain/log'],
  'src/domain/results': ['src/domain/election', 'src/domain/log', 'src/domain/counting'],
  'src/domain/returns': ['src/domain/election', 'src/domain/log', 'src/domain/counting', 'src/domain/results'],
  'src/ports': ['src/domain'],
  'src/files': ['src/base', 'src/domain'],
  'src/formats': ['src/base', 'src/domain', 'src/files'],
  'src/registration': ['src/base', 'src/domain', 'src/ports', 'src/files', 'src/formats'],
  'src/stages': ['src/base', 'src/domain', 'src/ports', 'src/files', 'src/formats', 'src/registration'],
  'src/live': ['src/base', 'src/domain', 'src/ports'],
  'src/server': ['src/base', 'src/domain', 'src/ports', 'src/live'],
  'src/bundled-postgres': ['src/base'],
  'src/adapters/local': ['src/base', 'src/domain', 'src/ports'],
  'src/adapters/postgres': ['src/base', 'src/domain', 'src/ports'],
  // The relay reads table `log`. The lock that lets one relay work is a lock of PostgreSQL.
  'src/adapters/kafka': ['src/base', 'src/domain', 'src/ports', 'src/adapters/postgres'],
  'src/adapters/spark': ['src/base', 'src/domain', 'src/ports'],
  'src/stack': ['src/base', 'src/bundled-postgres'],
  'src/cli': ['src/base', 'src/domain', 'src/ports', 'src/registration', 'src/adapters/kafka', 'src/adapters/spark'],
  'src/wire': ['src/base', 'src/domain', 'src/ports', 'src/cli', 'src/bundled-postgres', 'src/adapters'],
  'src/commands': [
    'src/base',
    'src/domain',
    'src/ports',
    'src/files',
    'src/registration',
    'src/stages',
    'src/live',
    'src/server',
    'src/bundled-postgres',
    'src/stack',
    'src/cli',
    'src/wire',
  ],
  'web/text': ['src/domain'],
  'web/live': ['src/domain'],
  'web/charts': ['src/domain', 'web/text', 'web/live'],
  'web/views': ['src/domain', 'web/text', 'web/live', 'web/charts'],
};

const sources = globSync(
  ['src/**/*.{ts,sql}', 'web/**/*.{ts,tsx,css}', 'bench/**/*.ts', 'scripts/**/*.{ts,mjs}', 'test/**/*.ts'],
  {
    cwd: ROOT,
    exclude: ['**/node_modules/**'],
  },
);
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const isTest = (path: string) => path.startsWith('test/') || /\.test\.tsx?$/.test(path);

/** @returns `file:line: text` of each line that matches, in the files that pass. */
function findLines(pattern: RegExp, pick: (path: string) => boolean): string[] {
  return sources.filter(pick).flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
  );
}

const isThisFile = (path: string) => path === 'test/tidy.test.ts';

test('the rules have something to look at', () => {
  assert.ok(sources.includes('src/main.ts') && sources.includes('test/tidy.test.ts'));
  assert.ok(sources.some((path) => path.startsWith('src/domain/')) && sources.some((path) => path.startsWith('web/')));
});

test('the domain knows no clock, no chance and no machine', () => {
  const domain = (path: string) => path.startsWith('src/domain/') && !isTest(path);
  assert.deepEqual(findLines(/\bDate\.now\b|\bMath\.random\b|\bnew Date\(\)|from 'node:/, domain), []);
});

/** The imports of a source file within the project, as paths from its root. */
function importsOf(path: string): string[] {
  return [...read(path).matchAll(/(?:from|import) '(\.[^']+)'|\bimport\('(\.[^']+)'\)/g)].map((found) =>
    join(dirname(path), found[1] ?? found[2]!),
  );
}

/** The folder of the table that a file is in; undefined where there is none. */
const folderOf = (path: string): string | undefined =>
  Object.keys(MAY_IMPORT).find((folder) => path.startsWith(`${folder}/`));

const programs = sources.filter((path) => /^(src|web)\//.test(path) && /\.tsx?$/.test(path) && !isTest(path));

test('every file stands on a floor, and imports only from the floors below it', () => {
  const wrong = programs.flatMap((path) => {
    if (/^(src\/main\.ts|web\/(main\.tsx|vite\.config\.ts)|src\/domain\/[a-z-]+\.ts)$/.test(path)) return [];
    const folder = folderOf(path);
    if (folder === undefined) return [`${path} is in no folder of the table`];
    const allowed = [folder, ...MAY_IMPORT[folder]!];
    // Files directly in the domain (assert, Outcome) are for all of it.
    const isAllowed = (to: string) =>
      allowed.some((each) => to.startsWith(`${each}/`)) ||
      (folder.startsWith('src/domain/') && dirname(to) === 'src/domain');
    return importsOf(path)
      .filter((to) => !isAllowed(to))
      .map((to) => `${path} imports ${to}`);
  });
  assert.deepEqual(wrong, []);
});

test('no import runs in a circle', () => {
  const state = new Map<string, 'open' | 'done'>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done' || !programs.includes(path)) return;
    if (state.get(path) === 'open') {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const to of importsOf(path)) visit(to, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of programs) visit(path, []);
  assert.deepEqual(circles, []);
});

test('only one file makes paths from its own place', () => {
  assert.deepEqual(
    findLines(
      /import\.meta\.url/,
      (path) => programs.includes(path) && path !== 'web/vite.config.ts' && path !== 'src/base/resources.ts',
    ),
    [],
  );
});

test('nothing is left for later, nothing is left out', () => {
  assert.deepEqual(
    findLines(/\b(TODO|FIXME|XXX)\b/, (path) => !isThisFile(path)),
    [],
  );
  assert.deepEqual(findLines(/\b(test|it|describe|suite)\.only\b|\bonly: true/, isTest), []);
  // A skip names its reason: `skip: true` or a bare t.skip() does not.
  assert.deepEqual(
    findLines(
      /\bskip: true\b|\.skip\(\)|\b(test|it|describe)\.(skip|todo)\b/,
      (path) => isTest(path) && !isThisFile(path),
    ),
    [],
  );
});

test('lines of SQL and files fit a reader', () => {
  const wide = sources
    .filter((path) => path.startsWith('src/adapters/') && !isTest(path) && !path.endsWith('_pb.ts'))
    .flatMap((path) =>
      read(path)
        .split('\n')
        // A message or statement in one string may have any length.
        .flatMap((line, i) => (line.replace(/(['"`]).*\1/u, '').length > SQL_COLUMNS_MAX ? [`${path}:${i + 1}`] : [])),
    );
  assert.deepEqual(wide, []);
  const long = sources.filter(
    (path) =>
      /\.(ts|tsx|mjs)$/.test(path) &&
      !isTest(path) &&
      !path.endsWith('_pb.ts') &&
      read(path).split('\n').length > LINES_MAX + 1,
  );
  assert.deepEqual(long, []);
});

test('functions fit a screen', () => {
  const long = sources
    .filter((path) => /\.(ts|tsx|mjs)$/.test(path) && !isTest(path) && !path.endsWith('_pb.ts'))
    .flatMap((path) => functionsOf(path).filter(({ lines }) => lines > FUNCTION_LINES_MAX))
    .map(({ path, line, lines }) => `${path}:${line}: ${lines} lines`);
  assert.deepEqual(long, []);
});

interface FunctionPlace {
  readonly path: string;
  readonly line: number;
  readonly lines: number;
}

/** Every function of a file, also inside another, as the parser of the page build sees it. */
function functionsOf(path: string): FunctionPlace[] {
  const text = read(path);
  const lineAt = (offset: number): number => text.slice(0, offset).split('\n').length;
  const found: FunctionPlace[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, start, end } = node as { type?: unknown; start?: unknown; end?: unknown };
    if (typeof start === 'number' && typeof end === 'number' && /^(Function|ArrowFunction)/.test(String(type)))
      found.push({ path, line: lineAt(start), lines: lineAt(end) - lineAt(start) + 1 });
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseSync(path, text).program);
  return found;
}

test('no real election is committed', { skip: !existsSync(join(ROOT, '.git')) && 'not a git checkout' }, () => {
  const tracked = execFileSync('git', ['ls-files', '-z', '*.csv'], { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean);
  assert.deepEqual(
    tracked.filter((path) => existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).size > CSV_BYTES_MAX),
    [],
  );
});

test('every crash point is passed somewhere', () => {
  const code = sources
    .filter((path) => path.startsWith('src/') && !isTest(path))
    .map(read)
    .join('\n');
  const names = Object.keys(CRASH_POINTS);
  assert.ok(names.length > 0);
  assert.deepEqual(
    names.filter((name) => !code.includes(`crashPoint('${name}')`)),
    [],
  );
});

const programTexts = programs.filter((path) => !path.endsWith('_pb.ts')).map(read);
const exported = new Set(
  programTexts.flatMap((text) =>
    [...text.matchAll(/^export (?:async )?(?:class|const|function\*?|interface|type) (\w+)/gm)].map(
      ([, name]) => name!,
    ),
  ),
);
const errorCodes = new Set(read('src/base/errors.ts').match(/\b[A-Z]+(?:_[A-Z]+)*\b/g));
const tables = globSync('src/adapters/postgres/migrations/*.sql', { cwd: ROOT }).flatMap((path) =>
  [...read(path).matchAll(/^CREATE TABLE (\w+)/gm)].map(([, name]) => name!),
);

/** A row of docs/glossary.md. */
interface GlossaryEntry {
  readonly word: string;
  readonly meaning: string;
  /** As written, `name` or kind and `name`. */
  readonly names: readonly string[];
  readonly unused: readonly string[];
}

const glossary: readonly GlossaryEntry[] = [
  ...read('docs/glossary.md').matchAll(/^\| (.+) \| (.+) \| (.+) \| (.*)\|$/gm),
]
  .slice(1)
  .map(([, word = '', meaning = '', names = '', unused = '']) => ({
    word,
    meaning,
    names: names === 'none yet' ? [] : names.split(', '),
    unused: unused
      .split(',')
      .map((each) => each.trim())
      .filter(Boolean),
  }));

function isInCode(written: string): boolean {
  const [, kind, name] = /^(?:(table|topic) )?`([^`]+)`$/.exec(written) ?? [];
  if (name === undefined) return false;
  if (kind === 'table') return tables.includes(name);
  if (kind === 'topic') return TOPICS.some((topic) => topic === name);
  return exported.has(name) || errorCodes.has(name) || (name.includes('/') && existsSync(join(ROOT, name)));
}

/** The words of each name in a program, in lower case: `ballotIndex` gives " ballot index ". */
function namesOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, ' ').replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, ' ');
  const words = (name: string): string => name.replace(/([a-z\d])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])|_/g, '$1$2 ');
  return [...new Set(code.match(/[A-Za-z_$][\w$]*/g))].map((name) => ` ${words(name).toLowerCase()} `);
}

test('the words of docs/glossary.md are in order, each with a sentence', () => {
  const words = glossary.map(({ word }) => word);
  assert.ok(words.length >= 45);
  assert.deepEqual(words, words.toSorted());
  assert.deepEqual(
    glossary.filter(({ meaning }) => !/^[A-Z].*\.$/.test(meaning)).map(({ word }) => word),
    [],
  );
});

test('docs/glossary.md names types, tables and topics that exist', () => {
  assert.deepEqual(
    glossary.flatMap(({ word, names }) => names.filter((name) => !isInCode(name)).map((name) => `${word}: ${name}`)),
    [],
  );
});

test('no name in the code has a word that docs/glossary.md rules out', () => {
  const names = new Set(programTexts.flatMap(namesOf));
  const unused = glossary.flatMap((entry) => entry.unused);
  assert.ok(unused.length > 0);
  assert.deepEqual(
    unused.flatMap((word) => [...names].filter((name) => name.includes(` ${word} `) || name.includes(` ${word}s `))),
    [],
  );
});

test('docs/data.md lists every topic and table', () => {
  const listed = [...read('docs/data.md').matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, names]) =>
    names!.split(', ').map((name) => name.replaceAll('`', '')),
  );
  assert.deepEqual(
    [...TOPICS, ...tables].filter((name) => !listed.includes(name)),
    [],
  );
});

test('a path that a page names exists', () => {
  const pages = globSync(['*.md', 'docs/*.md'], { cwd: ROOT });
  assert.ok(pages.includes('ARCHITECTURE.md') && pages.includes('docs/glossary.md'));
  const missing = pages.flatMap((page) => {
    const paths = read(page).matchAll(/`((?:src|web|test|scripts|bench|docs)\/[^`\s*]*)`/g);
    const links = read(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g);
    return [...[...paths].map(([, path]) => path!), ...[...links].map(([, path]) => join(dirname(page), path!))]
      .filter((path) => !existsSync(join(ROOT, path)))
      .map((path) => `${page}: ${path}`);
  });
  assert.deepEqual(missing, []);
});
