import { createTally, type Tally } from '../counting/tally.ts';
import type { Candidate, Election } from '../election/election.ts';
import type { ElectionIndex } from '../election/election-index.ts';

/** How far a result has come (NIST SP 1500-100, and its words where it has none); later ones follow in the order of an election. */
export type ResultStatus =
  | 'pre-election'
  | 'unofficial-partial'
  | 'unofficial-complete'
  | 'certified'
  | 'correction'
  | 'recount';

/** The document of `GET /api/results` and of `--json`. All counts are absolute; a share or turnout is a fraction, never clamped. */
export interface Results {
  readonly election: {
    readonly id: string;
    readonly name: string;
    readonly date: string | null;
    readonly status: ResultStatus;
    readonly is_test: boolean;
  };
  /** ISO 8601: when the counter made this state. */
  readonly as_of: string;
  /** The votes that the counts include, over all partitions: the same in every process. */
  readonly sequence: number;
  readonly totals: ResultTotals;
  /** In the order of the definition. */
  readonly contests: readonly ContestResult[];
  /** The reporting units of the input in its order, without the units above them. */
  readonly locations: readonly LocationResult[];
}

export interface ResultTotals {
  /** Null as soon as one location's electorate is unknown: a part of it would be a wrong denominator. */
  readonly registered_voters: number | null;
  readonly ballots_cast: number;
  readonly turnout: number | null;
  /** The candidates listed in all contests, aggregates included. */
  readonly candidates: number;
  readonly locations: number;
  /** Locations with at least one ballot. */
  readonly locations_reporting: number;
}

export interface ContestResult {
  readonly id: string;
  readonly name: string;
  /** Votes for candidates; undervotes and overvoted ballots are not among them. */
  readonly votes_counted: number;
  readonly undervotes: number;
  readonly seats: number;
  /** In the order of the definition. */
  readonly candidates: readonly CandidateResult[];
}

export interface CandidateResult {
  readonly id: string;
  readonly name: string;
  /** The party's name. */
  readonly party: string | null;
  readonly votes: number;
  /** Of `votes_counted`; null while that is 0. */
  readonly share: number | null;
  /** True for each candidate who has the most votes, so for all of a tie; for nobody while there are no votes. */
  readonly leading: boolean;
  readonly elected: boolean;
}

export interface LocationResult {
  readonly id: string;
  readonly name: string;
  readonly parent_id: string | null;
  readonly type: string;
  readonly registered_voters: number | null;
  readonly ballots_cast: number;
  readonly turnout: number | null;
  /** By contest id, then candidate id; only contests on this location's ballot. */
  readonly votes: { readonly [contestId: string]: { readonly [candidateId: string]: number } };
}

/** What a state is besides its counts. */
export interface ResultMoment {
  readonly status: ResultStatus;
  readonly as_of: string;
  readonly sequence: number;
}

/** Part of a whole: null where the whole is unknown or 0. Above 1 it is a fact to show, so it is not clamped. */
export function fractionOf(part: number, whole: number | null): number | null {
  return whole === null || whole === 0 ? null : part / whole;
}

/**
 * Who leads and who is elected in one contest, by plurality.
 * - `leading`: every candidate with the most votes, if that is more than none.
 * - `elected`: only when every vote is counted (`isComplete`): the `seats` candidates with the most votes. Where a tie goes
 *   across the last seat nobody of that tie is elected: a lot or a recount decides, not this program.
 * Aggregates ("write-in") are several people: they neither lead nor are elected, nor do they keep another from it.
 */
export function rankCandidates(
  votes: readonly number[],
  isAggregate: readonly boolean[],
  seats: number,
  isComplete: boolean,
): { readonly leading: boolean; readonly elected: boolean }[] {
  const standing = votes.filter((count, i) => !isAggregate[i] && count > 0).sort((left, right) => right - left);
  const most = standing[0] ?? Number.POSITIVE_INFINITY;
  // The best count that wins no seat: who has more than it is elected, whoever has as much is in a tie across the last seat.
  const firstLosing = standing[seats] ?? 0;
  return votes.map((count, i) => ({
    leading: !isAggregate[i] && count === most,
    elected: isComplete && !isAggregate[i] && count > firstLosing,
  }));
}

/** True once all votes are counted: from `unofficial-complete` on. */
export const isCompleteStatus = (status: ResultStatus): boolean =>
  status !== 'pre-election' && status !== 'unofficial-partial';

/**
 * Results that follow a tally: an update costs the changed locations, not all of them. Entries that did not change stay the
 * same objects from one `Results` to the next, so a reader finds the difference of two states by identity.
 * Memory: one more tally and one document.
 */
export interface RunningResults {
  readonly index: ElectionIndex;
  readonly party_names: ReadonlyMap<string, string>;
  /** The counts that the totals below include. */
  readonly counted: Tally;
  readonly candidate_votes: Float64Array;
  readonly contest_undervotes: Float64Array;
  readonly registered_voters: number | null;
  ballots_cast: number;
  locations_reporting: number;
  results: Results;
}

/** The state before any vote: every contest, candidate and location at zero. */
export function createRunningResults(index: ElectionIndex, moment: ResultMoment): RunningResults {
  const { election } = index;
  const counted = createTally(index);
  const party_names = new Map(election.parties.map((party) => [party.id, party.name]));
  const candidate_votes = new Float64Array(election.candidates.length);
  const contest_undervotes = new Float64Array(election.contests.length);
  const registered = election.locations.map((location) => location.registered_voters);
  const running = {
    index,
    party_names,
    counted,
    candidate_votes,
    contest_undervotes,
    registered_voters: registered.includes(null) ? null : registered.reduce<number>((sum, n) => sum + (n ?? 0), 0),
    ballots_cast: 0,
    locations_reporting: 0,
  };
  const contests = election.contests.map((_, contest) =>
    contestResult(running, contest, isCompleteStatus(moment.status)),
  );
  const locations = election.locations.map((_, location) => locationEntry(index, counted, location));
  return { ...running, results: resultsDocument(running, moment, contests, locations) };
}

/**
 * Takes the counts of the changed locations over from `tally` and returns the new document, which is also `running.results`.
 * The order of updates and their grouping never change what comes out.
 */
export function updateResults(
  running: RunningResults,
  tally: Tally,
  changed: Iterable<number>,
  moment: ResultMoment,
): Results {
  const before = running.results;
  const locations = before.locations.slice();
  const touched = new Set<number>();
  for (const location of changed)
    if (takeOver(running, tally, location, touched))
      locations[location] = locationEntry(running.index, running.counted, location);
  const isComplete = isCompleteStatus(moment.status);
  const isSameKind = isComplete === isCompleteStatus(before.election.status);
  const contests = before.contests.map((contest, number) =>
    isSameKind && !touched.has(number) ? contest : contestResult(running, number, isComplete),
  );
  running.results = resultsDocument(running, moment, contests, locations);
  return running.results;
}

/** The results of a whole tally in one step. */
export function buildResults(index: ElectionIndex, tally: Tally, moment: ResultMoment): Results {
  return updateResults(createRunningResults(index, moment), tally, index.election.locations.keys(), moment);
}

/** Moves one location's counts into the totals, noting the contests they touch. @returns whether anything differed. */
function takeOver(running: RunningResults, tally: Tally, location: number, touched: Set<number>): boolean {
  const { index, counted } = running;
  const ballots = tally.ballots[location]! - counted.ballots[location]!;
  let isChanged = ballots !== 0;
  running.ballots_cast += ballots;
  running.locations_reporting += Number(tally.ballots[location]! > 0) - Number(counted.ballots[location]! > 0);
  counted.ballots[location] = tally.ballots[location]!;
  for (let slot = index.first_slot[location]!; slot < index.first_slot[location + 1]!; slot++) {
    const contest = index.contest_of_slot[slot]!;
    let isSlotChanged = tally.undervotes[slot] !== counted.undervotes[slot];
    running.contest_undervotes[contest]! += tally.undervotes[slot]! - counted.undervotes[slot]!;
    counted.undervotes[slot] = tally.undervotes[slot]!;
    counted.overvoted[slot] = tally.overvoted[slot]!;
    const first = index.first_cell[slot]!;
    for (let cell = first; cell < index.first_cell[slot + 1]!; cell++) {
      const votes = tally.votes[cell]! - counted.votes[cell]!;
      if (votes === 0) continue;
      isSlotChanged = true;
      running.candidate_votes[index.first_candidate[contest]! + cell - first]! += votes;
      counted.votes[cell] = tally.votes[cell]!;
    }
    if (isSlotChanged) touched.add(contest);
    isChanged ||= isSlotChanged;
  }
  return isChanged;
}

type Sums = Omit<RunningResults, 'results'>;

function resultsDocument(
  sums: Sums,
  moment: ResultMoment,
  contests: readonly ContestResult[],
  locations: readonly LocationResult[],
): Results {
  const { id, name, date, is_test, candidates } = sums.index.election;
  return {
    election: { id, name, date, status: moment.status, is_test },
    as_of: moment.as_of,
    sequence: moment.sequence,
    totals: {
      registered_voters: sums.registered_voters,
      ballots_cast: sums.ballots_cast,
      turnout: fractionOf(sums.ballots_cast, sums.registered_voters),
      candidates: candidates.length,
      locations: locations.length,
      locations_reporting: sums.locations_reporting,
    },
    contests,
    locations,
  };
}

function contestResult(sums: Sums, number: number, isComplete: boolean): ContestResult {
  const { election, first_candidate } = sums.index;
  const { id, name, seats } = election.contests[number]!;
  const from = first_candidate[number]!;
  const candidates = election.candidates.slice(from, first_candidate[number + 1]!);
  const votes = candidates.map((_, i) => sums.candidate_votes[from + i]!);
  const votes_counted = votes.reduce((sum, count) => sum + count, 0);
  const aggregates = candidates.map((candidate) => candidate.aggregate);
  const ranks = rankCandidates(votes, aggregates, seats, isComplete);
  return {
    id,
    name,
    votes_counted,
    undervotes: sums.contest_undervotes[number]!,
    seats,
    candidates: candidates.map((candidate, i) => ({
      id: candidate.id,
      name: candidate.name,
      party: partyName(sums.party_names, candidate),
      votes: votes[i]!,
      share: fractionOf(votes[i]!, votes_counted),
      ...ranks[i]!,
    })),
  };
}

const partyName = (names: ReadonlyMap<string, string>, candidate: Candidate): string | null =>
  candidate.party_id === null ? null : (names.get(candidate.party_id) ?? null);

function locationEntry(index: ElectionIndex, tally: Tally, number: number): LocationResult {
  const { contests, candidates, locations } = index.election;
  const { id, name, parent_id, type, registered_voters } = locations[number]!;
  const votes: [string, { readonly [candidateId: string]: number }][] = [];
  for (let slot = index.first_slot[number]!; slot < index.first_slot[number + 1]!; slot++) {
    const contest = index.contest_of_slot[slot]!;
    const offset = index.first_candidate[contest]! - index.first_cell[slot]!;
    const cells: [string, number][] = [];
    for (let cell = index.first_cell[slot]!; cell < index.first_cell[slot + 1]!; cell++)
      cells.push([candidates[cell + offset]!.id, tally.votes[cell]!]);
    votes.push([contests[contest]!.id, Object.fromEntries(cells)]);
  }
  const ballots_cast = tally.ballots[number]!;
  return {
    id,
    name,
    parent_id,
    type,
    registered_voters,
    ballots_cast,
    turnout: fractionOf(ballots_cast, registered_voters),
    votes: Object.fromEntries(votes),
  };
}

export const RESULTS_CSV_COLUMNS = [
  'contest',
  'location_id',
  'location_name',
  'parent_id',
  'parent_name',
  'candidate',
  'party',
  'votes',
] as const;

/**
 * The uniform results CSV (RFC 4180 with plain newlines and a header): one line a contest, location and candidate, in the
 * order of the definition. `--results` reads it back to the same totals.
 */
export function resultsCsv(election: Election, results: Results): string {
  const parents = new Map<string, string>(election.parents.map((parent) => [parent.id, parent.name]));
  const lines = [RESULTS_CSV_COLUMNS.join(',')];
  for (const contest of results.contests)
    for (const location of results.locations) {
      // An id may be "constructor": only own keys are contests.
      if (!Object.hasOwn(location.votes, contest.id)) continue;
      const votes = location.votes[contest.id]!;
      const parent = location.parent_id ?? '';
      const place = [contest.id, location.id, location.name, parent, parents.get(parent) ?? ''].map(csvField).join(',');
      for (const { id, name, party } of contest.candidates)
        lines.push(`${place},${csvField(name)},${csvField(party ?? '')},${votes[id] ?? 0}`);
    }
  return `${lines.join('\n')}\n`;
}

const csvField = (text: string): string => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
