import { votesById } from '../counting/location-result.ts';
import { carryOver, createTally, knownCount, type Tally } from '../counting/tally.ts';
import { fractionOf } from '../counts.ts';
import { type Candidate, partyNames } from '../election/election.ts';
import {
  candidateAt,
  candidatesOf,
  cellsOf,
  contestAt,
  type ElectionIndex,
  slotAt,
  slotContest,
  slotsOf,
} from '../election/election-index.ts';
import { rankCandidates } from './plurality.ts';
import {
  type ContestResult,
  isCompleteStatus,
  type LocationResult,
  type ResultMoment,
  type Results,
  type UnitsResult,
} from './results.ts';

/**
 * Results that follow a tally: an update costs the changed locations, not all of them. Entries that
 * did not change stay the same objects from one `Results` to the next, so a reader finds the
 * difference of two states by identity. Memory: one more tally and one document.
 */
export interface RunningResults {
  readonly index: ElectionIndex;
  readonly partyOf: (candidate: Candidate) => string | null;
  /** The counts that the totals below include. */
  readonly counted: Tally;
  /** By candidate number. */
  readonly candidateVotes: Float64Array;
  /** By contest number. */
  readonly contestUndervotes: Float64Array;
  readonly registeredVoters: number | null;
  ballotsCast: number;
  /** Locations whose ballots are unknown. */
  ballotsUnknown: number;
  locationsReporting: number;
  /** Locations with ballots and an electorate of 0. */
  votedWithoutElectorate: number;
  results: Results;
}

/** The state before any vote: every contest, candidate and location at zero. */
export function createRunningResults(index: ElectionIndex, moment: ResultMoment): RunningResults {
  const { election } = index;
  const sums: Sums = {
    index,
    partyOf: partyNames(election),
    counted: createTally(index),
    candidateVotes: new Float64Array(election.candidates.length),
    contestUndervotes: new Float64Array(election.contests.length),
    registeredVoters: election.locations.reduce<number | null>(
      (sum, { registered_voters }) => (sum === null || registered_voters === null ? null : sum + registered_voters),
      0,
    ),
    ballotsCast: 0,
    ballotsUnknown: election.source === 'returns' ? election.locations.length : 0,
    locationsReporting: 0,
    votedWithoutElectorate: 0,
  };
  const isComplete = isCompleteStatus(moment.status);
  const contests = election.contests.map((_, contest) => contestResult(sums, contest, isComplete));
  const locations = election.locations.map((_, location) => locationEntry(index, sums.counted, location));
  return { ...sums, results: resultsDocument(sums, moment, contests, locations) };
}

/**
 * Takes the counts of the changed locations over from `tally` and returns the new document, which
 * is also `running.results`. The order of updates and their grouping never change the document.
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

/**
 * Moves one location's counts into the totals, noting the contests they touch.
 * @returns whether anything differed.
 */
function takeOver(running: RunningResults, tally: Tally, location: number, touched: Set<number>): boolean {
  const { index, counted, candidateVotes, contestUndervotes } = running;
  const before = counted.ballots[location]!;
  const ballots = tally.ballots[location]!;
  const wasReporting = isReporting(index, counted, location);
  running.ballotsCast += (ballots || 0) - (before || 0);
  running.ballotsUnknown += Number(Number.isNaN(ballots)) - Number(Number.isNaN(before));
  counted.ballots[location] = ballots;
  let isChanged = !Object.is(ballots, before);
  for (const slot of slotsOf(index, location)) {
    const contest = contestAt(index, slot);
    let isSlotChanged = carryOver(tally.undervotes, counted.undervotes, slot, contestUndervotes, contest);
    counted.overvoted[slot] = tally.overvoted[slot]!;
    if (takeOverUnits(tally, counted, slot)) isSlotChanged = true;
    for (const cell of cellsOf(index, slot))
      if (carryOver(tally.votes, counted.votes, cell, candidateVotes, candidateAt(index, slot, cell)))
        isSlotChanged = true;
    if (isSlotChanged) touched.add(contest);
    isChanged ||= isSlotChanged;
  }
  const reporting = Number(isReporting(index, counted, location)) - Number(wasReporting);
  running.locationsReporting += reporting;
  if (index.election.locations[location]!.registered_voters === 0) running.votedWithoutElectorate += reporting;
  return isChanged;
}

/** @returns whether they differed. */
function takeOverUnits({ units }: Tally, counted: Tally, slot: number): boolean {
  if (units === null || counted.units === null) return false;
  const { reporting, total } = counted.units;
  const isSame = Object.is(units.reporting[slot], reporting[slot]) && Object.is(units.total[slot], total[slot]);
  reporting[slot] = units.reporting[slot]!;
  total[slot] = units.total[slot]!;
  return !isSame;
}

/** Whether anything of a location is counted. */
function isReporting(index: ElectionIndex, { ballots, votes, units }: Tally, location: number): boolean {
  if (units === null) return ballots[location]! > 0;
  return slotsOf(index, location).some(
    (slot) => units.reporting[slot]! > 0 || cellsOf(index, slot).some((cell) => votes[cell]! > 0),
  );
}

type Sums = Omit<RunningResults, 'results'>;

function resultsDocument(
  sums: Sums,
  moment: ResultMoment,
  contests: readonly ContestResult[],
  locations: readonly LocationResult[],
): Results {
  const { id, name, date, is_test, source, ballots_simulated = false, candidates } = sums.index.election;
  const ballots_cast = sums.ballotsUnknown > 0 ? null : sums.ballotsCast;
  return {
    election: { id, name, date, status: moment.status, is_test, source, ballots_simulated },
    as_of: moment.as_of,
    sequence: moment.sequence,
    sequence_of: source === 'returns' ? 'versions' : 'votes',
    is_counted: moment.is_counted ?? true,
    held: moment.held ?? null,
    totals: {
      registered_voters: sums.registeredVoters,
      ballots_cast,
      // An electorate of 0 where people voted is not known either, and it would spoil the sum.
      turnout:
        ballots_cast === null || sums.votedWithoutElectorate > 0
          ? null
          : fractionOf(ballots_cast, sums.registeredVoters),
      candidates: candidates.length,
      locations: locations.length,
      locations_reporting: sums.locationsReporting,
    },
    contests,
    locations,
  };
}

function contestResult(sums: Sums, contest: number, isComplete: boolean): ContestResult {
  const { election } = sums.index;
  const { id, name, seats } = election.contests[contest]!;
  const standing = candidatesOf(sums.index, contest).map((number) => ({
    candidate: election.candidates[number]!,
    votes: sums.candidateVotes[number]!,
  }));
  const votes_counted = standing.reduce((sum, { votes }) => sum + votes, 0);
  const ranks = rankCandidates(
    standing.map(({ votes }) => votes),
    standing.map(({ candidate }) => candidate.aggregate),
    seats,
    isComplete,
  );
  return {
    id,
    name,
    votes_counted,
    undervotes: election.source === 'returns' ? null : sums.contestUndervotes[contest]!,
    seats,
    units: contestUnits(sums, contest),
    candidates: standing.map(({ candidate, votes }, i) => ({
      id: candidate.id,
      name: candidate.name,
      party: sums.partyOf(candidate),
      votes,
      share: fractionOf(votes, votes_counted),
      ...ranks[i]!,
    })),
  };
}

/** The sums over all locations of a contest; null where a part of them is unknown. */
function contestUnits({ index, counted: { units } }: Sums, contest: number): UnitsResult | null {
  if (units === null) return null;
  let [reporting, total] = [0, 0];
  for (let location = 0; location < index.election.locations.length; location++) {
    const slot = slotAt(index, location, contest);
    if (slot === -1) continue;
    reporting += units.reporting[slot]!;
    total += units.total[slot]!;
  }
  return unitsOf(reporting, total);
}

const unitsOf = (reporting: number, total: number): UnitsResult | null =>
  Number.isNaN(reporting + total) ? null : { reporting, total };

function locationEntry(index: ElectionIndex, tally: Tally, location: number): LocationResult {
  const { id, name, parent_id, type, registered_voters } = index.election.locations[location]!;
  const { units } = tally;
  const ballots_cast = knownCount(tally.ballots[location]!);
  const slots = slotsOf(index, location);
  return {
    id,
    name,
    parent_id,
    type,
    registered_voters,
    ballots_cast,
    turnout: ballots_cast === null ? null : fractionOf(ballots_cast, registered_voters),
    votes: Object.fromEntries(slots.map((slot) => [slotContest(index, slot).id, votesById(index, tally, slot)])),
    units:
      units === null
        ? null
        : Object.fromEntries(
            slots.map((slot) => [slotContest(index, slot).id, unitsOf(units.reporting[slot]!, units.total[slot]!)]),
          ),
  };
}
