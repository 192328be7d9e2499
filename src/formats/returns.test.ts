import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { inputFile } from '../../test/support/input-files.ts';
import { testElection } from '../../test/support/test-count.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { readReturnsFile } from './returns.ts';

const index = indexElection({ ...testElection({ locations: 2 }), source: 'returns' });
const NOW = Date.parse('2026-11-23T21:00:00Z');
const TIMES = { reported_at: null, now: NOW };

const HEADER = 'reported_at,contest,location_id,candidate,votes,units_reporting,units_total,count_type\n';
const read = (context: TestContext, text: string) => readReturnsFile(inputFile(context, text), index, TIMES);

test('a row is the votes of a candidate, and the units that are counted', async (context) => {
  const { upload, problems } = await read(
    context,
    `${HEADER}2026-11-23T20:00:00Z,contest-1,L0001,Ada,10,1,3,
2026-11-23T20:00:00Z,Mayor,L0001,Ben,7,1,3,early
2026-11-23T22:15:00+02:00,contest-1,L0002,Cleo,0,,,
`,
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    upload.versions.map(({ line, count_type, place, value, reported_at, fault }) => [
      line,
      count_type,
      place,
      value,
      new Date(reported_at).toISOString(),
      fault,
    ]),
    [
      [2, 'total', 0, 10, '2026-11-23T20:00:00.000Z', null],
      [2, 'total', 6, 1, '2026-11-23T20:00:00.000Z', null],
      [2, 'total', 7, 3, '2026-11-23T20:00:00.000Z', null],
      [3, 'early', 1, 7, '2026-11-23T20:00:00.000Z', null],
      [4, 'total', 5, 0, '2026-11-23T20:15:00.000Z', null],
    ],
  );
  assert.deepEqual([upload.rows, upload.times, upload.refused], [3, 'bytes', []]);
});

test('the names of other systems are read, and a file without times has the given one', async (context) => {
  const { upload, notices } = await read(
    context,
    'contest,location_id,location_name,party,candidate,votes,precincts_reporting,precincts_total,colour\ncontest-1,L0001,Ward 1,A,Ada,5,2,2,red\n',
  );
  assert.deepEqual(
    upload.versions.map(({ value, reported_at }) => [value, reported_at]),
    [
      [5, NOW],
      [2, NOW],
      [2, NOW],
    ],
  );
  assert.equal(upload.times, 'receipt');
  assert.match(notices.join(), /colour/);
});

describe('a row that is wrong is refused, and the next one is used', () => {
  for (const [row, column, reason] of [
    ['2026-11-23T20:00:00Z,senate,L0001,Ada,1,,,', 'contest', /"senate" is not a contest of the election/],
    ['2026-11-23T20:00:00Z,contest-1,L9,Ada,1,,,', 'location_id', /"L9" is not a location/],
    ['2026-11-23T20:00:00Z,contest-1,L0001,Eve,1,,,', 'candidate', /"Eve" is not a candidate of the contest/],
    ['2026-11-23T20:00:00Z,contest-1,L0001,Ada,-1,,,', 'votes', /negative/],
    ['2026-11-23T20:00:00Z,contest-1,L0001,Ada,1.5,,,', 'votes', /not whole/],
    ['2026-11-23T20:00:00Z,contest-1,L0001,Ada,,,,', 'votes', /empty/],
    ['2026-11-23T20:00:00Z,contest-1,L0001,Ada,*,,,', 'votes', /not a number/],
    ['2026-11-23T20:00:00Z,contest-1,L0001,Ada,1,x,,', 'units_reporting', /not a number/],
    ['2026-11-23T20:00:00Z,contest-1,L0001,Ada,1,,,mail', 'count_type', /"mail" is not a count type/],
    ['2026-11-23T20:00:00Z,contest-1,L0001,Ada,10000000001,,,', 'votes', /above 10,000,000,000/],
    ['0009-11-23T20:00:00Z,contest-1,L0001,Ada,1,,,', 'reported_at', /not a time/],
    ['2026-11-23 20:00,contest-1,L0001,Ada,1,,,', 'reported_at', /not a time with its offset/],
    ['2026-13-23T20:00:00Z,contest-1,L0001,Ada,1,,,', 'reported_at', /not a time/],
  ] as const)
    test(`${column}: ${row}`, async (context) => {
      const { upload, problems } = await read(
        context,
        `${HEADER}${row}\n2026-11-23T20:00:00Z,contest-1,L0002,Ada,3,,,\n`,
      );
      assert.deepEqual(
        problems.map((problem) => [problem.line, problem.column]),
        [[2, column]],
      );
      assert.match(problems[0]!.reason, reason);
      assert.deepEqual(
        upload.versions.map(({ line, value }) => [line, value]),
        [[3, 3]],
      );
    });

  test('two numbers of one cell and time: the second is refused; the same number twice is one', async (context) => {
    const row = (votes: number) => `2026-11-23T20:00:00Z,contest-1,L0001,Ada,${votes},,,\n`;
    const { upload, problems } = await read(context, `${HEADER}${row(1)}${row(1)}${row(2)}`);
    assert.match(problems.map(({ line, reason }) => `${line}: ${reason}`).join(), /^4: line 2 has another number/);
    assert.equal(upload.versions.length, 1);
  });
});

test('a file of which one row names no time is known by its bytes no more; a person may give the time', async (context) => {
  const path = inputFile(
    context,
    `${HEADER}2026-11-23T20:00:00Z,contest-1,L0001,Ada,1,,,\n,contest-1,L0002,Ada,1,,,\n`,
  );
  assert.equal((await readReturnsFile(path, index, TIMES)).upload.times, 'receipt');
  const { upload } = await readReturnsFile(path, index, { ...TIMES, reported_at: 5_000 });
  assert.equal(upload.times, 'given');
  assert.deepEqual(
    upload.versions.map(({ reported_at }) => reported_at),
    [Date.parse('2026-11-23T20:00:00Z'), 5_000],
  );
});

test('a number with a fault is kept and marked', async (context) => {
  const { upload } = await read(
    context,
    `${HEADER}2026-11-23T21:06:00Z,contest-1,L0001,Ada,1,,,\n2026-11-23T20:00:00Z,contest-1,L0002,Ada,1,4,3,\n`,
  );
  assert.deepEqual(
    upload.versions.map(({ fault }) => fault),
    ['FUTURE_TIME', null, 'UNITS_ABOVE_TOTAL', 'UNITS_ABOVE_TOTAL'],
  );
});

test('a file that is not a table of returns is refused whole', async (context) => {
  await assert.rejects(read(context, 'contest,candidate,votes\na,b,1\n'), /location_id/);
  await assert.rejects(read(context, HEADER), /no row below the header/);
});
