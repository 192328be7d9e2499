import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElection } from '../../../test/support/elections.ts';
import { countVote, createTally, type Tally, unbalancedSlots } from '../counting/tally.ts';
import { type ElectionIndex, indexElection, sumCells } from '../election/election-index.ts';
import type { Chooser } from './chooser.ts';
import { createReplay, replayedBallots, replayedVoters, scaleCells } from './replay.ts';
import { createVoteColumns } from './vote-columns.ts';

/** Votes by cell for a random election: mostly few, some none, some many more than the others. */
const arbitraryResults = arbitraryElection.map(indexElection).chain((index) =>
  fc.record({
    index: fc.constant(index),
    cells: fc
      .array(fc.oneof(fc.nat(6), fc.constant(0), fc.nat(60)), {
        minLength: index.cellCount,
        maxLength: index.cellCount,
      })
      .map((votes) => Float64Array.from(votes)),
    seed: fc.string(),
    order: fc.infiniteStream(fc.nat()),
  }),
);

interface Voter {
  readonly location: number;
  readonly place: number;
}

function votersOf(sizes: Float64Array): Voter[] {
  return [...sizes].flatMap((size, location) => Array.from({ length: size }, (_, place) => ({ location, place })));
}

/** Casts and counts, checking each ballot as it is cast. */
function cast(index: ElectionIndex, chooser: Chooser, voters: readonly Voter[]): Tally {
  const tally = createTally(index);
  const votes = createVoteColumns(1, chooser.selectionsMax);
  for (const { location, place } of voters) {
    const written = chooser.choose(location, place, votes.selections, 0);
    if (written === -1) continue;
    assert.ok(written <= chooser.selectionsMax);
    for (let i = 1; i < written; i++)
      assert.ok(votes.selections[i - 1]! < votes.selections[i]!, 'ascending, no repeat');
    votes.locations[0] = location;
    votes.starts[1] = written;
    votes.count = 1;
    countVote(index, tally, votes, 0);
  }
  return tally;
}

test('all places of all locations, in any order, cast exactly the votes given and one ballot a place below N', () => {
  fc.assert(
    fc.property(arbitraryResults, ({ index, cells, seed, order }) => {
      const voters = votersOf(replayedVoters(index, cells));
      for (let i = voters.length - 1; i > 0; i--) {
        const other = order.next().value! % (i + 1);
        [voters[i], voters[other]] = [voters[other]!, voters[i]!];
      }
      const tally = cast(index, createReplay(index, cells, seed), voters);
      assert.deepEqual(tally.votes, cells);
      assert.deepEqual(tally.ballots, replayedBallots(index, cells));
      assert.ok(tally.overvoted.every((overvoted) => overvoted === 0));
      assert.deepEqual(unbalancedSlots(index, tally), []);
    }),
  );
});

/** One location, contests of (vote_for, votes by candidate). */
function oneLocation(registered: number | null, contests: readonly (readonly [number, readonly number[]])[]) {
  const index = indexElection({
    id: 'test' as never,
    name: 'Test',
    date: null,
    is_test: true,
    source: 'ballots',
    parties: [],
    parents: [],
    contests: contests.map(([vote_for], c) => ({
      id: `c${c}` as never,
      name: '',
      vote_for,
      seats: 1,
      location_ids: null,
    })),
    candidates: contests.flatMap(([, votes], c) =>
      votes.map((_, i) => ({
        id: `k${i}` as never,
        contest_id: `c${c}` as never,
        name: '',
        party_id: null,
        aggregate: false,
        biography: null,
        platform: null,
        photo: null,
      })),
    ),
    locations: [{ id: 'l' as never, name: '', type: 'county', parent_id: null, registered_voters: registered }],
  });
  return { index, cells: Float64Array.from(contests.flatMap(([, votes]) => votes)) };
}

test('ballots and voters of a location', () => {
  for (const [registered, contests, ballots, voters] of [
    [null, [[1, [3, 4]]], 7, 7],
    [10, [[1, [3, 4]]], 7, 10],
    [5, [[1, [3, 4]]], 7, 7],
    [null, [[2, [3, 4]]], 4, 4],
    [null, [[2, [1, 5]]], 5, 5],
    [null, [[3, [4, 4, 3]]], 4, 4],
    [
      null,
      [
        [1, [3, 4]],
        [1, [9]],
        [2, [1]],
      ],
      9,
      9,
    ],
    [8, [[1, [0, 0]]], 0, 8],
    [0, [[1, [0]]], 0, 0],
  ] as const) {
    const { index, cells } = oneLocation(registered, contests);
    assert.deepEqual([replayedBallots(index, cells)[0], replayedVoters(index, cells)[0]], [ballots, voters]);
  }
});

test('contests of one ballot are independent: a party line in one says nothing about the other', () => {
  const { index, cells } = oneLocation(null, [
    [1, [5_000, 5_000]],
    [1, [5_000, 5_000]],
  ]);
  const chooser = createReplay(index, cells, 'independent');
  const out = new Int32Array(2);
  const both = [0, 0, 0, 0];
  let firstHalf = 0;
  for (let place = 0; place < 10_000; place++) {
    assert.equal(chooser.choose(0, place, out, 0), 2);
    both[out[0]! * 2 + (out[1]! - 2)]!++;
    if (place < 5_000 && out[0] === 0) firstHalf++;
  }
  for (const count of [...both, firstHalf]) assert.ok(Math.abs(count - 2_500) < 150, `${both} ${firstHalf}`);
});

test('writes from the offset given and leaves the rest alone', () => {
  const { index, cells } = oneLocation(null, [[2, [2, 2]]]);
  const out = new Int32Array(6).fill(-7);
  assert.equal(createReplay(index, cells, 's').choose(0, 1, out, 3), 2);
  assert.deepEqual([...out], [-7, -7, -7, 0, 1, -7]);
});

test('a sample keeps each contest at its share to the vote, and the electorate alike', () => {
  fc.assert(
    fc.property(arbitraryResults, fc.double({ min: 0.001, max: 1, noNaN: true }), ({ index, cells }, factor) => {
      const electorate = index.election.locations.map((location) => location.registered_voters);
      const scaled = scaleCells(index, cells, electorate, factor);
      const before = totals(index, cells);
      const after = totals(index, scaled.cells);
      assert.deepEqual(
        after,
        before.map((votes) => Math.round(votes * factor)),
      );
      for (const [cell, votes] of scaled.cells.entries()) assert.ok(Math.abs(votes - cells[cell]! * factor) < 2);
      const sum = (numbers: readonly (number | null)[]) => numbers.reduce<number>((all, one) => all + (one ?? 0), 0);
      assert.equal(sum(scaled.electorate), Math.round(sum(electorate) * factor));
      for (const [location, registered] of electorate.entries())
        assert.equal(scaled.electorate[location] === null, registered === null);
    }),
  );
});

test('a scale of 1 changes nothing', () => {
  fc.assert(
    fc.property(arbitraryResults, ({ index, cells }) => {
      const electorate = index.election.locations.map((location) => location.registered_voters);
      assert.deepEqual(scaleCells(index, cells, electorate, 1), { cells, electorate });
    }),
  );
});

function totals(index: ElectionIndex, cells: Float64Array): number[] {
  const sums = index.election.contests.map(() => 0);
  for (const [slot, contest] of index.contestOfSlot.entries()) sums[contest]! += sumCells(index, cells, slot);
  return sums;
}
