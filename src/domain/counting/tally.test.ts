import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, type Ballot, tallyOf } from '../../../test/support/elections.ts';
import { cellsOf, type ElectionIndex, slotsOf } from '../election/election-index.ts';
import { candidateTotals, createTally, deriveUndervotes, type Tally, unbalancedSlots } from './tally.ts';

/**
 * The rules as plainly as they can be said, from ids and without the index's layout of slots and
 * cells.
 */
function countPlainly(index: ElectionIndex, ballots: readonly Ballot[]) {
  const { contests, candidates, locations } = index.election;
  return locations.map(({ id }, location) => {
    const here = ballots.filter((ballot) => ballot.location === location);
    const on = contests.filter(({ location_ids }) => location_ids === null || location_ids.includes(id));
    return {
      ballots: here.length,
      contests: on.map((contest) => {
        const marked = here.map(({ selections }) =>
          selections.map((number) => candidates[number]!).filter((candidate) => candidate.contest_id === contest.id),
        );
        const valid = marked.filter((selected) => selected.length <= contest.vote_for);
        return {
          votes: candidates
            .filter((candidate) => candidate.contest_id === contest.id)
            .map((candidate) => valid.filter((selected) => selected.includes(candidate)).length),
          undervotes: valid.reduce((sum, selected) => sum + contest.vote_for - selected.length, 0),
          overvoted: marked.length - valid.length,
        };
      }),
    };
  });
}

/** A tally in the shape of {@link countPlainly}. */
function describe(index: ElectionIndex, tally: Tally) {
  return index.election.locations.map((_, location) => ({
    ballots: tally.ballots[location],
    contests: slotsOf(index, location).map((slot) => ({
      votes: cellsOf(index, slot).map((cell) => tally.votes[cell]),
      undervotes: tally.undervotes[slot],
      overvoted: tally.overvoted[slot],
    })),
  }));
}

test('counts by the rules: votes, undervotes, and an overvoted contest for nobody', () => {
  fc.assert(
    fc.property(arbitraryElectionWithBallots, ({ index, ballots }) => {
      assert.deepEqual(describe(index, tallyOf(index, ballots)), countPlainly(index, ballots));
    }),
  );
});

test('the order of votes never changes a tally', () => {
  fc.assert(
    fc.property(
      arbitraryElectionWithBallots.chain(({ index, ballots }) =>
        fc.record({
          index: fc.constant(index),
          ballots: fc.constant(ballots),
          shuffled: fc.shuffledSubarray(ballots, { minLength: ballots.length }),
        }),
      ),
      ({ index, ballots, shuffled }) => assert.deepEqual(tallyOf(index, shuffled), tallyOf(index, ballots)),
    ),
  );
});

test('batches never change a tally, nor do partitions that are counted apart and added', () => {
  fc.assert(
    fc.property(
      arbitraryElectionWithBallots,
      fc.integer({ min: 1, max: 7 }),
      fc.infiniteStream(fc.nat(3)),
      ({ index, ballots }, batch, partitionOf) => {
        const whole = tallyOf(index, ballots);
        const batched = createTally(index);
        for (let from = 0; from < ballots.length; from += batch)
          tallyOf(index, ballots.slice(from, from + batch), batched);
        assert.deepEqual(batched, whole);

        const partitions: Ballot[][] = [[], [], [], []];
        for (const ballot of ballots) partitions[partitionOf.next().value!]!.push(ballot);
        const sum = createTally(index);
        for (const part of partitions.map((each) => tallyOf(index, each)))
          for (const field of ['ballots', 'votes', 'undervotes', 'overvoted'] as const)
            for (const [i, n] of part[field].entries()) sum[field][i]! += n;
        assert.deepEqual(sum, whole);
      },
    ),
  );
});

test('the accounting law holds after any ballots, and any single change of a count breaks it', () => {
  fc.assert(
    fc.property(arbitraryElectionWithBallots, fc.nat(), ({ index, ballots }, which) => {
      const tally = tallyOf(index, ballots);
      assert.deepEqual(unbalancedSlots(index, tally), []);
      if (index.slotCount === 0) return;
      const slot = which % index.slotCount;
      for (const change of [
        () => tally.undervotes[slot]!++,
        () => tally.overvoted[slot]!--,
        () => tally.votes[cellsOf(index, slot)[0]!]!++,
      ]) {
        const before = copyOf(tally);
        change();
        assert.deepEqual(unbalancedSlots(index, tally), [slot]);
        for (const field of ['votes', 'undervotes', 'overvoted'] as const) tally[field].set(before[field]);
      }
      const location = index.election.locations.findIndex((_, number) => slotsOf(index, number).includes(slot));
      tally.ballots[location]!++;
      assert.ok(unbalancedSlots(index, tally).includes(slot));
    }),
  );
});

test('the law gives undervotes back from the other counts, and finds the slots where there are too many votes', () => {
  fc.assert(
    fc.property(arbitraryElectionWithBallots, fc.nat(), ({ index, ballots }, which) => {
      const tally = tallyOf(index, ballots);
      const derived = copyOf(tally);
      derived.undervotes.fill(-7);
      assert.deepEqual(deriveUndervotes(index, derived, index.election.locations.keys()), []);
      assert.deepEqual(derived, tally);
      if (index.slotCount === 0) return;
      const slot = which % index.slotCount;
      derived.votes[cellsOf(index, slot)[0]!]! += tally.undervotes[slot]! + 1;
      assert.deepEqual(deriveUndervotes(index, derived, index.election.locations.keys()), [slot]);
      assert.equal(derived.undervotes[slot], -1);
    }),
  );
});

test('the totals of candidates are their valid votes, wherever they were cast', () => {
  fc.assert(
    fc.property(arbitraryElectionWithBallots, ({ index, ballots }) => {
      const { contests, candidates } = index.election;
      const totals = candidateTotals(index, tallyOf(index, ballots));
      for (const [number, { contest_id }] of candidates.entries()) {
        const { vote_for } = contests.find(({ id }) => id === contest_id)!;
        const valid = ballots.filter(
          ({ selections }) =>
            selections.filter((each) => candidates[each]!.contest_id === contest_id).length <= vote_for,
        );
        assert.equal(totals[number], valid.filter(({ selections }) => selections.includes(number)).length);
      }
    }),
  );
});

const copyOf = (tally: Tally): Tally => ({
  ballots: tally.ballots.slice(),
  votes: tally.votes.slice(),
  undervotes: tally.undervotes.slice(),
  overvoted: tally.overvoted.slice(),
  units: null,
});
