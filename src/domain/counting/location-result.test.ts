import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, tallyOf } from '../../../test/support/elections.ts';
import { onBallot, slotAt } from '../election/election-index.ts';
import type { LocationResultRecord } from '../log/records.ts';
import { applyLocationResult, locationResult } from './location-result.ts';
import { createTally } from './tally.ts';

/** As it comes out of a topic. */
const throughJson = (record: LocationResultRecord): LocationResultRecord => JSON.parse(JSON.stringify(record));

const arbitraryTally = arbitraryElectionWithBallots.map(({ index, ballots }) => ({
  index,
  tally: tallyOf(index, ballots),
}));

test('a tally comes back from its location results, in any order, over whatever the reader held before', () => {
  fc.assert(
    fc.property(arbitraryTally, fc.boolean(), fc.nat(9), ({ index, tally }, backwards, held) => {
      const records = index.election.locations.map((_, location) =>
        throughJson(locationResult(index, tally, location, 1, [3, 4])),
      );
      const read = createTally(index);
      for (const counts of [read.ballots, read.votes, read.undervotes, read.overvoted]) counts.fill(held);
      for (const record of backwards ? records.toReversed() : records) {
        assert.equal(applyLocationResult(index, read, record), index.locationNumbers.get(record.location_id));
        applyLocationResult(index, read, record);
      }
      assert.deepEqual(read, tally);
    }),
  );
});

test('a record carries its epoch, what it covers and every candidate of its location', () => {
  fc.assert(
    fc.property(arbitraryTally, ({ index, tally }) => {
      const record = throughJson(locationResult(index, tally, 0, 7, [1, 2, 3]));
      assert.deepEqual([record.epoch, record.covers], [7, [1, 2, 3]]);
      assert.equal(record.location_id, index.election.locations[0]!.id);
      const listed = Object.entries(record.contests).flatMap(([contest, { votes }]) =>
        Object.keys(votes).map((candidate) => JSON.stringify([contest, candidate])),
      );
      const standing = index.election.candidates
        .filter((_, number) => onBallot(index, 0, number))
        .map((candidate) => JSON.stringify([candidate.contest_id, candidate.id]));
      assert.deepEqual(listed.toSorted(), standing.toSorted());
    }),
  );
});

test('a record that the definition does not know changes nothing', () => {
  fc.assert(
    fc.property(arbitraryTally, ({ index, tally }) => {
      const before = structuredClone(tally);
      const record = throughJson(locationResult(index, tally, 0, 1, []));
      const strange = { votes: {}, undervotes: 5, overvoted_ballots: 5 };
      const [contest, slot] = Object.entries(record.contests)[0] ?? [null, strange];
      const wrong: LocationResultRecord[] = [
        { ...record, ballots_cast: 99, location_id: 'elsewhere' },
        { ...record, ballots_cast: 99, contests: { ...record.contests, 'no such contest': strange } },
      ];
      if (contest !== null) {
        const contests = { [contest]: { ...slot, undervotes: 99, votes: { ...slot.votes, nobody: 1 } } };
        wrong.push({ ...record, ballots_cast: 99, contests });
      }
      const elsewhere = index.election.contests.find((_, number) => slotAt(index, 0, number) === -1);
      if (elsewhere !== undefined) wrong.push({ ...record, ballots_cast: 99, contests: { [elsewhere.id]: strange } });
      for (const each of wrong) assert.equal(applyLocationResult(index, tally, each), -1);
      assert.deepEqual(tally, before);
    }),
  );
});
