import type { VoteColumns } from '../ballots/vote-columns.ts';
import type { ElectionIndex } from '../election/election-index.ts';

/** Counts of an election by location, laid out by a {@link ElectionIndex}. Counts are whole numbers held in doubles, exact to 2^53. */
export interface Tally {
  /** Ballots cast, by location number. */
  readonly ballots: Float64Array;
  /** Votes, by cell. */
  readonly votes: Float64Array;
  /** Selections that ballots could have made in a contest and did not, by slot. */
  readonly undervotes: Float64Array;
  /** Ballots with more selections than `vote_for`, by slot: such a ballot counts, that contest on it counts for nobody. */
  readonly overvoted: Float64Array;
}

export function createTally(index: ElectionIndex): Tally {
  const slots = index.contest_of_slot.length;
  return {
    ballots: new Float64Array(index.election.locations.length),
    votes: new Float64Array(index.first_cell[slots]!),
    undervotes: new Float64Array(slots),
    overvoted: new Float64Array(slots),
  };
}

/** Adds vote `i` of the columns. The columns must hold only candidates of contests on that location's ballot. */
export function countVote(index: ElectionIndex, tally: Tally, votes: VoteColumns, i: number): void {
  const location = votes.locations[i]!;
  const contests = index.vote_for.length;
  tally.ballots[location]!++;
  for (let slot = index.first_slot[location]!; slot < index.first_slot[location + 1]!; slot++)
    tally.undervotes[slot]! += index.vote_for[index.contest_of_slot[slot]!]!;
  const end = votes.starts[i + 1]!;
  for (let at = votes.starts[i]!; at < end; ) {
    const contest = index.contest_of_candidate[votes.selections[at]!]!;
    const first = at;
    while (at < end && index.contest_of_candidate[votes.selections[at]!] === contest) at++;
    const slot = index.slot_of[location * contests + contest]!;
    const voteFor = index.vote_for[contest]!;
    if (at - first > voteFor) {
      tally.overvoted[slot]!++;
      tally.undervotes[slot]! -= voteFor;
      continue;
    }
    tally.undervotes[slot]! -= at - first;
    const offset = index.first_cell[slot]! - index.first_candidate[contest]!;
    for (let s = first; s < at; s++) tally.votes[offset + votes.selections[s]!]!++;
  }
}

/**
 * The law every published state keeps, in each contest and location where it is valid:
 * votes + undervotes + vote_for x overvoted ballots = vote_for x ballots.
 * @returns the slots that break it; none in a sound state.
 */
export function unbalancedSlots(index: ElectionIndex, tally: Tally): number[] {
  const unbalanced: number[] = [];
  for (let location = 0; location < tally.ballots.length; location++)
    for (let slot = index.first_slot[location]!; slot < index.first_slot[location + 1]!; slot++) {
      const voteFor = index.vote_for[index.contest_of_slot[slot]!]!;
      let votes = 0;
      for (let cell = index.first_cell[slot]!; cell < index.first_cell[slot + 1]!; cell++) votes += tally.votes[cell]!;
      if (votes + tally.undervotes[slot]! + voteFor * tally.overvoted[slot]! !== voteFor * tally.ballots[location]!)
        unbalanced.push(slot);
    }
  return unbalanced;
}
