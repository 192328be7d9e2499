import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CandidateResult, ContestResult, ResultStatus } from '../../src/domain/results/results.ts';
import { formatPoints, formatShare } from './format.ts';
import { leaderSentence, marginSentence, standOut } from './leader.ts';

/** A contest with these votes; the first `elected` candidates by votes are elected. */
function contestOf(votes: Readonly<Record<string, number>>, elected = 0): ContestResult {
  const total = Object.values(votes).reduce((sum, each) => sum + each, 0);
  const inOrder = Object.values(votes).sort((left, right) => right - left);
  const candidates = Object.entries(votes).map(
    ([name, count]): CandidateResult => ({
      id: name,
      name,
      party: null,
      votes: count,
      share: total === 0 ? null : count / total,
      leading: total > 0 && count === inOrder[0],
      elected: elected > 0 && count >= inOrder[elected - 1]!,
    }),
  );
  return {
    id: 'mayor',
    name: 'Mayor',
    votes_counted: total,
    undervotes: 0,
    seats: Math.max(1, elected),
    units: null,
    candidates,
  };
}

describe('the candidates to show, and the sentence', () => {
  for (const [kind, contest, title, people, sentence] of [
    ['no votes', contestOf({ Ada: 0, Ben: 0 }), 'Leading', [], 'No votes in Mayor yet.'],
    ['one leads', contestOf({ Ada: 1, Ben: 3 }), 'Leading', ['Ben'], `Ben: ${formatShare(0.75)}.`],
    ['a tie', contestOf({ Ada: 2, Ben: 2, Cleo: 1 }), 'Tie', ['Ada', 'Ben'], 'Tie: Ada, Ben.'],
    ['elected', contestOf({ Ada: 1, Ben: 3 }, 1), 'Most votes', ['Ben'], `Ben: ${formatShare(0.75)}.`],
    [
      'two seats',
      contestOf({ Ada: 2, Ben: 5, Cleo: 3 }, 2),
      'Most votes',
      ['Ben', 'Cleo'],
      `Ben, Cleo: ${formatShare(0.5)}.`,
    ],
  ] as const)
    test(kind, () => {
      const shown = standOut(contest);
      assert.deepEqual([shown.title, shown.people.map(({ name }) => name)], [title, people]);
      assert.equal(leaderSentence(contest), sentence);
    });
});

describe('the margin of the candidate shown', () => {
  const final = ' All votes are counted; the result is not certified yet.';
  for (const [kind, contest, status, sentence] of [
    ['ahead', contestOf({ Ben: 3, Ada: 1 }), 'unofficial-partial', `2 votes ahead of Ada (${formatPoints(0.5)}).`],
    ['behind', contestOf({ Ben: 1, Ada: 3 }), 'unofficial-partial', `2 votes behind Ada (${formatPoints(0.5)}).`],
    ['alone', contestOf({ Ben: 3 }), 'unofficial-partial', 'The only candidate.'],
    [
      'all counted',
      contestOf({ Ben: 3, Ada: 1 }, 1),
      'unofficial-complete',
      `2 votes ahead of Ada (${formatPoints(0.5)}).${final}`,
    ],
    ['certified', contestOf({ Ben: 3, Ada: 1 }, 1), 'certified', `2 votes ahead of Ada (${formatPoints(0.5)}).`],
  ] as const satisfies readonly (readonly [string, ContestResult, ResultStatus, string])[])
    test(kind, () => assert.equal(marginSentence(contest.candidates[0]!, contest, status), sentence));
});
