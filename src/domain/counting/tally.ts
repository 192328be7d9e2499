import type { VoteColumns } from '../ballots/vote-columns.ts';
import { candidateAt, cellsOf, type ElectionIndex, slotsOf, sumCells, voteForAt } from '../election/election-index.ts';

/**
 * Counts of an election by location, laid out by an {@link ElectionIndex}. They are whole numbers
 * held in doubles, exact to 2^53. NaN stands for a count that nobody has stated: official returns
 * may have votes and no ballots. A sum over it is NaN, so it never looks like a number.
 */
export interface Tally {
  /** Ballots cast, by location number. */
  readonly ballots: Float64Array;
  /** Votes, by cell. */
  readonly votes: Float64Array;
  /** Selections that ballots could have made in a contest and did not, by slot. */
  readonly undervotes: Float64Array;
  /**
   * Ballots with more selections than `vote_for`, by slot. Such a ballot counts; its selections in
   * that contest do not.
   */
  readonly overvoted: Float64Array;
  /** The reporting units below each location, by slot; null where ballots are counted. */
  readonly units: Units | null;
}

/** Of the units that a location is counted from, such as precincts: those counted, and all. */
export interface Units {
  readonly reporting: Float64Array;
  readonly total: Float64Array;
}

/** A count as documents and records have it: null where it is unknown. */
export const knownCount = (count: number): number | null => (Number.isNaN(count) ? null : count);

/** Undoes {@link knownCount}. */
export const countOrUnknown = (count: number | null): number => count ?? Number.NaN;

export function createTally(index: ElectionIndex): Tally {
  const isReturns = index.election.source === 'returns';
  const counts = (length: number): Float64Array =>
    isReturns ? new Float64Array(length).fill(Number.NaN) : new Float64Array(length);
  return {
    ballots: counts(index.election.locations.length),
    votes: new Float64Array(index.cellCount),
    undervotes: counts(index.slotCount),
    overvoted: counts(index.slotCount),
    units: isReturns ? { reporting: counts(index.slotCount), total: counts(index.slotCount) } : null,
  };
}

/**
 * Adds vote `i` of the columns. The columns must hold only candidates of contests on that
 * location's ballot.
 */
export function countVote(index: ElectionIndex, tally: Tally, votes: VoteColumns, i: number): void {
  const location = votes.locations[i]!;
  const contests = index.voteFor.length;
  tally.ballots[location]!++;
  for (let slot = index.firstSlot[location]!; slot < index.firstSlot[location + 1]!; slot++)
    tally.undervotes[slot]! += voteForAt(index, slot);
  const end = votes.starts[i + 1]!;
  for (let at = votes.starts[i]!; at < end; ) {
    const contest = index.contestOfCandidate[votes.selections[at]!]!;
    const first = at;
    while (at < end && index.contestOfCandidate[votes.selections[at]!] === contest) at++;
    const slot = index.slotOf[location * contests + contest]!;
    const voteFor = index.voteFor[contest]!;
    if (at - first > voteFor) {
      tally.overvoted[slot]!++;
      tally.undervotes[slot]! -= voteFor;
      continue;
    }
    tally.undervotes[slot]! -= at - first;
    const offset = index.firstCell[slot]! - index.firstCandidate[contest]!;
    for (let s = first; s < at; s++) tally.votes[offset + votes.selections[s]!]!++;
  }
}

/**
 * The law every published state keeps, in each contest and location where it is valid:
 * votes + undervotes + vote_for x overvoted ballots = vote_for x ballots. It says nothing of counts
 * that are unknown.
 * @returns the slots that break it; none in a sound state.
 */
export function unbalancedSlots(index: ElectionIndex, tally: Tally): number[] {
  const unbalanced: number[] = [];
  // Every published state is checked whole, so this is a plain loop.
  for (let location = 0; location < tally.ballots.length; location++)
    for (let slot = index.firstSlot[location]!; slot < index.firstSlot[location + 1]!; slot++) {
      const lawful = lawfulUndervotes(index, tally, location, slot);
      // Neither holds where one of them is unknown.
      if (tally.undervotes[slot]! < lawful || tally.undervotes[slot]! > lawful) unbalanced.push(slot);
    }
  return unbalanced;
}

/**
 * Sets the undervotes of these locations to the number that the law requires, from their other
 * counts.
 * @returns the slots where it is below 0: they hold more votes than their ballots can.
 */
export function deriveUndervotes(index: ElectionIndex, tally: Tally, locations: Iterable<number>): number[] {
  const negative: number[] = [];
  for (const location of locations)
    for (const slot of slotsOf(index, location)) {
      const undervotes = lawfulUndervotes(index, tally, location, slot);
      tally.undervotes[slot] = undervotes;
      if (undervotes < 0) negative.push(slot);
    }
  return negative;
}

const lawfulUndervotes = (index: ElectionIndex, tally: Tally, location: number, slot: number): number =>
  voteForAt(index, slot) * (tally.ballots[location]! - tally.overvoted[slot]!) - sumCells(index, tally.votes, slot);

/** The votes of each candidate in all locations together, by candidate number. */
export function candidateTotals(index: ElectionIndex, tally: Tally): Float64Array {
  const totals = new Float64Array(index.election.candidates.length);
  for (let slot = 0; slot < index.slotCount; slot++)
    for (const cell of cellsOf(index, slot)) totals[candidateAt(index, slot, cell)]! += tally.votes[cell]!;
  return totals;
}

/**
 * Takes one count over from newer counts and adds the difference to a total. Totals that follow a
 * tally this way cost the counts that changed, never all of them.
 * @returns whether the count differed.
 */
export function carryOver(
  newer: Float64Array,
  known: Float64Array,
  at: number,
  totals: Float64Array,
  total: number,
): boolean {
  const [was, is] = [known[at]!, newer[at]!];
  if (Object.is(was, is)) return false;
  known[at] = is;
  // An unknown count, NaN, is nothing in a sum.
  totals[total]! += (is || 0) - (was || 0);
  return true;
}
