import { isDeepStrictEqual } from 'node:util';
import { sumOf } from '../../domain/counts.ts';
import type { Election } from '../../domain/election/election.ts';
import {
  DEFINITION_KEY,
  type DefinitionRecord,
  REMOVAL_KEY_PREFIX,
  REVISION_KEY_PREFIX,
  type RevisionRecord,
  VOTES_END_KEY_PREFIX,
} from '../../domain/log/records.ts';
import { parseObject } from '../../domain/results/published-results.ts';
import { COMPACTED_TOPICS, type LogRecord, TOPICS } from '../../ports/log.ts';
import type { Rows } from '../../ports/recount.ts';
import { type Check, CLOCKS_MS_MAX, type DefinitionTopic, noneOf, type Verification } from './check.ts';
import { differingRoots } from './roll-root.ts';

type Row = Readonly<Record<string, unknown>>;
type Records = ReadonlyMap<string, LogRecord>;

/** Compares the small tables with the definition, with topic `definition` and with each other. */
export function compareTables(verification: Verification, definition: DefinitionTopic): Check[] {
  const record = parseObject(definition.after.get(DEFINITION_KEY)?.value ?? '') as DefinitionRecord | null;
  return [
    noneOf('table elections = the definition', differingElection(verification, record)),
    noneOf('tables contests, parties, candidates, locations = the definition', differingDefinition(verification)),
    noneOf('table revisions and removed voters = topic definition', differingRevisions(verification, definition)),
    noneOf('table roll_roots = topic definition', differingRoots(verification, definition)),
    noneOf('keys of topic definition', unknownKeys(verification, definition.before)),
    noneOf('table log_ends = the log', differingEnds(verification)),
    noneOf('the ends of votes = table source_offsets', differingVotesEnds(verification, definition)),
    noneOf('table rejections = table source_offsets', differingRejections(verification)),
  ];
}

function differingElection({ index, moment }: Verification, record: DefinitionRecord | null): string[] {
  const { election } = index;
  const row = moment.election;
  const differences: string[] = [];
  const compare = (column: string, expected: unknown): void => {
    if (!isDeepStrictEqual(row[column], expected))
      differences.push(`elections.${column} is ${JSON.stringify(row[column])} and must be ${JSON.stringify(expected)}`);
  };
  compare('election_id', election.id);
  compare('name', election.name);
  compare('source', election.source);
  if (record !== null) {
    compare('partitions', record.partitions);
    compare('format', record.format ?? 1);
    compare('instance', record.instance ?? null);
    const definedAt = row.defined_at === null ? null : new Date(`${row.defined_at}`).toISOString();
    if (record.instance !== undefined && definedAt !== record.defined_at)
      differences.push(`elections.defined_at is ${definedAt} and must be ${record.defined_at}`);
    const made = Date.parse(`${row.created_at}`);
    const defined = Date.parse(record.defined_at);
    // A roll is staged between the two, for as long as it takes.
    if (!(made <= defined + CLOCKS_MS_MAX && defined <= Date.parse(moment.now) + CLOCKS_MS_MAX))
      differences.push(`the definition was made at ${record.defined_at}, and the election at ${row.created_at}`);
  }
  compare('revision', moment.revisions.length);
  return differences;
}

function differingDefinition({ index, moment }: Verification): string[] {
  const { contests, parties, candidates, locations, parents } = index.election;
  const contestNumbers = new Map(contests.map(({ id }, number) => [id, number]));
  const byId = (left: Row, right: Row): number => (`${left.party_id}` < `${right.party_id}` ? -1 : 1);
  return [
    ...differingRows(
      'contests',
      moment.contests,
      contests.map(({ id, name, vote_for, seats }, contest_no) => ({
        contest_id: id,
        contest_no,
        name,
        vote_for,
        seats,
      })),
    ),
    ...differingRows(
      'parties',
      [...moment.parties].sort(byId),
      parties.map(({ id, name }) => ({ party_id: id, name })).sort(byId),
    ),
    ...differingRows(
      'candidates',
      moment.candidates,
      candidates.map(({ id, contest_id, ...candidate }, candidate_no) => ({
        candidate_id: id,
        candidate_no,
        contest_no: contestNumbers.get(contest_id),
        ...candidate,
      })),
    ),
    ...differingRows(
      'locations',
      moment.locations,
      [...locations, ...parents].map(({ id, ...location }, location_no) => ({
        location_id: id,
        location_no,
        ...location,
      })),
    ),
  ];
}

/** Compares the columns that the definition gives. The rows were read by their `election_no`. */
function differingRows(table: string, rows: Rows, expected: readonly Row[]): string[] {
  const differences: string[] = [];
  for (const [at, wanted] of expected.entries()) {
    const row = rows[at];
    if (row === undefined) return [...differences, `table ${table} lacks row ${at}`];
    for (const [column, value] of Object.entries(wanted))
      if (column in row && row[column] !== value)
        differences.push(
          `${table}.${column} of row ${at} is ${JSON.stringify(row[column])}, not ${JSON.stringify(value)}`,
        );
  }
  const more = rows.length - expected.length;
  return more > 0 ? [...differences, `table ${table} has ${more} rows too many`] : differences;
}

function differingRevisions({ moment }: Verification, { before, after }: DefinitionTopic): string[] {
  const differences: string[] = [];
  for (const [at, row] of moment.revisions.entries()) {
    const key = `${REVISION_KEY_PREFIX}${at + 1}`;
    const record = parseObject(after.get(key)?.value ?? '') as RevisionRecord | null;
    if (
      row.revision !== at + 1 ||
      row.description_hash !== record?.description_hash ||
      row.reason !== record?.reason ||
      Date.parse(`${row.made_at}`) !== Date.parse(`${record?.made_at}`)
    )
      differences.push(`row ${at + 1} of table revisions is not as record ${key}`);
  }
  differences.push(...differingRolls(moment, after));
  const rows = new Map(moment.removals.map((row) => [`${REMOVAL_KEY_PREFIX}${row.voter_id}`, row]));
  for (const [key, row] of rows) {
    const { voter_id, reason, revision } = parseObject(after.get(key)?.value ?? '') ?? {};
    if (!isDeepStrictEqual({ ...row }, { voter_id, reason, revision }))
      differences.push(`record ${key} is not as the voter in table voters`);
  }
  for (const key of before.keys()) {
    if (key.startsWith(REMOVAL_KEY_PREFIX) && !rows.has(key)) differences.push(`table voters lacks ${key}`);
    const [, number] = /^revision:(.*)$/.exec(key) ?? [];
    if (number !== undefined && moment.revisions[Number(number) - 1] === undefined)
      differences.push(`table revisions lacks ${key}`);
  }
  return differences;
}

/** A revision moves the electorates by the voters that it added and removed. */
function differingRolls({ revisions, removals }: Verification['moment'], definition: Records): string[] {
  const differences: string[] = [];
  const electorate = (key: string): number => {
    const { election } = (parseObject(definition.get(key)?.value ?? '') ?? {}) as { election?: Election };
    return sumOf(election?.locations?.map(({ registered_voters }) => registered_voters ?? 0) ?? []);
  };
  for (const [at, row] of revisions.entries()) {
    const [added, removed] = [Number(row.voters_added), Number(row.voters_removed)];
    const [key, former] = [at + 1, at].map((n) => (n === 0 ? DEFINITION_KEY : `${REVISION_KEY_PREFIX}${n}`));
    const moved = row.reason === 'description' ? 0 : electorate(key!) - electorate(former!);
    if (added - removed !== moved)
      differences.push(`table revisions: ${key} added ${added} and removed ${removed}, and the roll has ${moved} more`);
    const gone = removals.filter(({ revision }) => revision === at + 1).length;
    if (gone !== removed) differences.push(`table revisions: ${key} removed ${removed}, and table voters says ${gone}`);
  }
  return differences;
}

/** The keys that topic `definition` has. */
const KEY = /^(definition|revision:\d+|removal:\d+|votes-end:\d+|roll(:\d+)?)$/;

function unknownKeys({ entry }: Verification, definition: Records): string[] {
  return [...definition.keys()].flatMap((key) => {
    const [, partition = '0'] = /^votes-end:(\d+)$/.exec(key) ?? [];
    return KEY.test(key) && Number(partition) < entry.partitions
      ? []
      : [`topic definition has the unknown key "${key}"`];
  });
}

function differingEnds({ entry, index, moment }: Verification): string[] {
  const differences: string[] = [];
  const { source } = index.election;
  const rows = new Map(moment.log_ends.map((row) => [`${row.topic}/${row.partition}`, row]));
  for (const topic of TOPICS)
    for (let partition = 0; partition < (COMPACTED_TOPICS.has(topic) ? 1 : entry.partitions); partition++) {
      const place = `${topic}/${partition}`;
      const row = rows.get(place);
      rows.delete(place);
      if (row === undefined) {
        differences.push(`table log_ends lacks ${place}`);
        continue;
      }
      const isChained = topic === (source === 'returns' ? 'returns' : 'votes');
      if (!isChained && (row.next_batch !== 0 || row.hash !== null))
        differences.push(`${place} has batches or a hash in table log_ends`);
      if (!isChained && row.next_seq !== (topic === 'voters' ? row.next_offset : 0))
        differences.push(`${place}: next_seq is ${row.next_seq} in table log_ends`);
      if (!isChained && (topic === 'returns' || topic === 'votes') && row.next_offset !== 0)
        differences.push(`${place} has records in table log_ends`);
      if (row.stored_end !== null && row.stored_end !== row.next_offset)
        differences.push(`${place}: next_offset is ${row.next_offset}, and table log ends at ${row.stored_end}`);
    }
  const votes = moment.log_ends.filter(({ topic }) => topic === 'votes');
  for (const [what, stored, ended] of [
    ['rows', moment.batches.rows, sumOf(votes.map((row) => row.next_batch))],
    ['votes', moment.batches.votes, sumOf(votes.map((row) => row.next_seq))],
  ] as const)
    if (stored !== ended) differences.push(`table batches has ${stored} ${what}, and table log_ends says ${ended}`);
  return [...differences, ...[...rows.keys()].map((place) => `table log_ends has an unknown ${place}`)];
}

/** The end of the votes of a partition is announced once its voters have all been asked. */
function differingVotesEnds({ entry, moment }: Verification, { before, after }: DefinitionTopic): string[] {
  const differences: string[] = [];
  const source = (name: string, partition: number): number | undefined =>
    moment.sources.find((row) => row.source === name && row.partition === partition)?.next_offset;
  const end = (topic: string, partition: number): number =>
    moment.log_ends.find((row) => row.topic === topic && row.partition === partition)?.next_seq ?? 0;
  const hasLateVoters = moment.revisions.some((row) => row.reason === 'voters-added');
  for (let partition = 0; partition < entry.partitions; partition++) {
    const asked = source('voters', partition) ?? 0;
    const voters = end('voters', partition);
    if (asked > voters)
      differences.push(`${asked} voters of partition ${partition} were asked, and ${voters} are there`);
    const key = `${VOTES_END_KEY_PREFIX}${partition}`;
    const row = source(key, 0);
    const records = [before, after].map((topic) => parseObject(topic.get(key)?.value ?? ''));
    if (row === undefined) {
      // Votes that followed have opened the end again, or it was opened after the first look.
      if (records.every((record) => record !== null && record.seq_end !== null))
        differences.push(`${key} is in topic definition and not in table source_offsets`);
      continue;
    }
    if (!records.some((record) => record?.partition === partition && record.seq_end === row))
      differences.push(`${key}: the topic has ${records[1]?.seq_end}, and table source_offsets ${row}`);
    if (row > end('votes', partition))
      differences.push(`${key} is ${row}, and the log has ${end('votes', partition)} votes`);
    if (!hasLateVoters && asked !== voters)
      differences.push(`${key} is there, and of ${voters} voters ${asked} were asked`);
  }
  return differences;
}

const REASONS: ReadonlySet<string> = new Set([
  'malformed',
  'unknown-voter',
  'wrong-location',
  'already-voted',
  'unknown-location',
  'unknown-contest',
  'contest-not-on-ballot',
  'unknown-candidate',
  'repeated-candidate',
]);

/** A rejection is of a source that was read beyond it. */
function differingRejections({ moment }: Verification): string[] {
  const differences: string[] = [];
  const made = Date.parse(`${moment.election.created_at}`) - CLOCKS_MS_MAX;
  const now = Date.parse(moment.now) + CLOCKS_MS_MAX;
  for (const { source, partition, reason, last_offset, first_at, last_at } of moment.rejections) {
    const read = moment.sources.find((row) => row.source === source && row.partition === partition)?.next_offset ?? 0;
    const place = `rejections of ${source}, partition ${partition}`;
    if (last_offset >= read)
      differences.push(`${place}: ${last_offset} was refused, and the source was read to ${read}`);
    if (!REASONS.has(reason)) differences.push(`${place}: the reason "${reason}" is unknown`);
    if (Date.parse(first_at) < made || Date.parse(last_at) > now)
      differences.push(`${place}: refused outside the time of the election`);
  }
  return differences;
}

/** The sources that Tallyroom has, by their names in table `source_offsets`. */
const SOURCE = /^(voters|register|publish|stage|votes-end:\d+|(file|topic|identity of topic):.+)$/s;

/**
 * Each source has a known name, and was read as far as its votes and its refused votes need.
 * @param votes the votes in the log, by source.
 */
export function compareSources({ entry, moment }: Verification, votes: ReadonlyMap<string, number>): Check {
  const differences: string[] = [];
  const read = new Map<string, number>();
  for (const { source, partition, next_offset } of moment.sources) {
    read.set(source, (read.get(source) ?? 0) + next_offset);
    const partitions = source === 'voters' ? entry.partitions : source.startsWith('topic:') ? Infinity : 1;
    if (partition >= partitions) differences.push(`table source_offsets has partition ${partition} of ${source}`);
    if (!SOURCE.test(source)) differences.push(`table source_offsets has an unknown source "${source}"`);
  }
  const refused = new Map<string, number>();
  for (const row of moment.rejections) refused.set(row.source, (refused.get(row.source) ?? 0) + row.votes);
  for (const source of new Set([...votes.keys(), ...refused.keys()])) {
    const taken = (votes.get(source) ?? 0) + (refused.get(source) ?? 0);
    if (taken > (read.get(source) ?? 0))
      differences.push(`${source} gave ${taken} votes and refusals, and was read to ${read.get(source) ?? 0}`);
  }
  const isLaidOut = entry.arguments.kind === 'generated' || entry.arguments.kind === 'results';
  if (entry.voters_total !== null)
    for (const source of isLaidOut ? ['register'] : ['publish'])
      if (!read.has(source)) differences.push(`table source_offsets lacks ${source}, and the roll is complete`);
  const registered = read.get('register');
  const published = sumOf(moment.log_ends.filter(({ topic }) => topic === 'voters').map(({ next_seq }) => next_seq));
  if (registered !== undefined && registered !== published)
    differences.push(`${registered} voters were registered, and topic voters has ${published}`);
  return noneOf('table source_offsets = what was taken from each source', differences);
}

/** The description that the election was made with, and every revision that can be read. */
export function descriptionsOf({ index }: Pick<Verification, 'index'>, definition: Records): Map<number, Election> {
  const descriptions = new Map<number, Election>();
  for (const [key, { value }] of definition) {
    const [, revision = '0'] = /^revision:(\d+)$/.exec(key) ?? [];
    if (key !== DEFINITION_KEY && revision === '0') continue;
    const election = (parseObject(value) as { election?: Election } | null)?.election;
    if (
      election?.candidates?.length === index.election.candidates.length &&
      election.locations?.length === index.election.locations.length
    )
      descriptions.set(Number(revision), election);
  }
  return descriptions;
}
