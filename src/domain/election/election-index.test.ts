import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElection, candidatesAt } from '../../../test/support/elections.ts';
import { createVoteColumns } from '../ballots/vote-columns.ts';
import { indexElection } from './election-index.ts';

test('numbers lead back to the ids they came from', () => {
  fc.assert(
    fc.property(arbitraryElection, (election) => {
      const index = indexElection(election);
      for (const [number, { id }] of election.locations.entries()) assert.equal(index.location_numbers.get(id), number);
      for (const [number, { id, vote_for }] of election.contests.entries()) {
        assert.equal(index.contest_numbers.get(id), number);
        assert.equal(index.vote_for[number], vote_for);
      }
      for (const [number, { id, contest_id }] of election.candidates.entries()) {
        const contest = index.contest_of_candidate[number]!;
        assert.equal(election.contests[contest]!.id, contest_id);
        assert.equal(index.candidate_numbers[contest]!.get(id), number);
        assert.ok(index.first_candidate[contest]! <= number && number < index.first_candidate[contest + 1]!);
      }
    }),
  );
});

test('a location has a slot for each contest on its ballot, in order, and a cell for each candidate there', () => {
  fc.assert(
    fc.property(arbitraryElection, (election) => {
      const index = indexElection(election);
      let slot = 0;
      let cell = 0;
      for (const [location, { id }] of election.locations.entries()) {
        assert.equal(index.first_slot[location], slot);
        for (const [contest, { location_ids }] of election.contests.entries()) {
          const at = index.slot_of[location * election.contests.length + contest];
          if (location_ids !== null && !location_ids.includes(id)) {
            assert.equal(at, -1);
            continue;
          }
          assert.equal(at, slot);
          assert.equal(index.contest_of_slot[slot], contest);
          assert.equal(index.first_cell[slot], cell);
          cell += election.candidates.filter((each) => each.contest_id === election.contests[contest]!.id).length;
          slot++;
        }
        const standing = election.candidates.flatMap((_, number) =>
          index.slot_of[location * election.contests.length + index.contest_of_candidate[number]!] === -1
            ? []
            : [number],
        );
        assert.deepEqual(candidatesAt(index, location), standing);
      }
      assert.equal(index.first_slot.at(-1), slot);
      assert.equal(index.contest_of_slot.length, slot);
      assert.deepEqual([index.first_cell.at(-1), index.first_cell.length], [cell, slot + 1]);
    }),
  );
});

test('columns hold what they were made for', () => {
  const columns = createVoteColumns(3, 8);
  assert.deepEqual(
    [columns.count, columns.locations.length, columns.starts.length, columns.selections.length],
    [0, 3, 4, 8],
  );
});
