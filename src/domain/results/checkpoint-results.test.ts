import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testElection } from '../../../test/support/test-count.ts';
import { sha256 } from '../../base/sha256.ts';
import { locationResult } from '../counting/location-result.ts';
import { createTally } from '../counting/tally.ts';
import type { ElectionSource } from '../election/election.ts';
import { indexElection } from '../election/election-index.ts';
import { LOCATION_KEY_PREFIX } from '../log/records.ts';
import { CheckpointResults } from './checkpoint-results.ts';

/** The fault of a location's record with these counts taken out. */
function damageOf(source: ElectionSource, unknown: RegExp): string | null {
  const index = indexElection({ ...testElection(), source });
  const value = JSON.stringify(locationResult(index, createTally(index), 0, 1, [0])).replace(unknown, '$1null');
  const results = new CheckpointResults({ index, definition: 'd', partitions: 1, sha256 });
  const key = LOCATION_KEY_PREFIX + index.election.locations[0]!.id;
  const [taken] = [...results.take([{ offset: 0, key, value }])];
  return taken!.damage;
}

test('a count that is not stated is damage in an election of ballots, and ordinary in one of returns', () => {
  for (const unknown of [/("ballots_cast":)0/, /("undervotes":)0/, /("overvoted_ballots":)0/]) {
    assert.equal(damageOf('ballots', unknown), 'cannot be read');
    assert.equal(damageOf('returns', unknown), null);
  }
  assert.equal(damageOf('ballots', /(nothing)/), null);
});
