import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { tallyOf } from '../../../test/support/elections.ts';
import { testElection } from '../../../test/support/test-count.ts';
import { indexElection } from '../election/election-index.ts';
import type { ResultMoment } from './results.ts';
import { RESULTS_CSV_COLUMNS, resultsCsv, unguarded } from './results-csv.ts';
import { buildResults } from './running-results.ts';

const PARTIAL: ResultMoment = { status: 'unofficial-partial', as_of: '2026-11-23T20:00:00.000Z', sequence: 7 };

test('the CSV has a line a contest, location and candidate, and quotes what needs it', () => {
  const election = testElection({ contests: [['Ada "A", B', 'Ben']], locations: 1 });
  const index = indexElection(election);
  const tally = tallyOf(index, [{ location: 0, selections: [0] }]);
  assert.deepEqual(resultsCsv(election, buildResults(index, tally, PARTIAL)).split('\n'), [
    RESULTS_CSV_COLUMNS.join(','),
    'contest-1,L0001,Ward 1,city,The city,"Ada ""A"", B","Ada ""A"", B party",1',
    'contest-1,L0001,Ward 1,city,The city,Ben,Ben party,0',
    '',
  ]);
});

test('a cell that a spreadsheet would run is made safe, and read back', () => {
  const names = ['=HYPERLINK("x")', '+1', '-1', '@SUM(A1)', "'=1", "''@x", '＝1', "'tis", 'Ada'];
  const election = testElection({ contests: [names], locations: 1 });
  const index = indexElection(election);
  const lines = resultsCsv(election, buildResults(index, tallyOf(index, []), PARTIAL))
    .trimEnd()
    .split('\n')
    .slice(1);
  const cells = lines.map((line) => parse(line, { relax_column_count: true })[0]![5]!);
  for (const cell of cells) assert.doesNotMatch(cell, /^[=+\-@\t\r＝]/);
  assert.deepEqual(cells.map(unguarded), names);
  assert.deepEqual(cells.slice(-2), ["'tis", 'Ada']);
});
