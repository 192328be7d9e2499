import { assert } from '../assert.ts';
import type { Candidate, Contest, Election } from './election.ts';

/**
 * An election compiled to numbers, for the loops that touch every vote. It has three units.
 *
 * - The *number* of a location, a contest or a candidate is its place in the definition. Numbers
 *   are valid only together with that definition's hash. The candidates of a contest have
 *   consecutive numbers.
 * - A *slot* is one contest on the ballot of one location. Slots are numbered location by location,
 *   in the order of contests.
 * - A *cell* is one candidate in one slot. Cells are numbered slot by slot, in the order of
 *   candidates.
 *
 * The law of the layout: {@link slotAt} and {@link cellAt} reach each slot and each cell exactly
 * once, and {@link contestAt} and {@link candidateAt} lead back from there. -1 stands for an
 * unknown number and for a place that does not exist.
 *
 * Callers use the functions below. Loops that touch every vote, and a few folds over all slots,
 * read the arrays themselves.
 */
export interface ElectionIndex {
  readonly election: Election;
  readonly locationNumbers: ReadonlyMap<string, number>;
  readonly contestNumbers: ReadonlyMap<string, number>;
  /** By contest number, then candidate id. */
  readonly candidateNumbers: readonly ReadonlyMap<string, number>[];
  readonly contestOfCandidate: Int32Array;
  /** The first candidate of each contest, and one past the last candidate of all at the end. */
  readonly firstCandidate: Int32Array;
  /** By contest: the most selections a ballot may make there. */
  readonly voteFor: Int32Array;
  /** `slotOf[location * contests + contest]`, or -1 where the contest is not on that ballot. */
  readonly slotOf: Int32Array;
  /** The first slot of each location, and one past the last slot of all at the end. */
  readonly firstSlot: Int32Array;
  readonly contestOfSlot: Int32Array;
  /** The first cell of each slot, and one past the last cell of all at the end. */
  readonly firstCell: Int32Array;
  readonly slotCount: number;
  readonly cellCount: number;
}

/**
 * `slotOf` takes 4 bytes a pair: 3.6 MB for 3,000 locations with 300 contests, 64 MB at this limit.
 */
export const LOCATION_CONTEST_PAIRS_MAX = 16_000_000;

/**
 * Compiles an election that `checkElection` accepted. Memory grows with locations x contests
 * and with candidates x locations.
 */
export function indexElection(election: Election): ElectionIndex {
  const { contests, candidates, locations } = election;
  assert(
    contests.length * locations.length <= LOCATION_CONTEST_PAIRS_MAX,
    `contests x locations <= ${LOCATION_CONTEST_PAIRS_MAX}`,
  );
  const contestNumbers = new Map<string, number>(contests.map(({ id }, number) => [id, number]));
  const locationNumbers = new Map<string, number>(locations.map(({ id }, number) => [id, number]));
  const candidateNumbers = contests.map(() => new Map<string, number>());
  const contestOfCandidate = new Int32Array(candidates.length);
  const firstCandidate = new Int32Array(contests.length + 1);
  for (const [number, { id, contest_id }] of candidates.entries()) {
    const contest = contestNumbers.get(contest_id) ?? -1;
    contestOfCandidate[number] = contest;
    firstCandidate[contest + 1] = number + 1;
    candidateNumbers[contest]?.set(id, number);
  }
  return {
    election,
    locationNumbers,
    contestNumbers,
    candidateNumbers,
    contestOfCandidate,
    firstCandidate,
    voteFor: Int32Array.from(contests, (contest) => contest.vote_for),
    ...layOutSlots(contests, locationNumbers, firstCandidate),
  };
}

function layOutSlots(
  contests: readonly Contest[],
  locationNumbers: ReadonlyMap<string, number>,
  firstCandidate: Int32Array,
): Pick<ElectionIndex, 'slotOf' | 'firstSlot' | 'contestOfSlot' | 'firstCell' | 'slotCount' | 'cellCount'> {
  const slotOf = new Int32Array(locationNumbers.size * contests.length).fill(-1);
  for (const [contest, { location_ids }] of contests.entries()) {
    const there = location_ids?.map((id) => locationNumbers.get(id)!) ?? locationNumbers.values();
    for (const location of there) slotOf[location * contests.length + contest] = 0;
  }
  const firstSlot = new Int32Array(locationNumbers.size + 1);
  const contestOfSlot: number[] = [];
  const firstCell: number[] = [];
  let cellCount = 0;
  for (let at = 0; at < slotOf.length; at++) {
    const contest = at % contests.length;
    if (contest === 0) firstSlot[at / contests.length] = contestOfSlot.length;
    if (slotOf[at] === -1) continue;
    slotOf[at] = contestOfSlot.length;
    contestOfSlot.push(contest);
    firstCell.push(cellCount);
    cellCount += firstCandidate[contest + 1]! - firstCandidate[contest]!;
  }
  const slotCount = contestOfSlot.length;
  firstSlot[locationNumbers.size] = slotCount;
  firstCell.push(cellCount);
  return {
    slotOf,
    firstSlot,
    contestOfSlot: Int32Array.from(contestOfSlot),
    firstCell: Int32Array.from(firstCell),
    slotCount,
    cellCount,
  };
}

/** The number of a candidate of a contest, -1 where the contest lacks that id. */
export function candidateNumber(index: ElectionIndex, contest: number, id: string): number {
  return index.candidateNumbers[contest]?.get(id) ?? -1;
}

/** The slot of a contest in a location, -1 where the contest is not on that ballot. */
export function slotAt({ slotOf, voteFor }: ElectionIndex, location: number, contest: number): number {
  return contest >= 0 && contest < voteFor.length ? (slotOf[location * voteFor.length + contest] ?? -1) : -1;
}

/** The cell of a candidate in a location, -1 where the candidate is not on that ballot. */
export function cellAt(index: ElectionIndex, location: number, candidate: number): number {
  const contest = index.contestOfCandidate[candidate] ?? -1;
  const slot = slotAt(index, location, contest);
  return slot === -1 ? -1 : index.firstCell[slot]! + candidate - index.firstCandidate[contest]!;
}

export const onBallot = (index: ElectionIndex, location: number, candidate: number): boolean =>
  slotAt(index, location, index.contestOfCandidate[candidate] ?? -1) !== -1;

/** The contest of a slot. */
export const contestAt = (index: ElectionIndex, slot: number): number => index.contestOfSlot[slot]!;

/** The candidate of a cell of a slot. */
export const candidateAt = (
  { contestOfSlot, firstCandidate, firstCell }: ElectionIndex,
  slot: number,
  cell: number,
): number => firstCandidate[contestOfSlot[slot]!]! + cell - firstCell[slot]!;

/** The definition's entry of the contest of a slot. */
export const slotContest = (index: ElectionIndex, slot: number): Contest =>
  index.election.contests[contestAt(index, slot)]!;

/** The definition's entry of the candidate of a cell of a slot. */
export const cellCandidate = (index: ElectionIndex, slot: number, cell: number): Candidate =>
  index.election.candidates[candidateAt(index, slot, cell)]!;

/** The most selections a ballot may make in the contest of a slot. */
export const voteForAt = ({ voteFor, contestOfSlot }: ElectionIndex, slot: number): number =>
  voteFor[contestOfSlot[slot]!]!;

/** The most selections that a ballot can hold in a contest without an overvote. */
export const selectionsMaxIn = ({ voteFor, firstCandidate }: ElectionIndex, contest: number): number =>
  Math.min(voteFor[contest]!, firstCandidate[contest + 1]! - firstCandidate[contest]!);

/** The most selections that a ballot can hold without an overvote, in any location. */
export function selectionsMax(index: ElectionIndex): number {
  let most = 0;
  for (const location of index.locationNumbers.values()) {
    let selections = 0;
    for (const slot of slotsOf(index, location)) selections += selectionsMaxIn(index, contestAt(index, slot));
    most = Math.max(most, selections);
  }
  return most;
}

/** The slots of a location, in the order of contests. */
export const slotsOf = ({ firstSlot }: ElectionIndex, location: number): number[] =>
  range(firstSlot[location]!, firstSlot[location + 1]!);

/** The cells of a slot, in the order of candidates. */
export const cellsOf = ({ firstCell }: ElectionIndex, slot: number): number[] =>
  range(firstCell[slot]!, firstCell[slot + 1]!);

/** The candidates of a contest. */
export const candidatesOf = ({ firstCandidate }: ElectionIndex, contest: number): number[] =>
  range(firstCandidate[contest]!, firstCandidate[contest + 1]!);

/**
 * An array of known length costs 3 to 10 ns a number, a generator 20 to 40, a plain loop 1 to 5.
 */
function range(first: number, end: number): number[] {
  const numbers = new Array<number>(end - first);
  for (let i = 0; i < numbers.length; i++) numbers[i] = first + i;
  return numbers;
}

/** The sum over the cells of a slot. */
export function sumCells({ firstCell }: ElectionIndex, cells: Float64Array, slot: number): number {
  const end = firstCell[slot + 1]!;
  let sum = 0;
  for (let cell = firstCell[slot]!; cell < end; cell++) sum += cells[cell]!;
  return sum;
}
