import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, tallyOf } from '../../../test/support/elections.ts';
import type { ResultMoment } from './results.ts';
import { applyDelta, resultPlaces, resultsDelta } from './results-delta.ts';
import { createRunningResults, updateResults } from './running-results.ts';

const MOMENT: ResultMoment = { status: 'unofficial-partial', as_of: '2026-11-23T20:00:00.000Z', sequence: 1 };

test('a document and the delta to a later one give the later one, also through JSON and applied twice', () => {
  fc.assert(
    fc.property(arbitraryElectionWithBallots, ({ index, ballots }) => {
      const running = createRunningResults(index, { ...MOMENT, status: 'pre-election', sequence: 0 });
      const before = running.results;
      const after = updateResults(running, tallyOf(index, ballots), index.election.locations.keys(), MOMENT);
      const changed = {
        contests: after.contests.filter((contest, i) => contest !== before.contests[i]),
        locations: after.locations.filter((location, i) => location !== before.locations[i]),
      };
      const delta = JSON.parse(JSON.stringify(resultsDelta(after, changed, 'tag')));
      const places = resultPlaces(before);
      const applied = applyDelta(before, places, delta);
      assert.deepEqual(applied, after);
      assert.deepEqual(applyDelta(applied, places, delta), after);
    }),
  );
});
