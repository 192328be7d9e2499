import type { RowReadings } from '../../domain/election/origin.ts';
import { refusal } from '../../files/problems.ts';
import { type InterpretedRows, nameSome } from './interpret.ts';
import type { ContestDraft, ResultsTable } from './results-table.ts';

/**
 * Finds contests that are several under one name: their places fall into groups without a common
 * candidate, as "Commissioner District 2" of two counties does. Counted as one, the winner of the
 * larger county would be elected in both.
 * @returns the rows with a contest for each group, where the readings ask for it
 * @throws InputRefused where nobody said whether it is one contest or several
 */
export function splitContests(
  path: string,
  table: ResultsTable,
  rows: InterpretedRows,
  isAggregate: (name: string) => boolean,
  readings: RowReadings,
): InterpretedRows {
  const kept = new Set(readings.keep);
  const contests = new Map<string, ContestDraft>();
  const notices = [...rows.notices];
  const placesOf = placesByCandidate(rows);
  const ids = [...rows.locations];
  /** The draft that a line of several people gets in its group, by draft and place. */
  const moved = new Map<string, number>();
  for (const [id, contest] of rows.contests) {
    const groups = groupPlaces(table, contest, placesOf, isAggregate);
    if (groups.length < 2 || kept.has(id)) {
      contests.set(id, contest);
      continue;
    }
    const names = groups.map((places) => ids.find(([, { number }]) => places.has(number))![0]);
    if (!readings.split_contests)
      throw refusal(
        path,
        contest.rules.line,
        'contest',
        `${groups.length} groups of places have no candidate of "${id}" in common (the first places: ${nameSome(names)}), so these are several contests under one name`,
        `give each its own name, or let --split-contests do so; --keep-row "${id}" keeps it as one`,
      );
    for (const [i, places] of groups.entries()) {
      const candidates = [...contest.candidates].flatMap(([key, number]): [string, number][] => {
        const there = [...(placesOf.get(number) ?? [])].filter((place) => places.has(place));
        if (there.length === 0) return [];
        if (i === 0 || there.length === placesOf.get(number)!.size) return [[key, number]];
        const own = table.candidates.push(table.candidates[number]!) - 1;
        for (const place of there) moved.set(`${number} ${place}`, own);
        return [[key, own]];
      });
      contests.set(`${id} (${names[i]})`, { ...contest, candidates: new Map(candidates), locations: places });
    }
    notices.push(`${path}: contest "${id}" is ${groups.length} contests, named after ${nameSome(names)}.`);
  }
  const cells = rows.cells.map((cell) => ({
    ...cell,
    candidate: moved.get(`${cell.candidate} ${cell.location}`) ?? cell.candidate,
  }));
  return { ...rows, contests, cells: moved.size === 0 ? rows.cells : cells, notices };
}

function placesByCandidate({ cells }: InterpretedRows): Map<number, Set<number>> {
  const places = new Map<number, Set<number>>();
  for (const { candidate, location } of cells) {
    const known = places.get(candidate);
    if (known === undefined) places.set(candidate, new Set([location]));
    else known.add(location);
  }
  return places;
}

/**
 * The places of a contest, in groups that share candidates. A line of several people joins none.
 */
function groupPlaces(
  table: ResultsTable,
  { candidates, locations }: ContestDraft,
  placesOf: ReadonlyMap<number, ReadonlySet<number>>,
  isAggregate: (name: string) => boolean,
): Set<number>[] {
  const parent = new Map<number, number>([...locations].map((place) => [place, place]));
  const rootOf = (place: number): number => {
    let root = place;
    while (parent.get(root) !== root) root = parent.get(root)!;
    parent.set(place, root);
    return root;
  };
  const named = new Set<number>();
  for (const number of candidates.values()) {
    if (isAggregate(table.candidates[number]!.name)) continue;
    const [first, ...others] = [...(placesOf.get(number) ?? [])];
    if (first === undefined) continue;
    for (const place of [first, ...others]) {
      named.add(place);
      parent.set(rootOf(place), rootOf(first));
    }
  }
  const groups = Map.groupBy(named, rootOf);
  return [...groups.values()].map((places) => new Set(places));
}
