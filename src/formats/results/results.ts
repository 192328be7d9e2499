import { parse as parsePath } from 'node:path';
import { type ReplayedVotes, STATED_BALLOTS } from '../../domain/ballots/replay.ts';
import {
  type Candidate,
  type Contest,
  type ContestId,
  checkElection,
  type Election,
  type ElectionId,
  type Location,
  type LocationId,
  type Party,
  parseElectionId,
} from '../../domain/election/election.ts';
import { lookAlikes } from '../../domain/election/look-alikes.ts';
import type { RowReadings } from '../../domain/election/origin.ts';
import { columnOf, openTable, unusedColumns } from '../../files/csv.ts';
import { quoteValue, refusal } from '../../files/problems.ts';
import { candidateIds } from '../candidate-ids.ts';
import { AGGREGATE_NAMES, createAggregateTest } from './aggregates.ts';
import { doubts } from './doubts.ts';
import { type Electorate, readElectorate } from './electorate.ts';
import { type InterpretedRows, interpretRows } from './interpret.ts';
import { splitContests } from './merged-contests.ts';
import { RESULTS_COLUMNS, RESULTS_OPTIONAL, RESULTS_REQUIRED, ResultsTable } from './results-table.ts';

/**
 * Official results as CSV, read whole. A file with any problem is refused, since a part of a result
 * is a wrong result.
 */

export interface ResultsOptions {
  /** A file of registered voters by location. */
  readonly electorate?: string | null;
  /** Names that stand for several people, instead of {@link AGGREGATE_NAMES}. */
  readonly aggregates?: readonly string[];
  /** The most selections of a ballot, by contest; 1 for contests that nothing says more of. */
  readonly vote_for?: ReadonlyMap<string, number>;
  /** How rows are read that may be read in two ways. */
  readonly readings?: RowReadings;
}

export const NO_READINGS: RowReadings = { keep: [], leave_out: [], split_contests: false };

export interface OfficialResults {
  readonly election: Election;
  /** The votes, one entry for each row of the file, in its order. */
  readonly votes: readonly ReplayedVotes[];
  /** SHA-256 of the bytes of the results, hex. */
  readonly sha256: string;
  readonly electorate_sha256: string | null;
  /** Facts that a user should know and that are not a reason to refuse. */
  readonly notices: readonly string[];
}

/**
 * Reads results and electorate, each once, into an election that can be cast again.
 * @throws InputRefused with every problem by file and line
 */
export async function readResults(path: string, options: ResultsOptions = {}): Promise<OfficialResults> {
  await using file = await openTable(path, {
    required: RESULTS_REQUIRED,
    optional: RESULTS_OPTIONAL,
    personal: false,
  });
  if (columnOf(file, 'timestamp') !== -1)
    throw refusal(
      path,
      1,
      'timestamp',
      'this is a feed of returns at several times, not one result',
      'keep the rows of one time and remove the column',
    );
  const table = new ResultsTable(file);
  for await (const { rows, problems } of file.blocks) {
    table.problems.addAll(problems);
    for (const { line, fields } of rows) table.take(line, fields);
  }
  table.check();
  const readings = options.readings ?? NO_READINGS;
  const isAggregate = createAggregateTest(options.aggregates);
  const rows = splitContests(path, table, interpretRows(path, table, readings), isAggregate, readings);
  const electorate = options.electorate == null ? null : await readElectorate(options.electorate, table.locations);
  const unused = unusedColumns(file, RESULTS_COLUMNS);
  const assembled = assemble(path, table, rows, electorate, options);
  return {
    ...assembled,
    sha256: file.identity().sha256,
    electorate_sha256: electorate?.sha256 ?? null,
    notices: [
      ...(unused === null ? [] : [unused]),
      ...rows.notices,
      ...(electorate?.notices ?? []),
      ...doubts(path, assembled),
      ...namesOf(table, rows).map((notice) => `${path}: ${notice}`),
    ],
  };
}

/** Names of candidates that may be meant as one. */
function namesOf(table: ResultsTable, { contests }: InterpretedRows): string[] {
  return lookAlikes(
    [...contests].flatMap(([contest, { candidates }]) =>
      [...candidates.values()].map((number) => {
        const { name, party, line } = table.candidates[number]!;
        return { contest, name, party, line };
      }),
    ),
  );
}

function assemble(
  path: string,
  table: ResultsTable,
  rows: InterpretedRows,
  electorate: Electorate | null,
  { vote_for = new Map(), aggregates = AGGREGATE_NAMES }: ResultsOptions,
): Pick<OfficialResults, 'election' | 'votes'> {
  const unknown = [...vote_for.keys()].find((contest) => !rows.contests.has(contest));
  if (unknown !== undefined)
    throw refusal(
      path,
      null,
      'contest',
      `vote_for is given for ${quoteValue(unknown)}, which is not a contest of the file`,
      'correct its id',
    );
  const contestIds = [...rows.contests.keys()] as ContestId[];
  const { candidates, numbers } = groupCandidates(table, rows, createAggregateTest(aggregates));
  const { locations, places } = locationsOf(rows, electorate);
  const ballots = new Map([...rows.ballots, ...(electorate?.ballots ?? [])]);
  const checked = checkElection({
    ...electionNameOf(path),
    date: null,
    // The program casts the ballots of a replay, so a replay must never look like a real count.
    is_test: true,
    ...([...places.keys()].every((place) => ballots.has(place)) ? {} : { ballots_simulated: true }),
    source: 'ballots',
    contests: contestIds.map((id) => contestOf(id, rows, places, vote_for.get(id))),
    parties: partiesOf(candidates),
    candidates,
    locations,
    parents: parentsOf(table, locations),
  });
  if (!checked.ok) throw refusal(path, null, null, checked.error, 'correct the ids in the file');
  const votes = rows.cells.map(({ location, candidate, votes: count }) => ({
    location: places.get(location)!,
    candidate: numbers[candidate]!,
    votes: count,
  }));
  const stated = [...ballots].flatMap(([location, count]) =>
    places.has(location) ? [{ location: places.get(location)!, candidate: STATED_BALLOTS, votes: count }] : [],
  );
  return { election: checked.value, votes: [...votes, ...stated] };
}

/** The locations, and the number of each by its number in the table. */
function locationsOf(
  rows: InterpretedRows,
  electorate: Electorate | null,
): { locations: Location[]; places: ReadonlyMap<number, number> } {
  const places = new Map([...rows.locations.values()].map(({ number }, place) => [number, place]));
  const locations = [...rows.locations].map(
    ([id, { number, name, parent_id }]): Location => ({
      id: id as LocationId,
      name: name === '' ? id : name,
      type: 'location',
      parent_id: parent_id === '' ? null : (parent_id as LocationId),
      registered_voters: electorate?.registered.get(number) ?? rows.registered.get(number) ?? null,
    }),
  );
  return { locations, places };
}

function contestOf(
  id: ContestId,
  rows: InterpretedRows,
  places: ReadonlyMap<number, number>,
  given: number | undefined,
): Contest {
  const { locations: valid, rules } = rows.contests.get(id)!;
  const ids = [...rows.locations.keys()] as LocationId[];
  const numbers = [...valid].map((location) => places.get(location)!).sort((left, right) => left - right);
  return {
    id,
    name: rules.name ?? id,
    vote_for: given ?? rules.vote_for ?? 1,
    seats: rules.seats ?? 1,
    location_ids: valid.size === ids.length ? null : numbers.map((number) => ids[number]!),
  };
}

/** The candidates by contest, and the number of each draft among them. */
function groupCandidates(
  table: ResultsTable,
  { contests }: InterpretedRows,
  isAggregate: (name: string) => boolean,
): { candidates: Candidate[]; numbers: Int32Array } {
  const candidates: Candidate[] = [];
  const numbers = new Int32Array(table.candidates.length);
  for (const [contest_id, contest] of contests) {
    const drafts = [...contest.candidates.values()];
    const ids = candidateIds(drafts.map((draft) => table.candidates[draft]!));
    for (const [i, draft] of drafts.entries()) {
      const { name, party } = table.candidates[draft]!;
      numbers[draft] =
        candidates.push({
          id: ids[i]!,
          contest_id: contest_id as ContestId,
          name,
          party_id: party === '' ? null : party,
          aggregate: isAggregate(name),
          biography: null,
          platform: null,
          photo: null,
        }) - 1;
    }
  }
  return { candidates, numbers };
}

/** In the order of their first candidate. */
const partiesOf = (candidates: readonly Candidate[]): Party[] =>
  [...new Set(candidates.map(({ party_id }) => party_id))].flatMap((id) => (id === null ? [] : [{ id, name: id }]));

/**
 * The parents of the locations. The registered voters of a parent are known where those of all its
 * locations are.
 */
function parentsOf(table: ResultsTable, locations: readonly Location[]): Location[] {
  const registered = new Map<string, number | null>([...table.parents.keys()].map((id) => [id, 0]));
  for (const { parent_id, registered_voters } of locations) {
    if (parent_id === null) continue;
    const before = registered.get(parent_id)!;
    registered.set(parent_id, before === null || registered_voters === null ? null : before + registered_voters);
  }
  return [...table.parents].map(([id, { name }]) => ({
    id: id as LocationId,
    name: name === '' ? id : name,
    type: 'parent',
    parent_id: null,
    registered_voters: registered.get(id)!,
  }));
}

/**
 * `us-mn-2024.csv` is election us-mn-2024, "Us mn 2024"; a name without a Latin letter or digit is
 * "results".
 */
export function electionNameOf(path: string): { id: ElectionId; name: string } {
  const stem = parsePath(path).name;
  const slug = stem
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 100)
    .replace(/^-|-$/g, '');
  const id = parseElectionId(slug);
  const name = stem.replace(/[-_\s]+/g, ' ').trim();
  if (!id.ok) return { id: 'results' as ElectionId, name: name === '' ? 'Results' : name };
  return { id: id.value, name: name.charAt(0).toUpperCase() + name.slice(1) };
}
