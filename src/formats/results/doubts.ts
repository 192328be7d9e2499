import { type ReplayedVotes, STATED_BALLOTS } from '../../domain/ballots/replay.ts';
import type { Election } from '../../domain/election/election.ts';
import { contestAt, type ElectionIndex, indexElection, slotAt } from '../../domain/election/election-index.ts';
import { nameSome } from './interpret.ts';

/** Facts of a result that make no sense by one reading of it, with the other reading. */
export function doubts(
  path: string,
  { election, votes }: { readonly election: Election; readonly votes: readonly ReplayedVotes[] },
): string[] {
  const index = indexElection(election);
  const bySlot = new Float64Array(index.slotCount);
  const stated = new Map<number, number>();
  for (const { location, candidate, votes: count } of votes)
    if (candidate === STATED_BALLOTS) stated.set(location, count);
    else bySlot[slotAt(index, location, index.contestOfCandidate[candidate]!)]! += count;
  return [
    ...tooManyVotes(path, index, bySlot, stated),
    ...withoutElectorate(path, index, bySlot),
    ...percentages(path, index, bySlot),
  ];
}

/** More votes than people is several votes a ballot, or a wrong number of people. */
function tooManyVotes(
  path: string,
  index: ElectionIndex,
  bySlot: Float64Array,
  stated: ReadonlyMap<number, number>,
): string[] {
  const { contests, locations } = index.election;
  const placesOf = new Map<number, string[]>();
  for (const [location, { id, registered_voters }] of locations.entries()) {
    const people = stated.get(location) ?? registered_voters;
    if (people === null || people === 0) continue;
    for (let slot = index.firstSlot[location]!; slot < index.firstSlot[location + 1]!; slot++) {
      const contest = contestAt(index, slot);
      if (bySlot[slot]! <= people * contests[contest]!.vote_for) continue;
      placesOf.set(contest, [...(placesOf.get(contest) ?? []), id]);
    }
  }
  return [...placesOf].map(
    ([contest, places]) =>
      `${path}: contest "${contests[contest]!.id}" has more votes than there are ${stated.size > 0 ? 'ballots' : 'registered voters'} in ${nameSome(places)}. ` +
      'Either a ballot has several votes: then give columns vote_for and seats. Or the number of people is wrong there.',
  );
}

/** An electorate of 0 is not known: people voted. */
function withoutElectorate(path: string, index: ElectionIndex, bySlot: Float64Array): string[] {
  const { locations } = index.election;
  const places = locations.flatMap(({ id, registered_voters }, location) => {
    const hasVotes = bySlot
      .subarray(index.firstSlot[location], index.firstSlot[location + 1])
      .some((votes) => votes > 0);
    return hasVotes && registered_voters === 0 ? [id] : [];
  });
  if (places.length === 0) return [];
  return [
    `${path}: people voted where nobody is registered, in ${nameSome(places)}. The turnout of the whole is therefore unknown.`,
  ];
}

/** Small candidates may be missing, so percentages of a place may add up to this little. */
const PERCENT_SUM_MIN = 85;
/** Rounded percentages of a place may add up to a little more than 100. */
const PERCENT_SUM_MAX = 101;
/** One place may have 100 votes. */
const PERCENT_PLACES_MIN = 2;

function percentages(path: string, index: ElectionIndex, bySlot: Float64Array): string[] {
  const sums = bySlot.filter((votes) => votes > 0);
  const isPercent = sums.every((votes) => votes >= PERCENT_SUM_MIN && votes <= PERCENT_SUM_MAX);
  if (sums.length < PERCENT_PLACES_MIN || !isPercent || index.election.locations.length < PERCENT_PLACES_MIN) return [];
  return [
    `${path}: the votes of each place add up to about 100. If they are percentages, take the file with the votes instead.`,
  ];
}
