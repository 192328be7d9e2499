import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testElection } from '../../../test/support/test-count.ts';
import { sha256 } from '../../base/sha256.ts';
import { indexElection } from '../../domain/election/election-index.ts';
import { MicroBatchResults } from '../../domain/results/micro-batch-results.ts';
import { zeroReport } from './zero-report.ts';

test('the zero report is a whole state of nothing, for every location and candidate', () => {
  const election = testElection();
  const as_of = '2026-11-23T20:00:00.000Z';
  const definition = 'f'.repeat(64);
  const records = zeroReport({ election, revision: 3 }, { definition, partitions: 2, epoch: 1, as_of });
  const results = new MicroBatchResults({ index: indexElection(election), definition, partitions: 2, sha256 });
  const published = records.filter(({ topic }) => topic === 'results-by-location');
  const taken = [...results.take(published.map((record, offset) => ({ ...record, offset })))];
  assert.deepEqual(
    taken.filter(({ damage }) => damage !== null),
    [],
  );
  assert.deepEqual(results.judge(), {
    epoch: 1,
    offset: published.length - 1,
    covers: [0, 0],
    as_of,
    foreign_records: 0,
    held: null,
  });
  for (const { key, value } of records)
    if (!/^(ballots|progress):/.test(key)) assert.equal(JSON.parse(value).revision, 3, key);
  const count = (topic: string): number => records.filter((record) => record.topic === topic).length;
  assert.equal(count('turnout-by-location'), election.locations.length);
  assert.equal(count('votes-per-candidate'), election.candidates.length);
});
