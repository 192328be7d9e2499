import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, tallyOf } from '../../../test/support/elections.ts';
import { indexElection } from '../election/election-index.ts';
import type { ResultMoment } from './results.ts';
import { applyDelta, resultPlaces, resultsDelta } from './results-delta.ts';
import { createRunningResults, updateResults } from './running-results.ts';

const MOMENT: ResultMoment = { status: 'unofficial-partial', as_of: '2026-11-23T20:00:00.000Z', sequence: 1 };

test('a document and the delta to a later one give the later one, also through JSON and applied twice', () => {
  fc.assert(
    fc.property(arbitraryElectionWithBallots, fc.constantFrom('ballots', 'returns'), (made, source) => {
      const index = indexElection({ ...made.index.election, source });
      const running = createRunningResults(index, { ...MOMENT, status: 'pre-election', sequence: 0 });
      const before = running.results;
      const tally = tallyOf(index, made.ballots);
      // Units that are known, in part and not at all.
      for (let slot = 0; tally.units !== null && slot < index.slotCount; slot++) {
        tally.units.reporting[slot] = slot % 3 === 0 ? Number.NaN : slot;
        tally.units.total[slot] = slot % 4 === 0 ? Number.NaN : 2 * slot;
      }
      const after = updateResults(running, tally, index.election.locations.keys(), MOMENT);
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
