import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, type Ballot, toColumns } from '../../../test/support/elections.ts';
import { BatchText } from './batch-text.ts';

function textOf(text: BatchText, ballots: readonly Ballot[]): string {
  const columns = toColumns(ballots);
  for (let i = 0; i < columns.count; i++) text.add(columns, i);
  return text.take();
}

/** The rule once more, as plainly as it can be said. */
function plainly(ballots: readonly Ballot[]): string {
  const counts = new Map<string, number>();
  for (const { location, selections } of ballots) {
    const ballot = `${location} ${selections.join(',')}`;
    counts.set(ballot, (counts.get(ballot) ?? 0) + 1);
  }
  return Array.from(counts, ([ballot, n]) => `${ballot} ${n}`)
    .sort()
    .join('\n');
}

describe('the text of a batch', () => {
  test('any order of the ballots gives the same text, and the next batch begins anew', () => {
    fc.assert(
      fc.property(arbitraryElectionWithBallots, fc.infiniteStream(fc.nat()), ({ index, ballots }, draws) => {
        const { locations, candidates } = index.election;
        const text = new BatchText(locations.length, candidates.length);
        const keyed = ballots.map((ballot) => ({ ballot, key: draws.next().value }));
        const shuffled = keyed.sort((left, right) => left.key - right.key).map(({ ballot }) => ballot);
        assert.equal(textOf(text, ballots), plainly(ballots));
        assert.equal(textOf(text, shuffled), plainly(ballots));
      }),
    );
  });

  const ballots = [
    { location: 10, selections: [] },
    { location: 1, selections: [10] },
    { location: 1, selections: [1] },
    { location: 1, selections: [1, 10] },
    { location: 2, selections: [9] },
    { location: 1, selections: [10] },
  ];
  for (const [size, locations] of [
    ['few', 11],
    ['many', 1_000_000],
  ] as const)
    test(`numbers are ordered by their characters, in an election of ${size} places`, () => {
      assert.equal(textOf(new BatchText(locations, 11), ballots), '1 1 1\n1 1,10 1\n1 10 2\n10  1\n2 9 1');
    });
});
