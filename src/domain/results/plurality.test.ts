import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rankCandidates } from './plurality.ts';

/** One letter a candidate: l leads, e elected, b both, - neither. */
const letters = (ranks: readonly { leading: boolean; elected: boolean }[]): string =>
  ranks.map(({ leading, elected }) => (leading && elected ? 'b' : leading ? 'l' : elected ? 'e' : '-')).join('');

describe('who leads and who is elected', () => {
  for (const [what, votes, aggregates, seats, isComplete, verdict] of [
    ['nobody without votes', [0, 0, 0], '---', 1, true, '---'],
    ['the most votes lead', [2, 5, 1], '---', 1, false, '-l-'],
    ['the most votes are elected once all are counted', [2, 5, 1], '---', 1, true, '-b-'],
    ['all of a tie lead, none of it is elected', [5, 5, 1], '---', 1, true, 'll-'],
    ['a tie below the seats elects those above it', [9, 5, 5], '---', 1, true, 'b--'],
    ['a tie across the last seat elects who is above it', [9, 5, 5, 1], '----', 2, true, 'b---'],
    ['a tie within the seats elects both', [5, 5, 1], '---', 2, true, 'bb-'],
    ['a single candidate with a vote', [1], '-', 1, true, 'b'],
    ['a single candidate without', [0], '-', 1, true, '-'],
    ['more seats than candidates elect all who have votes', [3, 0, 2], '---', 5, true, 'b-e'],
    ['an aggregate neither leads nor is elected', [4, 9, 3], '-a-', 1, true, 'b--'],
    ['an aggregate alone', [0, 9, 0], '-a-', 1, true, '---'],
    ['an aggregate takes no seat', [4, 9, 3], '-a-', 2, true, 'b-e'],
  ] as const)
    test(`${what}: ${verdict}`, () => {
      const isAggregate = [...aggregates].map((letter) => letter === 'a');
      assert.equal(letters(rankCandidates(votes, isAggregate, seats, isComplete)), verdict);
    });
});
