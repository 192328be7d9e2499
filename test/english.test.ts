/**
 * Plain English in comments and pages: the patterns that have made them hard to read, and their
 * width. CONTRIBUTING.md says the rule.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A wider line of text is tiring to read and does not fit beside another window. */
const COLUMNS_MAX = 100;

/** Each pattern with the words to take instead. */
const PATTERNS: readonly (readonly [name: string, pattern: RegExp, instead: string])[] = [
  ['so many', /\bso (?:many|long|often)\b/gi, 'at most, this many, while, each time'],
  // "There is no clock" says that something is missing; "this is no clock" means "is not a clock".
  ['is no', /(?<!\bthere )\b(?:is|are|was|were) no (?!longer\b|more\b|one\b)(?=[a-z])/gi, 'is not a'],
  ['a free who or what', /(?<=^|[.!?]\s|\n[-*] )(?:Who|What) (?=[a-z`])(?![^.!]*\?)/g, 'a noun as the subject'],
];

interface Text {
  readonly path: string;
  /** The line of the file that the text begins at, from 1. */
  readonly line: number;
  /** Prose without the marks of comments and tables; its line breaks are those of the file. */
  readonly prose: string;
}

const COMMENT = /^\s*(?:\{?\/\*\*?|\*\/?|\/\/|-- )\s?(.*?)\s*(?:\*\/\}?)?$/;
const DIRECTIVE = /biome-ignore|^\s*\/\/\/ </;

/** Each run of comment lines of a program as a text. */
function commentsOf(path: string): Text[] {
  const texts: Text[] = [];
  let run: string[] = [];
  const lines = readFileSync(join(ROOT, path), 'utf8').split('\n');
  for (const [at, line] of [...lines, ''].entries()) {
    const comment = DIRECTIVE.test(line) ? null : COMMENT.exec(line);
    if (comment !== null) {
      run.push(comment[1]!);
      if (!/\*\/\}?$/.test(line)) continue;
    }
    if (run.length > 0) texts.push({ path, line: at + (comment === null ? 1 : 2) - run.length, prose: run.join('\n') });
    run = [];
  }
  return texts;
}

/** Each paragraph and each cell of a table of a page as a text, without its code. */
function paragraphsOf(path: string): Text[] {
  const texts: Text[] = [];
  let isFence = false;
  for (const [at, line] of readFileSync(join(ROOT, path), 'utf8').split('\n').entries()) {
    if (/^\s*```/.test(line)) isFence = !isFence;
    if (isFence || /^(?:#|<!--|\s*```)/.test(line)) continue;
    const prose = line.replace(/`[^`]*`/g, '`x`').replace(/^\s*(?:[-*]|\d+\.)? */, '');
    for (const cell of prose.split('|')) texts.push({ path, line: at + 1, prose: cell.trim() });
  }
  return texts;
}

const programs = globSync(
  ['src/**/*.{ts,sql}', 'web/**/*.{ts,tsx,css}', 'bench/*.ts', 'scripts/*.{ts,mjs}', 'test/**/*.ts'],
  { cwd: ROOT },
)
  // A released migration never changes, not even its comments.
  .filter((path) => !/_pb\.ts$|\/migrations\//.test(path) && path !== 'test/english.test.ts');
const pages = globSync(['*.md', 'docs/*.md'], { cwd: ROOT });
const texts: readonly Text[] = [...programs.flatMap(commentsOf), ...pages.flatMap(paragraphsOf)];

const lineOf = ({ line, prose }: Text, at: number): number => line + prose.slice(0, at).split('\n').length - 1;

describe('plain English in comments and pages', () => {
  test('there is something to read', () => {
    assert.ok(programs.length > 200 && pages.length > 8 && texts.length > 2_000);
  });

  for (const [name, pattern, instead] of PATTERNS)
    test(`"${name}" is not used; better: ${instead}`, () => {
      const found = texts.flatMap((text) =>
        [...text.prose.matchAll(pattern)].map(
          ({ index }) => `${text.path}:${lineOf(text, index)}: ${text.prose.slice(index, index + 60).split('\n')[0]}`,
        ),
      );
      assert.ok(found.length === 0, found.join('\n'));
    });

  test(`lines of comments and pages have at most ${COLUMNS_MAX} columns`, () => {
    const isWide = (line: string): boolean =>
      // A word that is longer than a line, such as an address, cannot be wrapped.
      line.length > COLUMNS_MAX && /\S\s/.test(line.slice(0, COLUMNS_MAX).replace(/^\W+/, ''));
    const wide = (path: string, pick: (lines: readonly string[]) => boolean[]): string[] => {
      const lines = readFileSync(join(ROOT, path), 'utf8').split('\n');
      const isText = pick(lines);
      return lines.flatMap((line, at) => (isText[at]! && isWide(line) ? [`${path}:${at + 1}`] : []));
    };
    const areComments = (lines: readonly string[]): boolean[] =>
      lines.map((line) => COMMENT.test(line) && !DIRECTIVE.test(line));
    const areProse = (lines: readonly string[]): boolean[] => {
      let isFence = false;
      return lines.map((line) => {
        if (/^\s*```/.test(line)) isFence = !isFence;
        return !isFence && !/^\s*(?:\||```|<!--)/.test(line);
      });
    };
    const found = [
      ...programs.flatMap((path) => wide(path, areComments)),
      ...pages.flatMap((path) => wide(path, areProse)),
    ];
    assert.ok(found.length === 0, found.join('\n'));
  });
});
