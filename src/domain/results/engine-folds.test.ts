import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testElection } from '../../../test/support/test-count.ts';
import { sha256 } from '../../base/sha256.ts';
import { indexElection } from '../election/election-index.ts';
import { ballotsKey, CHECKPOINT_KEY, LOCATION_KEY_PREFIX, REMOVED, TOTALS_KEY } from '../log/records.ts';
import { CheckpointResults } from './checkpoint-results.ts';
import { createPublishedResults } from './engine-folds.ts';
import { MicroBatchResults } from './micro-batch-results.ts';

const shape = { index: indexElection(testElection()), definition: 'a'.repeat(64), partitions: 1, sha256 };
const LOCATION = `${LOCATION_KEY_PREFIX}L0001`;

for (const [what, records, fold] of [
  ['no record', [], null],
  ['the in-process counter', [[LOCATION, '{}']], CheckpointResults],
  ['Spark', [[TOTALS_KEY, '{}']], MicroBatchResults],
  [
    'Spark, after a foreign record that a recount took out',
    [
      [LOCATION, '{}'],
      [TOTALS_KEY, '{}'],
      [LOCATION, REMOVED],
    ],
    MicroBatchResults,
  ],
  [
    'the in-process counter, after such a record',
    [
      [ballotsKey('L0001'), '{}'],
      [ballotsKey('L0001'), REMOVED],
      [CHECKPOINT_KEY, '{}'],
    ],
    CheckpointResults,
  ],
] as [string, [string, string][], typeof CheckpointResults | typeof MicroBatchResults | null][])
  test(`the fold of ${what}`, () => {
    const read = records.map(([key, value], offset) => ({ key, value, offset }));
    const made = createPublishedResults(read, shape);
    if (fold === null) assert.equal(made, null);
    else assert.ok(made instanceof fold);
  });
