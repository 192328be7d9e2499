import type { ResultsTable } from './results-table.ts';
import type { RowKind } from './row-kinds.ts';

/** The fewest rows above zero that a total sums: one row alone equals itself. */
const SIBLINGS_MIN = 2;
/** Equal sums in fewer places may be chance. */
const PLACES_MIN = 3;

/** Sums over the rows of results, to find rows that are sums themselves. */
export interface Sums {
  readonly table: ResultsTable;
  /** By candidate: its rows, as positions in the table's cells. */
  readonly rowsOf: readonly (readonly number[])[];
  /** By candidate: its votes in all places. */
  readonly totals: Float64Array;
  /** By slot, the contest of a place. */
  readonly slots: ReadonlyMap<number, Slot>;
  /** By location: its rows. */
  readonly rowsAt: readonly (readonly number[])[];
  /** How many locations have votes. */
  readonly placesWithVotes: number;
  readonly isBook: (candidate: number) => boolean;
}

interface Slot {
  /** The votes of all rows, those of the candidates alone, and the number of rows above zero. */
  all: number;
  candidates: number;
  positive: number;
}

/** @param kindOf the kind of a candidate's rows; null for candidates */
export function createSums(table: ResultsTable, kindOf: (candidate: number) => RowKind | 'out' | null): Sums {
  const isBook = (candidate: number): boolean => {
    const kind = kindOf(candidate);
    return kind !== null && kind !== 'total';
  };
  const rowsOf: number[][] = table.candidates.map(() => []);
  const rowsAt: number[][] = Array.from({ length: table.locations.size }, () => []);
  const totals = new Float64Array(table.candidates.length);
  const slots = new Map<number, Slot>();
  for (const [row, { candidate, location, votes }] of table.cells.entries()) {
    rowsOf[candidate]!.push(row);
    rowsAt[location]!.push(row);
    totals[candidate]! += votes;
    const kind = kindOf(candidate);
    if (kind === 'out' || kind === 'registered' || kind === 'ballots') continue;
    const key = slotKey(table, candidate, location);
    const slot = slots.get(key) ?? { all: 0, candidates: 0, positive: 0 };
    slot.all += votes;
    if (!isBook(candidate)) slot.candidates += votes;
    if (votes > 0) slot.positive++;
    slots.set(key, slot);
  }
  const placesWithVotes = rowsAt.filter((rows) => rows.some((row) => table.cells[row]!.votes > 0)).length;
  return { table, rowsOf, totals, slots, rowsAt, placesWithVotes, isBook };
}

const slotKey = (table: ResultsTable, candidate: number, location: number): number =>
  table.candidates[candidate]!.contest * table.locations.size + location;

/**
 * Whether a candidate equals the sum of the others of the contest, with or without the rows of the
 * books, in every place with enough others above zero, and in enough places.
 */
export function equalsItsSiblings({ table, rowsOf, slots, isBook }: Sums, candidate: number): boolean {
  if (isBook(candidate)) return false;
  let withAll = 0;
  let withCandidates = 0;
  let places = 0;
  for (const row of rowsOf[candidate]!) {
    const { location, votes } = table.cells[row]!;
    const slot = slots.get(slotKey(table, candidate, location))!;
    if (slot.positive - Number(votes > 0) < SIBLINGS_MIN) continue;
    places++;
    withAll += Number(2 * votes === slot.all);
    withCandidates += Number(2 * votes === slot.candidates);
  }
  return places >= PLACES_MIN && (withAll === places || withCandidates === places);
}

/**
 * Whether a location equals the sum of all others in every contest and candidate, where enough
 * others have votes.
 */
export function isSumOfOthers({ table, rowsAt, totals, placesWithVotes }: Sums, location: number): boolean {
  const rows = rowsAt[location]!;
  let own = 0;
  for (const row of rows) {
    const { candidate, votes } = table.cells[row]!;
    if (2 * votes !== totals[candidate]) return false;
    own += votes;
  }
  let all = 0;
  for (const total of totals) all += total;
  return own > 0 && placesWithVotes - 1 >= SIBLINGS_MIN && 2 * own === all;
}
