import { assert } from '../assert.ts';
import type { Contest, Election } from './election.ts';

/**
 * An election compiled to numbers for the loops that touch every vote. A location, contest or candidate number is its
 * place in the definition; numbers are valid only together with that definition's hash. A *slot* is one contest on the
 * ballot of one location; a *cell* is one candidate in a slot, and the cells of a slot are contiguous.
 */
export interface ElectionIndex {
  readonly election: Election;
  readonly location_numbers: ReadonlyMap<string, number>;
  readonly contest_numbers: ReadonlyMap<string, number>;
  /** `candidate_numbers[contest].get(candidate id)` is the candidate's number. */
  readonly candidate_numbers: readonly ReadonlyMap<string, number>[];
  readonly contest_of_candidate: Int32Array;
  /** The number of the first candidate of each contest, and one past the last at the end. */
  readonly first_candidate: Int32Array;
  readonly vote_for: Int32Array;
  /** `slot_of[location * contests + contest]`, or -1 where the contest is not on that ballot. */
  readonly slot_of: Int32Array;
  /** The slots of location `l` are `first_slot[l]` to `first_slot[l + 1] - 1`, in the order of contests. */
  readonly first_slot: Int32Array;
  readonly contest_of_slot: Int32Array;
  /** The cells of slot `s` begin at `first_cell[s]`; one past the last cell of all at the end. */
  readonly first_cell: Int32Array;
}

/** `slot_of` is dense, 4 bytes a pair: 3,000 locations with 300 contests are 3.6 MB, this limit is 64 MB. */
const LOCATION_CONTEST_PAIRS_MAX = 16_000_000;

/** Compiles an election that {@link checkElection} accepted. Memory: locations x contests + candidates x locations. */
export function indexElection(election: Election): ElectionIndex {
  const { contests, candidates, locations } = election;
  assert(
    contests.length * locations.length <= LOCATION_CONTEST_PAIRS_MAX,
    `contests x locations <= ${LOCATION_CONTEST_PAIRS_MAX}`,
  );
  const contest_numbers = new Map<string, number>(contests.map((contest, number) => [contest.id, number]));
  const location_numbers = new Map<string, number>(locations.map((location, number) => [location.id, number]));
  const candidate_numbers = contests.map(() => new Map<string, number>());
  const contest_of_candidate = new Int32Array(candidates.length);
  const first_candidate = new Int32Array(contests.length + 1).fill(candidates.length);
  for (let number = candidates.length - 1; number >= 0; number--) {
    const candidate = candidates[number]!;
    const contest = contest_numbers.get(candidate.contest_id)!;
    contest_of_candidate[number] = contest;
    first_candidate[contest] = number;
    candidate_numbers[contest]!.set(candidate.id, number);
  }
  return {
    election,
    location_numbers,
    contest_numbers,
    candidate_numbers,
    contest_of_candidate,
    first_candidate,
    vote_for: Int32Array.from(contests, (contest) => contest.vote_for),
    ...layOutSlots(contests, locations.length, location_numbers, first_candidate),
  };
}

function layOutSlots(
  contests: readonly Contest[],
  locationCount: number,
  locationNumbers: ReadonlyMap<string, number>,
  firstCandidate: Int32Array,
): Pick<ElectionIndex, 'slot_of' | 'first_slot' | 'contest_of_slot' | 'first_cell'> {
  const slot_of = new Int32Array(locationCount * contests.length).fill(-1);
  for (const [contest, { location_ids }] of contests.entries()) {
    if (location_ids === null) for (let at = contest; at < slot_of.length; at += contests.length) slot_of[at] = 0;
    else for (const id of location_ids) slot_of[locationNumbers.get(id)! * contests.length + contest] = 0;
  }
  const first_slot = new Int32Array(locationCount + 1);
  const contest_of_slot: number[] = [];
  const first_cell: number[] = [0];
  for (let location = 0; location < locationCount; location++) {
    first_slot[location] = contest_of_slot.length;
    for (let contest = 0; contest < contests.length; contest++) {
      const at = location * contests.length + contest;
      if (slot_of[at] === -1) continue;
      slot_of[at] = contest_of_slot.length;
      contest_of_slot.push(contest);
      first_cell.push(first_cell.at(-1)! + firstCandidate[contest + 1]! - firstCandidate[contest]!);
    }
  }
  first_slot[locationCount] = contest_of_slot.length;
  return {
    slot_of,
    first_slot,
    contest_of_slot: Int32Array.from(contest_of_slot),
    first_cell: Int32Array.from(first_cell),
  };
}
