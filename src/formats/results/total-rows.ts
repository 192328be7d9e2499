import type { LocationDraft, ResultsTable } from './results-table.ts';
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
  /** By slot, the contest of a place. */
  readonly slots: ReadonlyMap<number, Slot>;
  /** By location: its rows. */
  readonly rowsAt: readonly (readonly number[])[];
  /** The locations with their ids, by number. */
  readonly places: readonly (readonly [id: string, draft: LocationDraft])[];
  /** All locations, and those of each parent. */
  readonly everywhere: Group;
  readonly peers: ReadonlyMap<string, Group>;
  readonly isBook: (candidate: number) => boolean;
}

/** Some places together. */
interface Group {
  readonly members: ReadonlySet<number>;
  /** By candidate: the votes there. */
  readonly totals: ReadonlyMap<number, number>;
  readonly placesWithVotes: number;
  readonly sum: number;
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
  const slots = new Map<number, Slot>();
  for (const [row, { candidate, location, votes }] of table.cells.entries()) {
    rowsOf[candidate]!.push(row);
    rowsAt[location]!.push(row);
    const kind = kindOf(candidate);
    if (kind === 'out' || kind === 'registered' || kind === 'ballots') continue;
    const key = slotKey(table, candidate, location);
    const slot = slots.get(key) ?? { all: 0, candidates: 0, positive: 0 };
    slot.all += votes;
    if (!isBook(candidate)) slot.candidates += votes;
    if (votes > 0) slot.positive++;
    slots.set(key, slot);
  }
  const places = [...table.locations];
  const byParent = Map.groupBy(places, ([, { parent_id }]) => parent_id);
  const numbersOf = (group: typeof places): number[] => group.map(([, { number }]) => number);
  return {
    table,
    rowsOf,
    slots,
    rowsAt,
    places,
    everywhere: groupOf(table, rowsAt, numbersOf(places)),
    peers: new Map([...byParent].map(([parent, group]) => [parent, groupOf(table, rowsAt, numbersOf(group))])),
    isBook,
  };
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
 * Whether a location equals the sum of others in every contest and candidate, where enough of them
 * have votes: of all others, of those of its own parent, or of those that name it as their parent.
 */
export function isSumOfOthers(sums: Sums, location: number): boolean {
  const { table, peers } = sums;
  const [id, { parent_id }] = sums.places[location]!;
  if (equalsSumOf(sums, location, sums.everywhere)) return true;
  const siblings = peers.get(parent_id);
  if (parent_id !== '' && siblings !== undefined && equalsSumOf(sums, location, siblings)) return true;
  const children = table.parents.has(id) ? peers.get(id) : undefined;
  return children !== undefined && equalsSumOf(sums, location, children);
}

/** @param group places, which may be with or without the location itself */
function equalsSumOf({ table, rowsAt }: Sums, location: number, group: Group): boolean {
  const isMember = group.members.has(location);
  let own = 0;
  for (const row of rowsAt[location]!) {
    const { candidate, votes } = table.cells[row]!;
    if ((isMember ? 2 : 1) * votes !== (group.totals.get(candidate) ?? 0)) return false;
    own += votes;
  }
  const others = group.placesWithVotes - Number(isMember && own > 0);
  return own > 0 && others >= SIBLINGS_MIN && (isMember ? 2 : 1) * own === group.sum;
}

function groupOf(table: ResultsTable, rowsAt: readonly (readonly number[])[], members: readonly number[]): Group {
  const totals = new Map<number, number>();
  let placesWithVotes = 0;
  let sum = 0;
  for (const location of members) {
    let own = 0;
    for (const row of rowsAt[location]!) {
      const { candidate, votes } = table.cells[row]!;
      totals.set(candidate, (totals.get(candidate) ?? 0) + votes);
      own += votes;
    }
    sum += own;
    placesWithVotes += Number(own > 0);
  }
  return { members: new Set(members), totals, placesWithVotes, sum };
}
