/** The habits of this project that neither the compiler nor the linter can see. Part of `npm run check`. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CRASH_POINTS } from '../src/base/crash-points.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A file that is longer answers more than one question. */
const LINES_MAX = 400;
/** Wider does not fit beside anything on a screen; the formatter keeps code below it, this catches text. */
const COLUMNS_MAX = 160;
/** Fixtures are small and made by hand; real elections are not committed. */
const CSV_BYTES_MAX = 200 * 1024;

/** What each folder of src may import, in the one direction that dependencies go; files directly in src are free for all. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  domain: [],
  ports: ['domain'],
  inputs: ['domain', 'ports'],
  adapters: ['domain', 'ports'],
  stages: ['domain', 'ports', 'inputs'],
  server: ['domain', 'ports', 'stages'],
};

const sources = globSync(
  ['src/**/*.{ts,sql}', 'web/**/*.{ts,tsx,css}', 'bench/**/*.ts', 'scripts/**/*.mjs', 'test/**/*.ts'],
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

test('imports go in one direction', () => {
  const wrong = sources
    .filter((path) => path.startsWith('src/') && !isTest(path))
    .flatMap((path) => {
      const [, from = ''] = path.split('/');
      const allowed = MAY_IMPORT[from];
      if (allowed === undefined) return [];
      const imported = [...read(path).matchAll(/from '((?:\.\.\/)+)([a-z-]+)\//g)];
      return imported
        .filter(([, , to]) => to !== undefined && to in MAY_IMPORT && to !== from && !allowed.includes(to))
        .map(([text]) => `${path}: ${text}`);
    });
  assert.deepEqual(wrong, []);
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

test('lines and files fit a reader', () => {
  const wide = sources
    .filter((path) => !isTest(path) && !path.endsWith('_pb.ts'))
    .flatMap((path) =>
      read(path)
        .split('\n')
        // A string that must be in one piece (a policy, a drawing) may be as long as it is.
        .flatMap((line, i) => (line.replace(/(['"`]).*\1/u, '').length > COLUMNS_MAX ? [`${path}:${i + 1}`] : [])),
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

test('no real election is committed', { skip: !existsSync(join(ROOT, '.git')) && 'not a git checkout' }, () => {
  const tracked = execFileSync('git', ['ls-files', '-z', '*.csv'], { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean);
  assert.deepEqual(
    tracked.filter((path) => existsSync(join(ROOT, path)) && statSync(join(ROOT, path)).size > CSV_BYTES_MAX),
    [],
  );
});

test('ARCHITECTURE.md lists every crash point, and every crash point is passed somewhere', () => {
  const architecture = read('ARCHITECTURE.md');
  const code = sources
    .filter((path) => path.startsWith('src/') && !isTest(path))
    .map(read)
    .join('\n');
  const names = Object.keys(CRASH_POINTS);
  assert.ok(names.length > 0);
  assert.deepEqual(
    names.filter((name) => !architecture.includes(name)),
    [],
  );
  assert.deepEqual(
    names.filter((name) => !code.includes(`crashPoint('${name}')`)),
    [],
  );
});
