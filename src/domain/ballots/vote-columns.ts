/**
 * A cast vote has at most this many selections, overvotes among them (docs/inputs.md). No ballot
 * paper has as many marks, and the columns of a box stay small.
 */
export const SELECTIONS_PER_VOTE_MAX = 200;

/**
 * Votes in columns, `count` of them. Vote `i` was cast in location number `locations[i]`. Its
 * candidate numbers are `selections[starts[i]]` to `selections[starts[i + 1] - 1]`, ascending (so
 * grouped by contest) and without repeats. The arrays may be longer than used: they are scratch
 * space that a loop fills again for each batch.
 */
export interface VoteColumns {
  count: number;
  locations: Int32Array;
  starts: Int32Array;
  selections: Int32Array;
}

export function createVoteColumns(votes: number, selections: number): VoteColumns {
  return {
    count: 0,
    locations: new Int32Array(votes),
    starts: new Int32Array(votes + 1),
    selections: new Int32Array(selections),
  };
}
