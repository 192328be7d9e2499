import { type ContestResult, fractionOf, type LocationResult, type Results, type ResultTotals } from './results.ts';

/**
 * What changed from one state to a later one, as the event stream carries it. Everything is absolute, so a delta may be
 * applied twice, and deltas of several steps merge into one by taking the newest of each entry.
 */
export interface ResultsDelta {
  /** The hash of the definition: a delta fits only a document of the same one. */
  readonly definition: string;
  readonly status: Results['election']['status'];
  readonly as_of: string;
  readonly sequence: number;
  /** Why a newer state is not shown; null while the newest is. */
  readonly held: string | null;
  readonly totals: ResultTotals;
  /** The changed contests, as in the document. */
  readonly contests: readonly ContestResult[];
  /** The changed locations: [id, ballots cast, votes], where votes has one list a contest on that ballot, one count a candidate, both in the document's order. */
  readonly locations: readonly LocationDelta[];
}
export type LocationDelta = readonly [id: string, ballotsCast: number, votes: readonly (readonly number[])[]];

/** @param changed the entries of `results` that the receiver does not have yet */
export function resultsDelta(
  results: Results,
  changed: { readonly contests: readonly ContestResult[]; readonly locations: readonly LocationResult[] },
  context: { readonly definition: string; readonly held: string | null },
): ResultsDelta {
  const orders = results.contests.map(({ id, candidates }) => ({ id, candidates: candidates.map(({ id }) => id) }));
  return {
    ...context,
    status: results.election.status,
    as_of: results.as_of,
    sequence: results.sequence,
    totals: results.totals,
    contests: changed.contests,
    locations: changed.locations.map(({ id, ballots_cast, votes }) => {
      const counts: number[][] = [];
      for (const order of orders) {
        // An id may be "constructor": only own keys are contests.
        if (!Object.hasOwn(votes, order.id)) continue;
        const cells = votes[order.id]!;
        counts.push(order.candidates.map((candidate) => cells[candidate]!));
      }
      return [id, ballots_cast, counts];
    }),
  };
}

/** Where the contests and locations of a document are, by id: the same for every document of one definition. */
export interface ResultPlaces {
  readonly contests: ReadonlyMap<string, number>;
  readonly locations: ReadonlyMap<string, number>;
}

const placesOf = (entries: readonly { readonly id: string }[]): Map<string, number> =>
  new Map(entries.map(({ id }, place) => [id, place]));

export const resultPlaces = (results: Results): ResultPlaces => ({
  contests: placesOf(results.contests),
  locations: placesOf(results.locations),
});

/** @returns a new document; entries that did not change are the same objects. Ids the document lacks are left out. */
export function applyDelta(results: Results, places: ResultPlaces, delta: ResultsDelta): Results {
  const contests = results.contests.slice();
  for (const contest of delta.contests) {
    const place = places.contests.get(contest.id);
    if (place !== undefined) contests[place] = contest;
  }
  const locations = results.locations.slice();
  for (const change of delta.locations) {
    const place = places.locations.get(change[0]);
    if (place !== undefined) locations[place] = changedLocation(contests, locations[place]!, change);
  }
  return {
    election: { ...results.election, status: delta.status },
    as_of: delta.as_of,
    sequence: delta.sequence,
    totals: delta.totals,
    contests,
    locations,
  };
}

function changedLocation(
  contests: readonly ContestResult[],
  before: LocationResult,
  [, ballots_cast, counts]: LocationDelta,
): LocationResult {
  const votes: [string, { readonly [candidateId: string]: number }][] = [];
  let next = 0;
  for (const contest of contests) {
    if (!Object.hasOwn(before.votes, contest.id)) continue;
    const cells = counts[next++] ?? [];
    votes.push([contest.id, Object.fromEntries(contest.candidates.map(({ id }, i) => [id, cells[i] ?? 0]))]);
  }
  return {
    ...before,
    ballots_cast,
    turnout: fractionOf(ballots_cast, before.registered_voters),
    votes: Object.fromEntries(votes),
  };
}
