import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElection, candidatesAt } from '../../../test/support/elections.ts';
import { countVote, createTally, type Tally, unbalancedSlots } from '../counting/tally.ts';
import type { ElectionId } from '../election/election.ts';
import { type ElectionIndex, indexElection } from '../election/election-index.ts';
import { generateElection } from '../generated/generated-election.ts';
import type { Chooser } from './chooser.ts';
import { createSimulation, simulatedBallots } from './simulate.ts';
import { createVoteColumns } from './vote-columns.ts';

function castAll(index: ElectionIndex, chooser: Chooser, voters: ArrayLike<number>): Tally {
  const tally = createTally(index);
  const votes = createVoteColumns(1, chooser.selectionsMax);
  votes.count = 1;
  for (let location = 0; location < voters.length; location++)
    for (let place = 0; place < voters[location]!; place++) {
      const written = chooser.choose(location, place, votes.selections, 0);
      if (written === -1) continue;
      votes.locations[0] = location;
      votes.starts[1] = written;
      countVote(index, tally, votes, 0);
    }
  return tally;
}

test('turnout is exact, ballots are valid, ascending and the same each time', () => {
  fc.assert(
    fc.property(
      arbitraryElection,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.string(),
      (election, turnout, seed) => {
        const index = indexElection(election);
        const voters = election.locations.map((location) => location.registered_voters ?? 7);
        const chooser = createSimulation(index, voters, turnout, seed);
        const again = createSimulation(index, voters, turnout, seed);
        const out = new Int32Array(chooser.selectionsMax + 2).fill(-7);
        const ballots = voters.map(() => 0);
        for (let location = 0; location < voters.length; location++) {
          const standing = new Set(candidatesAt(index, location));
          for (let place = voters[location]! - 1; place >= 0; place--) {
            const written = chooser.choose(location, place, out, 1);
            if (written !== -1) ballots[location]!++;
            assert.ok(written <= chooser.selectionsMax);
            const selections = out.slice(1, 1 + written);
            for (const [i, candidate] of selections.entries())
              assert.ok(standing.has(candidate) && (i === 0 || selections[i - 1]! < candidate));
            for (const [contest, { vote_for }] of election.contests.entries())
              assert.ok(selections.filter((each) => index.contestOfCandidate[each] === contest).length <= vote_for);
            assert.equal(again.choose(location, place, out, 1), written);
            if (written > 0) assert.deepEqual(out.slice(1, 1 + written), selections);
          }
          assert.equal(chooser.choose(location, voters[location]!, out, 1), -1);
        }
        assert.equal(out[0], -7);
        assert.deepEqual(ballots, [...simulatedBallots(voters, turnout)]);
        const total = voters.reduce((sum, voter) => sum + voter, 0);
        assert.equal(
          ballots.reduce((sum, ballot) => sum + ballot, 0),
          Math.round(total * turnout),
        );
      },
    ),
  );
});

function generated(seed: string, turnout: number) {
  const election = generateElection({
    id: 'generated' as ElectionId,
    seed,
    voters: 60_000,
    candidateNames: ['Ann Archer', 'Ben Baker', 'Cat Cooper'],
  });
  const index = indexElection(election);
  const voters = election.locations.map((location) => location.registered_voters!);
  return { index, tally: castAll(index, createSimulation(index, voters, turnout, seed), voters) };
}

test('a generated election looks like one: 1 to 2 % undervotes, nobody without votes, places that differ', () => {
  const { index, tally } = generated('1', 0.7);
  const ballots = tally.ballots.reduce((sum, n) => sum + n, 0);
  const undervotes = tally.undervotes.reduce((sum, n) => sum + n, 0);
  assert.equal(ballots, 42_000);
  assert.ok(undervotes / ballots > 0.01 && undervotes / ballots < 0.02, `${undervotes}`);
  assert.deepEqual(unbalancedSlots(index, tally), []);
  const winners = new Set<number>();
  const national = [0, 0, 0];
  for (let location = 0; location < tally.ballots.length; location++) {
    const votes = tally.votes.slice(location * 3, location * 3 + 3);
    winners.add(votes.indexOf(Math.max(...votes)));
    for (const [i, n] of votes.entries()) national[i]! += n;
  }
  assert.ok(winners.size > 1, 'not every place has the same winner');
  for (const votes of national) assert.ok(votes > ballots / 10, `${national}`);
});

test('another seed is another election; a turnout of 1 is every voter', () => {
  const one = generated('1', 1).tally;
  assert.equal(
    one.ballots.reduce((sum, n) => sum + n, 0),
    60_000,
  );
  assert.notDeepEqual(one.votes, generated('2', 1).tally.votes);
  assert.deepEqual(one, generated('1', 1).tally);
});

test('who abstains does not depend on the order of registration alone', () => {
  const { index } = generated('1', 1);
  const chooser = createSimulation(index, [2_000, ...Array(index.election.locations.length - 1).fill(0)], 0.5, '1');
  const out = new Int32Array(1);
  let early = 0;
  for (let place = 0; place < 1_000; place++) if (chooser.choose(0, place, out, 0) !== -1) early++;
  assert.ok(Math.abs(early - 500) < 80, `${early}`);
});
