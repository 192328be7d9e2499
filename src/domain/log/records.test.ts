import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { candidateKey } from '../election/election.ts';
import { ballotsKey, cellKey, overvotesKey, parseMicroBatchKey, progressKey, TOTALS_KEY } from './records.ts';

test('a key of a micro-batch names what it was made of', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.string(),
      fc.string(),
      fc.nat(9_999),
      (location, contest, candidate, partition) => {
        const [location_id, contest_id, candidate_id] = [location, contest, candidate];
        assert.deepEqual(parseMicroBatchKey(ballotsKey(location)), { kind: 'ballots', location_id });
        assert.deepEqual(parseMicroBatchKey(cellKey(location, contest, candidate)), {
          kind: 'cell',
          location_id,
          contest_id,
          candidate_id,
        });
        assert.deepEqual(parseMicroBatchKey(overvotesKey(location, contest)), {
          kind: 'overvotes',
          location_id,
          contest_id,
        });
        assert.deepEqual(parseMicroBatchKey(progressKey(partition)), { kind: 'progress', partition });
        assert.deepEqual(parseMicroBatchKey(TOTALS_KEY), { kind: 'totals' });
      },
    ),
  );
});

test('other keys name nothing', () => {
  for (const key of [
    '',
    'checkpoint',
    'location:1',
    'total',
    'totals:',
    'cell:',
    'cell:["a","b"]',
    'cell:["a","b",3]',
    'cell:{"length":3}',
    'cell:["a","b","c"',
    'overvotes:["a","b","c"]',
    'progress:',
    'progress:01',
    'progress:1.5',
    'progress:9999999',
    candidateKey('a', 'b'),
  ])
    assert.equal(parseMicroBatchKey(key), null, key);
});
