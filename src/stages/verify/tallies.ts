import { createTally, type Tally } from '../../domain/counting/tally.ts';
import { isCount, sumOf } from '../../domain/counts.ts';
import {
  cellCandidate,
  cellsOf,
  type ElectionIndex,
  slotContest,
  slotsOf,
} from '../../domain/election/election-index.ts';
import { type Check, check, DIFFERENCES_SHOWN_MAX } from './check.ts';

/** Compares two tallies, count by count. */
export function compareTallies(index: ElectionIndex, name: string, left: Tally, right: Tally): Check {
  const differences: string[] = [];
  for (const [location, { id }] of index.election.locations.entries()) {
    const compare = (counts: Exclude<keyof Tally, 'units'>, at: number, what: string): void => {
      const [a, b] = [left[counts][at], right[counts][at]];
      if (!Object.is(a, b) && differences.length < DIFFERENCES_SHOWN_MAX)
        differences.push(`${id}, ${what}: ${a} and ${b}`);
    };
    compare('ballots', location, 'ballots');
    for (const slot of slotsOf(index, location)) {
      const contest = slotContest(index, slot).id;
      compare('undervotes', slot, `undervotes in ${contest}`);
      compare('overvoted', slot, `overvoted ballots in ${contest}`);
      for (const cell of cellsOf(index, slot)) compare('votes', cell, cellCandidate(index, slot, cell).id);
    }
  }
  return check(name, sumOf(left.ballots.filter(isCount)), sumOf(right.ballots.filter(isCount)), differences);
}

/** The counts of both together. */
export function addTallies(index: ElectionIndex, left: Tally, right: Tally): Tally {
  const sum = createTally(index);
  for (const counts of ['ballots', 'votes', 'undervotes', 'overvoted'] as const)
    for (let i = 0; i < sum[counts].length; i++) sum[counts][i] = left[counts][i]! + right[counts][i]!;
  return sum;
}
