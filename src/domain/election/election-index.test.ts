import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElection } from '../../../test/support/elections.ts';
import type { Contest, Election } from './election.ts';
import {
  candidateAt,
  candidateNumber,
  candidatesOf,
  cellAt,
  cellCandidate,
  cellsOf,
  contestAt,
  type ElectionIndex,
  indexElection,
  onBallot,
  selectionsMax,
  selectionsMaxIn,
  slotAt,
  slotContest,
  slotsOf,
  sumCells,
  voteForAt,
} from './election-index.ts';

/**
 * The ballot of a location and the candidates of a contest as plainly as they can be said, from
 * ids.
 */
const ballotOf = ({ contests }: Election, id: string): Contest[] =>
  contests.filter(({ location_ids }) => location_ids === null || location_ids.some((each) => each === id));
const standingIn = ({ candidates }: Election, { id }: Contest) =>
  candidates.filter(({ contest_id }) => contest_id === id);

const law = (name: string, check: (index: ElectionIndex, election: Election) => void): Promise<void> =>
  test(name, () => fc.assert(fc.property(arbitraryElection, (election) => check(indexElection(election), election))));

describe('numbers', () => {
  law('lead back to the ids they came from', (index, election) => {
    for (const [number, { id }] of election.locations.entries()) assert.equal(index.locationNumbers.get(id), number);
    for (const [number, { id, vote_for }] of election.contests.entries()) {
      assert.equal(index.contestNumbers.get(id), number);
      assert.equal(index.voteFor[number], vote_for);
    }
    for (const [number, { id, contest_id }] of election.candidates.entries()) {
      const contest = index.contestNumbers.get(contest_id) ?? -1;
      assert.equal(index.contestOfCandidate[number], contest);
      assert.equal(candidateNumber(index, contest, id), number);
    }
  });

  law('of the candidates of a contest follow each other', (index, election) => {
    assert.deepEqual(
      election.contests.flatMap((_, contest) => candidatesOf(index, contest)),
      [...election.candidates.keys()],
    );
    for (const [number, contest] of election.contests.entries())
      assert.deepEqual(
        candidatesOf(index, number).map((candidate) => election.candidates[candidate]),
        standingIn(election, contest),
      );
  });
});

describe('slots and cells', () => {
  law('are numbered location by location, in the order of the ballot', (index, election) => {
    const everywhere = [...election.locations.keys()];
    const slots = everywhere.flatMap((location) => slotsOf(index, location));
    assert.deepEqual(slots, [...Array(index.slotCount).keys()]);
    assert.deepEqual(
      slots.flatMap((slot) => cellsOf(index, slot)),
      [...Array(index.cellCount).keys()],
    );
    for (const [location, { id }] of election.locations.entries()) {
      const ballot = ballotOf(election, id);
      assert.deepEqual(
        slotsOf(index, location).map((slot) => slotContest(index, slot)),
        ballot,
      );
      assert.deepEqual(
        slotsOf(index, location).map((slot) => cellsOf(index, slot).map((cell) => cellCandidate(index, slot, cell))),
        ballot.map((contest) => standingIn(election, contest)),
      );
    }
  });

  law('are reached once each, and lead back', (index, election) => {
    for (const location of election.locations.keys())
      for (const slot of slotsOf(index, location)) {
        const contest = contestAt(index, slot);
        assert.equal(slotAt(index, location, contest), slot);
        assert.equal(voteForAt(index, slot), election.contests[contest]?.vote_for);
        for (const cell of cellsOf(index, slot)) {
          const candidate = candidateAt(index, slot, cell);
          assert.equal(index.contestOfCandidate[candidate], contest);
          assert.equal(cellAt(index, location, candidate), cell);
        }
      }
  });

  law('are -1 where the contest is not on the ballot, and for unknown numbers', (index, election) => {
    const [locations, contests, candidates] = [election.locations, election.contests, election.candidates];
    for (let location = -1; location <= locations.length; location++) {
      const here = locations[location];
      const ballot = here === undefined ? [] : ballotOf(election, here.id);
      for (let contest = -1; contest <= contests.length; contest++)
        assert.equal(
          slotAt(index, location, contest) !== -1,
          ballot.some((each) => each === contests[contest]),
        );
      for (let candidate = -1; candidate <= candidates.length; candidate++) {
        const isOn = ballot.some(({ id }) => id === candidates[candidate]?.contest_id);
        assert.equal(cellAt(index, location, candidate) !== -1, isOn);
        assert.equal(onBallot(index, location, candidate), isOn);
      }
    }
    for (let contest = -1; contest <= contests.length; contest++)
      assert.equal(candidateNumber(index, contest, 'no such candidate'), -1);
  });

  law('sum up', (index) => {
    const cells = Float64Array.from({ length: index.cellCount }, (_, cell) => cell + 1);
    for (let slot = 0; slot < index.slotCount; slot++)
      assert.equal(
        sumCells(index, cells, slot),
        cellsOf(index, slot).reduce((sum, cell) => sum + cell + 1, 0),
      );
  });
});

law(
  'a ballot without overvotes has at most vote_for selections in a contest, and no candidate twice',
  (index, election) => {
    const mostIn = (contest: Contest): number => Math.min(contest.vote_for, standingIn(election, contest).length);
    for (const [number, contest] of election.contests.entries())
      assert.equal(selectionsMaxIn(index, number), mostIn(contest));
    const ballots = election.locations.map(({ id }) => ballotOf(election, id));
    assert.equal(
      selectionsMax(index),
      Math.max(...ballots.map((ballot) => ballot.reduce((sum, contest) => sum + mostIn(contest), 0))),
    );
  },
);
