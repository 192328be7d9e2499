import assert from 'node:assert/strict';
import { createReadStream, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { inputFile } from '../../test/support/input-files.ts';
import { type CsvRow, openCsv, readRows } from './csv.ts';
import { type InputProblem, InputRefused } from './problems.ts';
import { spoolInput } from './spool.ts';
import { identifyFile, LINE_BYTES_MAX, readLines, readWhole } from './text-files.ts';

const OPTIONS = { required: ['a'], optional: [], personal: false };

async function readAll(path: string, fromLine?: number): Promise<{ rows: CsvRow[]; problems: InputProblem[] }> {
  const rows: CsvRow[] = [];
  const problems: InputProblem[] = [];
  for await (const block of readRows(await openCsv(path, OPTIONS), fromLine)) {
    rows.push(...block.rows);
    problems.push(...block.problems);
  }
  return { rows, problems };
}

const quote = (value: string): string => `"${value.replaceAll('"', '""')}"`;

test('what is written as CSV is read back, from any separator, line end and block boundary, with exact line numbers', async (t) => {
  const value = fc.string({
    unit: fc.constantFrom('x', 'é', '😀', ' ', ',', ';', '\t', '"', '\n', '|'),
    maxLength: 12,
  });
  const table = fc.array(fc.tuple(value, value, fc.boolean()), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(
      table,
      fc.constantFrom(',', ';', '\t'),
      fc.constantFrom('\n', '\r\n'),
      fc.nat(3),
      async (rows, delimiter, end, pad) => {
        // A first row of almost one block, so that the others lie on the boundary of two.
        const padding = 'p'.repeat(256 * 1024 - 20 + pad);
        let text = ['a', 'b'].join(delimiter) + end + [padding, 'b'].join(delimiter) + end;
        const expected: CsvRow[] = [{ line: 2, fields: [padding, 'b'] }];
        let line = 3;
        for (const [a, b, isQuoted] of rows) {
          const needsQuotes = (each: string) => isQuoted || /[",;\t\n]/.test(each);
          text += [a, b].map((each) => (needsQuotes(each) ? quote(each) : each)).join(delimiter) + end;
          const fields = [a.trim(), b.trim()];
          if (fields.some((field) => field !== '')) expected.push({ line, fields });
          line += `${a}${b}`.split('\n').length;
        }
        const { rows: found, problems } = await readAll(inputFile(t, text));
        assert.deepEqual(problems, []);
        assert.deepEqual(found, expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('reading goes on from any line that a block ended at', async (t) => {
  const path = inputFile(
    t,
    `a,b\n${Array.from({ length: 4_000 }, (_, i) => `${i},"${'x'.repeat(100)}\n${'y'.repeat(100)}"\n`).join('')}`,
  );
  const whole = await readAll(path);
  assert.equal(whole.rows.length, 4_000);
  let ends = 0;
  for await (const { next_line } of readRows(await openCsv(path, OPTIONS))) {
    const rest = await readAll(path, next_line);
    assert.deepEqual(
      rest.rows,
      whole.rows.filter(({ line }) => line >= next_line),
    );
    ends++;
  }
  assert.ok(ends > 2);
});

test('a quote that is never closed costs one row, however long the file', async (t) => {
  const rows = Array.from({ length: 200_000 }, (_, i) => `${i},good\n`);
  rows[10] = '"never closed,x\n';
  rows[150_000] = 'a quote " inside,x\n';
  const { rows: found, problems } = await readAll(inputFile(t, `a,b\n${rows.join('')}`));
  assert.equal(found.length, rows.length - 2);
  assert.deepEqual(
    problems.map(({ line }) => line),
    [12, 150_002],
  );
});

test('a file of 100 MB is read in the memory of a small one', async (t) => {
  const line = `${'x'.repeat(40)},${'y'.repeat(55)}\n`;
  const megabyte = line.repeat(Math.ceil(1_000_000 / line.length));
  const path = inputFile(t, '');
  const spooled = await spoolInput(
    Readable.from(
      (function* () {
        yield 'a,b\n';
        for (let i = 0; i < 105; i++) yield megabyte;
      })(),
    ),
    dirname(path),
  );
  assert.ok(statSync(spooled.path).size > 100_000_000);
  let rows = 0;
  let most = 0;
  for await (const block of readRows(await openCsv(spooled.path, OPTIONS))) {
    rows += block.rows.length;
    most = Math.max(most, block.rows.length);
  }
  assert.equal(rows, (megabyte.length / line.length) * 105);
  // Memory holds one block at a time, not the file.
  assert.ok(most < 4_000, `${most} rows in a block`);
  await spooled.remove();
});

test('lines that are too long are passed over, not kept', async (t) => {
  const long = 'x'.repeat(LINE_BYTES_MAX + 300_000);
  const path = inputFile(t, `1\n${long}\n3\n${long}${long}\n5\n${long}`);
  const lines: (string | null)[] = [];
  for await (const block of readLines(path)) {
    assert.equal(block.first_line, lines.length + 1);
    lines.push(...block.lines);
  }
  assert.deepEqual(lines, ['1', null, '3', null, '5', null]);
});

test('a file is known by its bytes', async (t) => {
  const path = inputFile(t, 'abc');
  const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  assert.deepEqual(await identifyFile(path), { sha256, bytes: 3, blocks: Buffer.from(sha256, 'hex') });
  assert.deepEqual(await readWhole(path, 3), { sha256, text: 'abc' });
  await assert.rejects(readWhole(path, 2), /the file is larger than 2 bytes/);
});

test('standard input is spooled to a file of this user alone, and removed', async (t) => {
  const directory = join(dirname(inputFile(t, 'x')), 'spool');
  const source = inputFile(t, 'registration_number\n');
  const { path, remove } = await spoolInput(createReadStream(source), directory);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(await readFile(path, 'utf8'), 'registration_number\n');
  await remove();
  await remove();
  assert.deepEqual(await readdir(directory), []);
});

test('standard input that breaks off leaves nothing behind', async (t) => {
  const directory = join(dirname(inputFile(t, 'x')), 'spool');
  const broken = new Readable({
    read() {
      this.destroy(new Error('pipe broke'));
    },
  });
  await assert.rejects(spoolInput(broken, directory), { code: 'INPUT_REFUSED', message: /pipe broke/ });
  assert.deepEqual(await readdir(directory), []);
});

test('any bytes are read to an end or refused', async (t) => {
  const snippet = fc
    .constantFrom('a', 'a,b', '"', '\n', '\r\n', ',', ';', '\0', '\ufeff', '"a"', '<', '{"a":1}', 'é')
    .map((text) => Buffer.from(text));
  const bytes = fc.array(fc.oneof({ weight: 4, arbitrary: snippet }, fc.uint8Array({ maxLength: 4 })), {
    maxLength: 30,
  });
  let read = 0;
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(bytes, fc.constantFrom('', 'a\n', 'a,b\n'), async (parts, header) => {
      try {
        await readAll(inputFile(t, Buffer.concat([Buffer.from(header), ...parts])));
        read++;
      } catch (error) {
        assert.ok(error instanceof InputRefused, String(error));
        refused++;
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(read > 0 && refused > 0);
});
