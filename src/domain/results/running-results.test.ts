import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, tallyOf } from '../../../test/support/elections.ts';
import { testElection } from '../../../test/support/test-count.ts';
import { createTally } from '../counting/tally.ts';
import type { Candidate, Election } from '../election/election.ts';
import { candidateNumber, indexElection } from '../election/election-index.ts';
import type { ResultMoment } from './results.ts';
import { buildResults, createRunningResults, updateResults } from './running-results.ts';

const PARTIAL: ResultMoment = { status: 'unofficial-partial', as_of: '2026-11-23T20:00:00.000Z', sequence: 7 };
const COMPLETE: ResultMoment = { ...PARTIAL, status: 'unofficial-complete' };

/** One letter a candidate: l leads, e elected, b both, - neither. */
const letters = (ranks: readonly { leading: boolean; elected: boolean }[]): string =>
  ranks.map(({ leading, elected }) => (leading && elected ? 'b' : leading ? 'l' : elected ? 'e' : '-')).join('');

describe('the document', () => {
  test('before any vote everything is there, at zero, and no share is invented', () => {
    const { results } = createRunningResults(indexElection(testElection()), {
      ...PARTIAL,
      status: 'pre-election',
      sequence: 0,
    });
    assert.deepEqual(Object.keys(results), [
      'election',
      'as_of',
      'sequence',
      'sequence_of',
      'is_counted',
      'held',
      'totals',
      'contests',
      'locations',
    ]);
    assert.deepEqual(results.totals, {
      registered_voters: 3_000,
      ballots_cast: 0,
      turnout: 0,
      candidates: 3,
      locations: 3,
      locations_reporting: 0,
    });
    assert.deepEqual(results.contests[0]?.candidates[0], {
      id: 'Ada',
      name: 'Ada',
      party: 'Ada party',
      votes: 0,
      share: null,
      leading: false,
      elected: false,
    });
    assert.deepEqual(results.locations[0], {
      id: 'L0001',
      name: 'Ward 1',
      parent_id: 'city',
      type: 'ward',
      registered_voters: 1_000,
      ballots_cast: 0,
      turnout: 0,
      votes: { 'contest-1': { Ada: 0, Ben: 0, Cleo: 0 } },
      units: null,
    });
  });

  test('an overvoted ballot counts, its votes do not', () => {
    const index = indexElection(testElection());
    const ballots = [
      { location: 0, selections: [0, 1] },
      { location: 0, selections: [1] },
    ];
    const { totals, contests } = buildResults(index, tallyOf(index, ballots), PARTIAL);
    assert.equal(totals.ballots_cast, 2);
    assert.deepEqual([contests[0]?.votes_counted, contests[0]?.undervotes], [1, 0]);
    assert.deepEqual(
      contests[0]?.candidates.map(({ votes, share }) => [votes, share]),
      [
        [0, 0],
        [1, 1],
        [0, 0],
      ],
    );
  });

  test('turnout above 1 is shown; one unknown electorate makes the total unknown, not the others', () => {
    const election = testElection({ locations: 2, registered_voters: 1 });
    const ballots = [
      { location: 0, selections: [] },
      { location: 0, selections: [0] },
    ];
    const index = indexElection(election);
    assert.equal(buildResults(index, tallyOf(index, ballots), PARTIAL).locations[0]?.turnout, 2);
    const [first, second] = election.locations;
    const unknown = indexElection({ ...election, locations: [first!, { ...second!, registered_voters: null }] });
    const results = buildResults(unknown, tallyOf(unknown, ballots), PARTIAL);
    assert.deepEqual([results.totals.registered_voters, results.totals.turnout], [null, null]);
    assert.deepEqual(
      results.locations.map(({ turnout }) => turnout),
      [2, null],
    );
  });

  test('the leader changes, and is elected when all votes are counted', () => {
    const index = indexElection(testElection());
    const running = createRunningResults(index, PARTIAL);
    const tally = tallyOf(index, [{ location: 0, selections: [0] }]);
    assert.equal(letters(updateResults(running, tally, [0], PARTIAL).contests[0]!.candidates), 'l--');
    tallyOf(
      index,
      [
        { location: 1, selections: [2] },
        { location: 1, selections: [2] },
      ],
      tally,
    );
    assert.equal(letters(updateResults(running, tally, [1], PARTIAL).contests[0]!.candidates), '--l');
    assert.equal(letters(updateResults(running, tally, [], COMPLETE).contests[0]!.candidates), '--b');
  });

  test('what did not change stays the same object', () => {
    const index = indexElection(testElection({ contests: [['Ada'], ['Ben']] }));
    const running = createRunningResults(index, PARTIAL);
    const before = running.results;
    const after = updateResults(running, tallyOf(index, [{ location: 1, selections: [0] }]), [0, 1, 2], PARTIAL);
    assert.deepEqual(
      after.locations.map((location, i) => location === before.locations[i]),
      [true, false, true],
    );
    const again = updateResults(running, running.counted, [0, 1, 2], PARTIAL);
    assert.ok(again.contests.every((contest, i) => contest === after.contests[i]));
    assert.ok(again.locations.every((location, i) => location === after.locations[i]));
  });
});

describe('laws', () => {
  test('results that follow a tally are those built at once, however the updates are cut and ordered', () => {
    const cuts = fc.array(fc.tuple(fc.nat(60), fc.boolean()), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(arbitraryElectionWithBallots, cuts, ({ index, ballots }, parts) => {
        const running = createRunningResults(index, PARTIAL);
        const tally = createTally(index);
        const everywhere = [...index.election.locations.keys()];
        let done = 0;
        for (const [size, isTurned] of [...parts, [ballots.length, false] as const]) {
          tallyOf(index, ballots.slice(done, done + size), tally);
          done += size;
          updateResults(running, tally, isTurned ? everywhere.toReversed() : everywhere, PARTIAL);
        }
        assert.deepEqual(running.results, buildResults(index, tally, PARTIAL));
      }),
    );
  });

  test('the order of candidates changes no total and no rank', () => {
    const byId = (election: Election, ballots: readonly (readonly [number, string])[]) => {
      const index = indexElection(election);
      const numbered = ballots.map(([location, id]) => ({
        location,
        selections: [candidateNumber(index, 0, id)],
      }));
      const { totals, contests } = buildResults(index, tallyOf(index, numbered), COMPLETE);
      const sorted = contests[0]!.candidates.toSorted((left, right) => (left.id < right.id ? -1 : 1));
      return { totals, sorted, votes: contests[0]!.votes_counted };
    };
    const names = ['Ada', 'Ben', 'Cleo', 'Dan'];
    const election = testElection({ contests: [names] });
    const ballot = fc.tuple(fc.nat(2), fc.constantFrom(...names));
    const orders = fc.shuffledSubarray([...election.candidates], { minLength: names.length });
    fc.assert(
      fc.property(fc.array(ballot), orders, (ballots, candidates: Candidate[]) => {
        assert.deepEqual(byId({ ...election, candidates }, ballots), byId(election, ballots));
      }),
    );
  });

  test('locations and contests add up', () => {
    fc.assert(
      fc.property(arbitraryElectionWithBallots, ({ index, ballots }) => {
        const { totals, contests, locations } = buildResults(index, tallyOf(index, ballots), PARTIAL);
        assert.equal(totals.ballots_cast, ballots.length);
        assert.equal(totals.locations_reporting, new Set(ballots.map(({ location }) => location)).size);
        for (const contest of contests)
          for (const candidate of contest.candidates) {
            const here = locations.map(({ votes }) => Object.entries(votes).find(([id]) => id === contest.id)?.[1]);
            const sum = here.reduce((total, cells) => total + (cells?.[candidate.id] ?? 0), 0);
            assert.equal(sum, candidate.votes);
          }
      }),
    );
  });
});
