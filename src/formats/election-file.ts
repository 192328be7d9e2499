import { z } from 'zod';
import { comparisonKey, IdLookup, idFromName } from '../domain/election/comparison-key.ts';
import {
  type Candidate,
  type CandidateId,
  type Contest,
  type ContestId,
  checkElection,
  type Election,
  type Location,
  type LocationId,
  parseElectionId,
  TEXT_LENGTH_MAX,
} from '../domain/election/election.ts';
import { LOCATION_CONTEST_PAIRS_MAX } from '../domain/election/election-index.ts';
import { lookAlikes } from '../domain/election/look-alikes.ts';
import { err, type Outcome, ok } from '../domain/outcome.ts';
import { findRepeatedKey, lineOfValue } from '../files/json-places.ts';
import { formatPath, ProblemList, quoteValue, refusal } from '../files/problems.ts';
import { readWhole } from '../files/text-files.ts';
import {
  idProblem,
  isDate,
  PHOTO_LENGTH_MAX,
  PROSE_LENGTH_MAX,
  photoProblem,
  proseProblem,
  textProblem,
  type ValueProblem,
} from '../files/values.ts';
import { CANDIDATES_MAX, CONTESTS_MAX, LOCATIONS_MAX } from './results/results-table.ts';

/** Room for the portraits of some hundred candidates. The file is held in memory whole. */
const ELECTION_FILE_BYTES_MAX = 64_000_000;

/**
 * A check that the JSON schema cannot express. Zod calls it for values that passed the checks of
 * the schema.
 */
const refine =
  (check: (text: string) => ValueProblem | null) =>
  (context: z.core.ParsePayload<string>): void => {
    const problem = check(context.value);
    if (problem !== null)
      context.issues.push({
        code: 'custom',
        message: problem.reason,
        params: { nextStep: problem.nextStep },
        input: context.value,
      });
  };
const text = () => z.string().min(1).max(TEXT_LENGTH_MAX).check(refine(textProblem));
const prose = () =>
  z
    .string()
    .min(1)
    .max(PROSE_LENGTH_MAX)
    .check(refine((value) => proseProblem(value, PROSE_LENGTH_MAX)));
const id = () => text().check(refine((value) => (value === value.trim() ? idProblem(value) : SURROUNDED)));
const SURROUNDED: ValueProblem = { reason: 'begins or ends with a space', nextStep: 'remove it' };
const parsed =
  (parse: (value: string) => Outcome<unknown, string>, nextStep: string) =>
  (value: string): ValueProblem | null => {
    const result = parse(value);
    return result.ok ? null : { reason: result.error, nextStep: nextStep };
  };
const dateOf = (value: string): Outcome<string, string> =>
  isDate(value) ? ok(value) : err('is not a date of the calendar');

const locationSchema = z.strictObject({
  id: id(),
  name: text().optional().describe('The id where not given.'),
  type: text().optional().describe('What kind of reporting unit: precinct, county, state...'),
  parent_id: id().nullish().describe('The id of one of "parents".'),
  registered_voters: z.int().min(0).nullish().describe('Null or not given where it is unknown.'),
});

/**
 * The election file. A member that it leaves out has a default. An unknown member is refused, since
 * it may be a misspelt name.
 */
export const electionFileSchema = z
  .strictObject({
    $schema: z.string().optional(),
    id: z
      .string()
      .min(1)
      .max(200)
      .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/)
      .check(refine(parsed(parseElectionId, 'write an id such as council-2026')))
      .describe('Lower-case letters, digits and hyphens; it names the topics.'),
    name: text(),
    date: z
      .string()
      .regex(/^\d{4}-\d{2}-\d{2}$/)
      .check(refine(parsed(dateOf, 'write year-month-day')))
      .nullish()
      .describe('ISO 8601, e.g. 2026-05-07.'),
    is_test: z.boolean().default(false).describe('A rehearsal, whose ballots no real election counts.'),
    source: z
      .enum(['ballots', 'returns'])
      .default('ballots')
      .describe('"ballots" counts votes; "returns" takes the official counts of others.'),
    contests: z
      .array(
        z.strictObject({
          id: id(),
          name: text().optional().describe('The id where not given.'),
          vote_for: z.int().min(1).max(1000).default(1).describe('The most selections of a ballot.'),
          seats: z.int().min(1).max(1000).default(1).describe('How many are elected.'),
          location_ids: z
            .array(id())
            .min(1)
            .nullish()
            .describe('Where it is on the ballot; everywhere where not given.'),
        }),
      )
      .min(1)
      .max(CONTESTS_MAX),
    parties: z
      .array(z.strictObject({ id: id(), name: text().optional() }))
      .max(CANDIDATES_MAX)
      .default([]),
    candidates: z
      .array(
        z.strictObject({
          id: id().optional().describe('Unique in its contest; the name where not given.'),
          contest_id: id().optional().describe('May be left out where there is one contest.'),
          name: text(),
          party_id: id().nullish().describe('Null or not given for an independent.'),
          aggregate: z
            .boolean()
            .default(false)
            .describe('A line that sums several people: never leading, never elected.'),
          biography: prose().nullish(),
          platform: prose().nullish(),
          photo: z
            .string()
            .max(PHOTO_LENGTH_MAX)
            .check(refine(photoProblem))
            .nullish()
            .describe('An https address or a data: picture.'),
        }),
      )
      .min(1)
      .max(CANDIDATES_MAX),
    locations: z.array(locationSchema).min(1).max(LOCATIONS_MAX).describe('Where ballots are cast.'),
    parents: z.array(locationSchema).max(LOCATIONS_MAX).default([]).describe('The units above: counties, states...'),
  })
  .describe('An election of Tallyroom.');

type ElectionFile = z.output<typeof electionFileSchema>;

/** The schema of the file as JSON Schema, for docs/election.schema.json. */
export const electionJsonSchema = (): unknown => z.toJSONSchema(electionFileSchema, { io: 'input' });

export interface ElectionFileRead {
  readonly election: Election;
  readonly sha256: string;
  /** Names that may be one, and are counted as two. */
  readonly notices: readonly string[];
}

/**
 * Reads an election file (docs/election.schema.json). The `column` of a problem is a path such as
 * `candidates[2].party_id`.
 * @throws InputRefused
 */
export async function readElectionFile(path: string): Promise<ElectionFileRead> {
  const { text: json, sha256 } = await readWhole(path, ELECTION_FILE_BYTES_MAX);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    const line = /\(line (\d+) column/.exec(cause instanceof Error ? cause.message : '')?.[1];
    throw refusal(
      path,
      line === undefined ? lineOfMistake(json) : Number(line),
      null,
      'this is not JSON',
      'look for a missing comma, quote or bracket here or on the line before',
    );
  }
  const repeated = findRepeatedKey(json);
  if (repeated !== null)
    throw refusal(
      path,
      repeated.line,
      quoteValue(repeated.key),
      `the object has this key already, on line ${repeated.first_line}, and only one of the two can be meant`,
      'remove or rename one',
    );
  const parsedFile = electionFileSchema.safeParse(value);
  const problems = new ProblemList(path);
  if (!parsedFile.success)
    for (const issue of parsedFile.error.issues) {
      const nextStep = issue.code === 'custom' ? issue.params?.nextStep : undefined;
      const column = formatPath(issue.path);
      problems.add(
        lineOfValue(json, issue.path),
        column === '' ? null : column,
        lowerFirst(issue.message),
        typeof nextStep === 'string' ? nextStep : 'write it as docs/election.schema.json says',
      );
    }
  problems.refuse();
  const file = parsedFile.data!;
  for (const { first, second, id: text, is_equal } of sameIds(file))
    problems.add(
      lineOfValue(json, second),
      formatPath(second),
      `${quoteValue(text)} ${is_equal ? 'is given twice: so is' : 'looks the same as'} ${formatPath(first)} on line ${lineOfValue(json, first)}`,
      'give one of them another id',
    );
  problems.refuse();
  const election = electionOf(file);
  if (!election.ok) throw refusal(path, null, null, election.error, 'correct it in the file');
  return { election: election.value, sha256, notices: noticesOf(path, json, file) };
}

/**
 * The line where a text stops being JSON. V8 names the line for some mistakes only ("Unexpected
 * token" comes without a position). So the function searches for the shortest run of lines from the
 * beginning that has a mistake besides ending too early.
 */
function lineOfMistake(json: string): number {
  const lines = json.trimEnd().split('\n');
  let sound = 0;
  let wrong = lines.length;
  while (wrong - sound > 1) {
    const middle = (sound + wrong) >>> 1;
    if (isBeginning(`${lines.slice(0, middle).join('\n')}\n`)) sound = middle;
    else wrong = middle;
  }
  return wrong;
}

function isBeginning(json: string): boolean {
  try {
    JSON.parse(json);
    return true;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : '';
    const position = /at position (\d+)/.exec(message)?.[1];
    return position === undefined ? /^Unexpected end/.test(message) : Number(position) === json.length;
  }
}

const lowerFirst = (message: string): string => message.charAt(0).toLowerCase() + message.slice(1);

interface SameId {
  readonly id: string;
  readonly is_equal: boolean;
  readonly first: readonly PropertyKey[];
  readonly second: readonly PropertyKey[];
}

/** The ids that repeat or look like an earlier one, with the paths of both. */
function* sameIds(file: ElectionFile): Generator<SameId> {
  const candidates = file.candidates.map(({ id, name }) => id ?? idFromName(name));
  const contests = new IdLookup(new Map(file.contests.map((contest, number) => [contest.id, number])));
  const lists: readonly (readonly [path: string, id: string, scope: string][])[] = [
    file.contests.map(({ id }, i) => [`contests.${i}.id`, id, '']),
    file.parties.map(({ id }, i) => [`parties.${i}.id`, id, '']),
    file.candidates.map(({ id, contest_id = '' }, i) => [
      `candidates.${i}.${id === undefined ? 'name' : 'id'}`,
      candidates[i]!,
      String(contests.find(contest_id)),
    ]),
    [
      ...file.locations.map(({ id }, i): [string, string, string] => [`locations.${i}.id`, id, '']),
      ...file.parents.map(({ id }, i): [string, string, string] => [`parents.${i}.id`, id, '']),
    ],
  ];
  for (const list of lists) {
    const seen = new Map<string, (typeof list)[number]>();
    for (const entry of list) {
      const [path, id, scope] = entry;
      const key = `${scope}\t${comparisonKey(id)}`;
      const first = seen.get(key);
      if (first === undefined) seen.set(key, entry);
      else yield { id, is_equal: first[1] === id, first: pathOf(first[0]), second: pathOf(path) };
    }
  }
}

const pathOf = (text: string): PropertyKey[] =>
  text.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));

function noticesOf(path: string, json: string, { contests, candidates, parties }: ElectionFile): string[] {
  const partyNames = new Map(parties.map(({ id, name }) => [id, name ?? id]));
  const entries = candidates.map(({ name, party_id, contest_id = contests[0]!.id }, i) => ({
    contest: contest_id,
    name,
    party: party_id == null ? '' : (partyNames.get(party_id) ?? party_id),
    // Each look for a line reads the text up to it, and few names are told.
    get line() {
      return lineOfValue(json, ['candidates', i, 'name']);
    },
  }));
  return lookAlikes(entries).map((notice) => `${path}: ${notice}`);
}

/** Turns a reference into the spelling of the id that it names; an unknown one stays as it is. */
function referenceTo(ids: readonly string[]): (text: string) => string {
  const lookup = new IdLookup(new Map(ids.map((id, number) => [id, number])));
  return (text) => ids[lookup.find(text)] ?? text;
}

function electionOf(file: ElectionFile): Outcome<Election, string> {
  if (file.contests.length * file.locations.length > LOCATION_CONTEST_PAIRS_MAX)
    return err(`contests x locations are more than ${LOCATION_CONTEST_PAIRS_MAX}`);
  const [onlyContest] = file.contests;
  const homeless = file.candidates.find((candidate) => candidate.contest_id === undefined);
  if (file.contests.length > 1 && homeless !== undefined)
    return err(`candidate "${homeless.name}" has no contest_id, and there are ${file.contests.length} contests`);
  const contestId = referenceTo(file.contests.map(({ id }) => id));
  const partyId = referenceTo(file.parties.map(({ id }) => id));
  const locationId = referenceTo(file.locations.map(({ id }) => id));
  const parentId = referenceTo(file.parents.map(({ id }) => id));
  const byContest = new Map<string, Candidate[]>(file.contests.map((contest) => [contest.id, []]));
  for (const { contest_id: given_id, ...given } of file.candidates) {
    const contest_id = given_id === undefined ? onlyContest!.id : contestId(given_id);
    const group = byContest.get(contest_id);
    if (group === undefined) return err(`candidate "${given.name}" stands in the unknown contest "${contest_id}"`);
    group.push({
      id: (given.id ?? idFromName(given.name)) as CandidateId,
      contest_id: contest_id as ContestId,
      name: given.name,
      party_id: given.party_id == null ? null : partyId(given.party_id),
      aggregate: given.aggregate,
      biography: given.biography ?? null,
      platform: given.platform ?? null,
      photo: given.photo ?? null,
    });
  }
  const electionId = parseElectionId(file.id);
  if (!electionId.ok) return electionId;
  return checkElection({
    id: electionId.value,
    name: file.name,
    date: file.date ?? null,
    is_test: file.is_test,
    source: file.source,
    contests: file.contests.map((contest) => contestOf(contest, locationId)),
    parties: file.parties.map((party) => ({ id: party.id, name: party.name ?? party.id })),
    candidates: [...byContest.values()].flat(),
    locations: file.locations.map((location) => locationOf(location, 'location', parentId)),
    parents: file.parents.map((parent) => locationOf(parent, 'parent', parentId)),
  });
}

function contestOf(
  { id: contestId, name, vote_for, seats, location_ids }: ElectionFile['contests'][number],
  locationId: (text: string) => string,
): Contest {
  return {
    id: contestId as ContestId,
    name: name ?? contestId,
    vote_for,
    seats,
    location_ids:
      location_ids == null ? null : [...new Set(location_ids.map((text) => locationId(text) as LocationId))],
  };
}

function locationOf(
  given: ElectionFile['locations'][number],
  type: string,
  parentId: (text: string) => string,
): Location {
  return {
    id: given.id as LocationId,
    name: given.name ?? given.id,
    type: given.type ?? type,
    parent_id: given.parent_id == null ? null : (parentId(given.parent_id) as LocationId),
    registered_voters: given.registered_voters ?? null,
  };
}
