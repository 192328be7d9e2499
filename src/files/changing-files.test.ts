/** Files that change between two reads, and pipes: what was not read before is never given out. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inputFile } from '../../test/support/input-files.ts';
import { temporaryDirectory } from '../../test/support/tallyroom.ts';
import { readingUntil } from './input-bytes.ts';
import { InputRefused } from './problems.ts';
import { identifyFile, readLines, readWhole } from './text-files.ts';

const LINES = 200_000;
const LINE = 'voter,north,Ada   \n';
const text = (choice: string): string => LINE.replace('Ada  ', choice.padEnd(5)).repeat(LINES);

async function given(path: string, expected: Awaited<ReturnType<typeof identifyFile>>): Promise<string[]> {
  const lines: string[] = [];
  for await (const block of readLines(path, 1, { expected })) lines.push(...block.lines.map(String));
  return lines;
}

test('a file that is the same gives the same lines, with or without a last line end', async (t) => {
  for (const content of [text('Ada'), 'a\nb', 'x\n', `${text('Ada')}end`]) {
    const path = inputFile(t, content);
    const lines = await given(path, await identifyFile(path));
    assert.equal(lines.join('\n'), content.replace(/\n$/, ''));
  }
});

const CHANGES: readonly [name: string, change: (path: string) => void][] = [
  ['replaced', (path) => writeFileSync(path, text('Bob'))],
  ['truncated', (path) => truncateSync(path, 3_000_000)],
  ['emptied', (path) => truncateSync(path, 0)],
  [
    'changed by one byte in the middle',
    (path) => {
      const file = openSync(path, 'r+');
      writeSync(file, 'B', 2_500_000);
      closeSync(file);
    },
  ],
];

for (const [name, change] of CHANGES)
  test(`a file that is ${name} while it is read: no line of a changed block is given out`, async (t) => {
    const path = inputFile(t, text('Ada'));
    const expected = await identifyFile(path);
    const lines: string[] = [];
    let isChanged = false;
    await assert.rejects(
      async () => {
        for await (const block of readLines(path, 1, { expected })) {
          lines.push(...block.lines.map(String));
          if (!isChanged) change(path);
          isChanged = true;
        }
      },
      (error) => {
        assert.ok(error instanceof InputRefused);
        assert.match(error.message, /the file has changed since it was first read/);
        assert.equal(error.problems[0]!.line, lines.length + 1, 'the first line that was not given out');
        return true;
      },
    );
    assert.ok(lines.length > 0 && lines.length < LINES);
    assert.ok(lines.every((line) => line === LINE.trimEnd().padEnd(line.length)));
  });

test('lines that are added behind the first read are not given out', async (t) => {
  const path = inputFile(t, 'a\nb');
  const expected = await identifyFile(path);
  appendFileSync(path, 'c\nd\n');
  assert.deepEqual(await given(path, expected), ['a', 'b']);
});

function pipe(t: TestContext): string {
  const { path, remove } = temporaryDirectory();
  t.after(remove);
  execFileSync('mkfifo', [join(path, 'pipe')]);
  return join(path, 'pipe');
}

test('a pipe is read to its end, also where its writer pauses', async (t) => {
  const path = pipe(t);
  const writer = spawn('sh', ['-c', `{ printf 'a\\nb'; read line; printf 'c\\n'; } > ${path}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const closed = once(writer, 'close');
  const read = readWhole(path, 100);
  writer.stdin.end('\n');
  assert.equal((await read).text, 'a\nbc\n');
  await closed;
});

test('a pipe that nobody writes to is told, and left at a signal', async (t) => {
  const stop = new AbortController();
  const said: string[] = [];
  const say = (line: string): void => {
    said.push(line);
    stop.abort();
  };
  await assert.rejects(
    readingUntil({ signal: stop.signal, say }, () => readWhole(pipe(t), 100)),
    { name: 'AbortError' },
  );
  assert.match(said.join(), /is a pipe\. Tallyroom waits for a program to write to it/);
});
