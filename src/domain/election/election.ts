import { err, type Outcome, ok } from '../outcome.ts';
import { comparisonKey, hasHiddenCharacter } from './comparison-key.ts';

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

export type ElectionId = Branded<string, 'ElectionId'>;
export type ContestId = Branded<string, 'ContestId'>;
export type CandidateId = Branded<string, 'CandidateId'>;
export type LocationId = Branded<string, 'LocationId'>;
/**
 * The inner number of a voter: a positive safe integer, unique in the database, without meaning
 * outside it.
 */
export type VoterId = Branded<number, 'VoterId'>;

/** Kafka allows 249 characters in a topic name. The rest is for the name of the topic itself. */
const ELECTION_ID_LENGTH_MAX = 200;

/** Election ids become topic names: lower-case letters, digits and single hyphens between them. */
export function parseElectionId(text: string): Outcome<ElectionId, string> {
  if (text.length > ELECTION_ID_LENGTH_MAX || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(text))
    return err(`"${text}" is not an election id: use lower-case letters, digits and hyphens, e.g. council-2026`);
  return ok(text as ElectionId);
}

/** Longer than the name of any contest, candidate or location; it bounds records and keys. */
export const TEXT_LENGTH_MAX = 1_000;

/**
 * Ids of contests, candidates and locations are the input's own text: not empty, bounded, without
 * control characters.
 */
export function parseId<Id extends ContestId | CandidateId | LocationId>(text: string): Outcome<Id, string> {
  if (text.length === 0) return err('it is empty');
  if (text.length > TEXT_LENGTH_MAX) return err(`it is longer than ${TEXT_LENGTH_MAX} characters`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses
  if (/[\u0000-\u001f\u007f]/.test(text)) return err('it contains a control character');
  if (hasHiddenCharacter(text)) return err('it contains a character that nobody sees');
  return ok(text as Id);
}

export type ElectionSource = 'ballots' | 'returns';

export interface Contest {
  readonly id: ContestId;
  readonly name: string;
  /** The most selections a ballot may make in this contest; more are an overvote. */
  readonly vote_for: number;
  /** How many candidates are elected. */
  readonly seats: number;
  /** Where the contest is on the ballot; null means in every location. */
  readonly location_ids: readonly LocationId[] | null;
}

export interface Party {
  readonly id: string;
  readonly name: string;
}

export interface Candidate {
  readonly id: CandidateId;
  readonly contest_id: ContestId;
  readonly name: string;
  /** The id of a party of the election, or null for an independent. */
  readonly party_id: string | null;
  /** A line that sums several people ("write-in"): counted, never leading, never elected. */
  readonly aggregate: boolean;
  readonly biography: string | null;
  readonly platform: string | null;
  /** An address or data URI of a picture. */
  readonly photo: string | null;
}

export interface Location {
  readonly id: LocationId;
  readonly name: string;
  /** The kind of reporting unit: precinct, county, state... */
  readonly type: string;
  readonly parent_id: LocationId | null;
  /** Null where it is unknown; turnout is then unknown too. */
  readonly registered_voters: number | null;
}

/**
 * The definition of an election: everything a tally depends on and nothing personal. Its hash
 * travels with every batch. `locations` are the reporting units where ballots are cast; `parents`
 * are the units above them. Both in the input's order.
 */
export interface Election {
  readonly id: ElectionId;
  readonly name: string;
  /** ISO 8601 date, or null. */
  readonly date: string | null;
  readonly is_test: boolean;
  /**
   * True where the source of a replay states votes and no ballots: ballots, turnout and blank
   * choices are then the fewest that hold these votes, and no facts. Absent otherwise.
   */
  readonly ballots_simulated?: boolean;
  readonly source: ElectionSource;
  readonly contests: readonly Contest[];
  readonly parties: readonly Party[];
  /** Grouped by contest, in the order of `contests`. */
  readonly candidates: readonly Candidate[];
  readonly locations: readonly Location[];
  readonly parents: readonly Location[];
}

/**
 * One text for a candidate of the whole election, also the key in topic `votes-per-candidate`. An
 * id is unique only within its contest: two contests may both have a "Write-in".
 */
export const candidateKey = (contestId: string, candidateId: string): string =>
  JSON.stringify([contestId, candidateId]);

/** @returns a look-up of the name of a candidate's party; null for an independent. */
export function partyNames(election: Election): (candidate: Candidate) => string | null {
  const names = new Map<string | null, string>(election.parties.map(({ id, name }) => [id, name]));
  return ({ party_id }) => names.get(party_id) ?? null;
}

/** The first id that repeats an earlier one, or looks like it. */
function firstRepeated(keys: Iterable<string>): string | undefined {
  const seen = new Set<string>();
  for (const key of keys) {
    const compared = comparisonKey(key);
    if (seen.has(compared)) return key;
    seen.add(compared);
  }
  return undefined;
}

/**
 * Checks the rules that every later part relies on: unique ids, references that resolve, sane
 * counting rules, no cycle in the tree.
 * @returns the election unchanged, or one sentence that names the first fault and the next step.
 */
export function checkElection(election: Election): Outcome<Election, string> {
  const repeated =
    firstRepeated(election.contests.map((contest) => contest.id)) ??
    firstRepeated(election.parties.map((party) => party.id)) ??
    firstRepeated(election.candidates.map(({ contest_id, id }) => candidateKey(contest_id, id))) ??
    firstRepeated([...election.locations, ...election.parents].map((location) => location.id));
  if (repeated !== undefined)
    return err(`the id ${repeated} is given twice, or two ids look the same; ids must be unique`);
  if (election.contests.length === 0) return err('there is no contest; an election needs at least one');
  if (election.locations.length === 0) return err('there is no location; an election needs at least one');
  return checkContests(election) ?? checkCandidates(election) ?? checkLocations(election) ?? ok(election);
}

type Refusal = { readonly ok: false; readonly error: string };

function checkContests(election: Election): Refusal | undefined {
  const locations = new Set<string>(election.locations.map((location) => location.id));
  for (const contest of election.contests) {
    for (const [rule, value] of [
      ['vote_for', contest.vote_for],
      ['seats', contest.seats],
    ] as const)
      if (!Number.isSafeInteger(value) || value < 1)
        return err(`contest "${contest.id}" has ${rule} ${value}; it must be a whole number from 1`);
    const unknown = contest.location_ids?.find((id) => !locations.has(id));
    if (unknown !== undefined) return err(`contest "${contest.id}" names the unknown location "${unknown}"`);
    if (!election.candidates.some((candidate) => candidate.contest_id === contest.id))
      return err(`contest "${contest.id}" has no candidate; give it at least one`);
  }
  return undefined;
}

function checkCandidates(election: Election): Refusal | undefined {
  const contests = new Map<string, number>(election.contests.map((contest, position) => [contest.id, position]));
  const parties = new Set(election.parties.map((party) => party.id));
  let previous = 0;
  for (const candidate of election.candidates) {
    const contest = contests.get(candidate.contest_id);
    if (contest === undefined)
      return err(`candidate "${candidate.id}" stands in the unknown contest "${candidate.contest_id}"`);
    if (contest < previous) return err(`candidate "${candidate.id}" is not grouped with its contest`);
    previous = contest;
    if (candidate.party_id !== null && !parties.has(candidate.party_id))
      return err(`candidate "${candidate.id}" names the unknown party "${candidate.party_id}"`);
  }
  return undefined;
}

function checkLocations(election: Election): Refusal | undefined {
  const parents = new Map<string, LocationId | null>(election.parents.map((parent) => [parent.id, parent.parent_id]));
  for (const location of [...election.locations, ...election.parents]) {
    const registered = location.registered_voters;
    if (registered !== null && (!Number.isSafeInteger(registered) || registered < 0))
      return err(`location "${location.id}" has ${registered} registered voters; it must be a whole number from 0`);
    const path = new Set<string>([location.id]);
    for (let above = location.parent_id; above !== null; above = parents.get(above) ?? null) {
      if (!parents.has(above)) return err(`location "${location.id}" names the unknown parent "${above}"`);
      if (path.has(above)) return err(`location "${location.id}" is its own parent`);
      path.add(above);
    }
  }
  return undefined;
}

/**
 * The bytes whose SHA-256 is the definition's hash: JSON with a fixed order of keys, so equal
 * definitions are equal texts.
 */
export function canonicalDefinition(election: Election): string {
  return JSON.stringify(sortKeys(election));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  );
}
