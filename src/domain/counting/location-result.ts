import {
  candidateNumber,
  cellAt,
  type ElectionIndex,
  slotAt,
  slotContest,
  slotsOf,
} from '../election/election-index.ts';
import type { LocationResultRecord, SlotResult } from '../log/records.ts';
import { countOrUnknown, knownCount, type Tally } from './tally.ts';

/** The result of one location as topic `results-by-location` carries it. */
export function locationResult(
  index: ElectionIndex,
  tally: Tally,
  location: number,
  epoch: number,
  covers: readonly number[],
): LocationResultRecord {
  const { units } = tally;
  const slots = slotsOf(index, location).map((slot): [string, SlotResult] => [
    slotContest(index, slot).id,
    {
      votes: votesById(index, tally, slot),
      undervotes: knownCount(tally.undervotes[slot]!),
      overvoted_ballots: knownCount(tally.overvoted[slot]!),
      ...(units === null
        ? {}
        : { units: [knownCount(units.reporting[slot]!), knownCount(units.total[slot]!)] as const }),
    },
  ]);
  return {
    location_id: index.election.locations[location]!.id,
    epoch,
    covers,
    ballots_cast: knownCount(tally.ballots[location]!),
    contests: Object.fromEntries(slots),
  };
}

/**
 * The votes of a slot by candidate id, in the order of the definition. A plain loop, because each
 * state makes them anew for every changed location: a tenth of the time to make a state.
 */
export function votesById(
  { election, firstCell, firstCandidate, contestOfSlot }: ElectionIndex,
  tally: Tally,
  slot: number,
): { readonly [candidateId: string]: number } {
  const offset = firstCandidate[contestOfSlot[slot]!]! - firstCell[slot]!;
  const end = firstCell[slot + 1]!;
  const votes: [string, number][] = [];
  for (let cell = firstCell[slot]!; cell < end; cell++)
    votes.push([election.candidates[offset + cell]!.id, tally.votes[cell]!]);
  return Object.fromEntries(votes);
}

/**
 * Puts a location's absolute result into the tally, in place of the counts it held.
 * @returns the location's number, or -1 for a record of a location, contest or candidate that the
 * definition lacks. Nothing is changed then.
 */
export function applyLocationResult(index: ElectionIndex, tally: Tally, record: LocationResultRecord): number {
  const location = index.locationNumbers.get(record.location_id) ?? -1;
  if (location === -1) return -1;
  const cells: [number, number][] = [];
  const slots: [number, SlotResult][] = [];
  for (const [contestId, result] of Object.entries(record.contests)) {
    const contest = index.contestNumbers.get(contestId) ?? -1;
    const slot = slotAt(index, location, contest);
    if (slot === -1) return -1;
    slots.push([slot, result]);
    for (const [candidateId, votes] of Object.entries(result.votes)) {
      const cell = cellAt(index, location, candidateNumber(index, contest, candidateId));
      if (cell === -1) return -1;
      cells.push([cell, votes]);
    }
  }
  tally.ballots[location] = countOrUnknown(record.ballots_cast);
  for (const [cell, votes] of cells) tally.votes[cell] = votes;
  for (const [slot, result] of slots) {
    tally.undervotes[slot] = countOrUnknown(result.undervotes);
    tally.overvoted[slot] = countOrUnknown(result.overvoted_ballots);
    if (tally.units === null) continue;
    const [reporting = null, total = null] = result.units ?? [];
    tally.units.reporting[slot] = countOrUnknown(reporting);
    tally.units.total[slot] = countOrUnknown(total);
  }
  return location;
}
