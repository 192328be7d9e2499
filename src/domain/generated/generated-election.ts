import { assert } from '../assert.ts';
import type {
  Candidate,
  CandidateId,
  ContestId,
  Election,
  ElectionId,
  Location,
  LocationId,
} from '../election/election.ts';
import { apportion } from '../numbers/apportion.ts';
import { createSeed, hashPair } from '../numbers/random.ts';
import { PLACES, REGIONS } from './british-places.ts';
import { drawPortrait } from './portrait.ts';

/** The parties of the idea that this project began with. None of them exists. */
const PARTIES = [
  { id: 'management', name: 'Management Party' },
  { id: 'savior', name: 'Savior Party' },
  { id: 'tech-republic', name: 'Tech Republic Party' },
] as const;

export const GENERATED_CANDIDATES = PARTIES.length;

const CALLINGS = [
  'taught mathematics',
  'ran a family bakery',
  'drove ambulances',
  'built bridges',
  'kept a bookshop',
  'farmed',
];
const SERVICE = [
  'sat on the town council',
  'chaired the school board',
  'led the flood relief',
  'coached the youth team',
];
const AIMS = [
  'a bus to every village, every hour',
  'school meals without a form to fill in',
  'a doctor within a week',
  'homes on land that is already built on',
  'libraries open on Sundays',
  'broadband as good as the water',
  'rivers fit to swim in',
  'lower rates for shops that stay',
];

/** Takes `count` different items, in an order that depends on the seed. */
function pick(items: readonly string[], count: number, ...seed: string[]): string[] {
  const key = createSeed(...seed);
  return items
    .map((item, i) => ({ item, rank: hashPair(key, i, 0) }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, count)
    .map(({ item }) => item);
}

function generateCandidate(seed: string, contestId: ContestId, position: number, name: string): Candidate {
  const party = PARTIES[position]!;
  const [calling] = pick(CALLINGS, 1, seed, 'calling', name);
  const [service] = pick(SERVICE, 1, seed, 'service', name);
  const [place] = pick(
    PLACES.map((each) => each.towns[0]!),
    1,
    seed,
    'home',
    name,
  );
  const aims = pick(AIMS, 3, seed, 'aims', name);
  return {
    id: name as CandidateId,
    contest_id: contestId,
    name,
    party_id: party.id,
    aggregate: false,
    biography: `Grew up in ${place}, ${calling} for years, then ${service}. Invented for this election, like the ${party.name}.`,
    platform: `Promises ${aims[0]}, ${aims[1]} and ${aims[2]}.`,
    photo: drawPortrait(`${seed} ${name}`),
  };
}

export interface GeneratedElectionOptions {
  readonly id: ElectionId;
  readonly seed: string;
  /** Registered voters in all. */
  readonly voters: number;
  /** {@link GENERATED_CANDIDATES} different names. */
  readonly candidateNames: readonly string[];
  readonly name?: string;
}

/**
 * The definition of an invented election, the same for the same options. It has one contest, three
 * candidates of three parties, and British counties as locations under their region or nation. The
 * counties differ in size and have exactly `voters` voters together.
 */
export function generateElection({ id, seed, voters, candidateNames, name }: GeneratedElectionOptions): Election {
  assert(new Set(candidateNames).size === GENERATED_CANDIDATES, `${GENERATED_CANDIDATES} different candidate names`);
  const contestId = 'president' as ContestId;
  const sizes = apportion(
    PLACES.map((place) => place.weight),
    voters,
  );
  const locations = PLACES.map(
    (place, i): Location => ({
      id: place.id as LocationId,
      name: place.name,
      type: place.type,
      parent_id: place.region as LocationId,
      registered_voters: sizes[i]!,
    }),
  );
  const parents = Object.entries(REGIONS).map(
    ([code, region]): Location => ({
      id: code as LocationId,
      name: region,
      type: code.startsWith('E') ? 'region' : 'nation',
      parent_id: null,
      registered_voters: locations
        .filter((location) => location.parent_id === code)
        .reduce((sum, location) => sum + location.registered_voters!, 0),
    }),
  );
  return {
    id,
    name: name ?? 'Generated election',
    date: null,
    is_test: true,
    source: 'ballots',
    contests: [{ id: contestId, name: 'President', vote_for: 1, seats: 1, location_ids: null }],
    parties: PARTIES,
    candidates: candidateNames.map((each, position) => generateCandidate(seed, contestId, position, each)),
    locations,
    parents,
  };
}
