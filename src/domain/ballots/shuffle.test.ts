import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, toColumns } from '../../../test/support/elections.ts';
import { DRAWS_PER_VOTE, shuffleVotes } from './shuffle.ts';
import { createVoteColumns, type VoteColumns } from './vote-columns.ts';

function shuffled(cast: VoteColumns, accepted: ReadonlySet<number> | null): VoteColumns {
  const into = createVoteColumns(cast.count, cast.starts[cast.count]!);
  shuffleVotes(
    cast,
    accepted,
    randomFillSync(new Uint32Array(DRAWS_PER_VOTE * cast.count)),
    new Uint32Array(cast.count),
    into,
  );
  return into;
}

const described = (votes: VoteColumns, i: number): string =>
  `${votes.locations[i]} ${votes.selections.subarray(votes.starts[i]!, votes.starts[i + 1]!)}`;

test('the same votes, or those accepted, in another order', () => {
  fc.assert(
    fc.property(arbitraryElectionWithBallots, fc.option(fc.func(fc.boolean())), ({ ballots }, choose) => {
      const cast = toColumns(ballots);
      const taken = choose === null ? null : new Set(ballots.flatMap((_, i) => (choose(i) ? [i] : [])));
      const into = shuffled(cast, taken);
      const expected = ballots.flatMap((_, i) => (taken === null || taken.has(i) ? [described(cast, i)] : []));
      assert.deepEqual(Array.from({ length: into.count }, (_, i) => described(into, i)).sort(), expected.sort());
    }),
  );
});

test('every order is as likely as any other', () => {
  const cast = toColumns([0, 1, 2].map((location) => ({ location, selections: [] })));
  const seen = new Map<string, number>();
  const ROUNDS = 12_000;
  for (let round = 0; round < ROUNDS; round++) {
    const order = shuffled(cast, null).locations.join();
    seen.set(order, (seen.get(order) ?? 0) + 1);
  }
  assert.equal(seen.size, 6);
  // Ten standard deviations of a count of 2,000: wrong once in 10^22 runs where the shuffle is
  // right.
  for (const count of seen.values()) assert.ok(Math.abs(count - ROUNDS / 6) < 10 * Math.sqrt(ROUNDS / 6), `${count}`);
});

test('columns hold what they were made for', () => {
  const columns = createVoteColumns(3, 8);
  assert.deepEqual(
    [columns.count, columns.locations.length, columns.starts.length, columns.selections.length],
    [0, 3, 4, 8],
  );
});
