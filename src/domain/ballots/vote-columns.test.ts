import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVoteColumns } from './vote-columns.ts';

test('columns hold what they were made for', () => {
  const columns = createVoteColumns(3, 8);
  assert.deepEqual(
    [columns.count, columns.locations.length, columns.starts.length, columns.selections.length],
    [0, 3, 4, 8],
  );
});
