import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { sha256 } from '../../base/sha256.ts';
import { locationResult } from '../../domain/counting/location-result.ts';
import { candidateTotals, createTally, knownCount, type Tally, unbalancedSlots } from '../../domain/counting/tally.ts';
import { fractionOf, isCount, sumOf } from '../../domain/counts.ts';
import { candidateKey, type Election, partyNames } from '../../domain/election/election.ts';
import {
  ballotsKey,
  CHECKPOINT_KEY,
  LOCATION_KEY_PREFIX,
  progressKey,
  REMOVED,
  TOTALS_KEY,
} from '../../domain/log/records.ts';
import { createPublishedResults } from '../../domain/results/engine-folds.ts';
import { type PublishedState, parseObject } from '../../domain/results/published-results.ts';
import { type Log, type LogRecord, latestRecords, recordsFrom, type Topic } from '../../ports/log.ts';
import { type Check, check, noneOf, type Verification } from './check.ts';
import { descriptionsOf } from './tables.ts';

/** The published results: the state of topic `results-by-location` that the other topics follow. */
export interface Published {
  readonly tally: Tally;
  readonly state: PublishedState;
  /** The checkpoint of the in-process counter; null where Spark counts. */
  readonly checkpoint: Readonly<Record<string, unknown>> | null;
  readonly checks: readonly Check[];
}

export type Reader = Omit<Verification, 'moment' | 'recount'>;

/**
 * A counter may publish while the three topics are read, and Spark writes a state row by row. So
 * what disagrees is read again, this many times, as long as anything is published meanwhile.
 */
const READS_MAX = 10;
/** Between two reads. Spark writes the rows of a state within this time. */
const READ_AGAIN_MS = 500;

/**
 * Reads the three result topics: of each key the last record that is not newer than the state.
 * @returns null where nothing is published.
 */
export async function readPublished(reader: Reader): Promise<Published | null> {
  for (let reads = 1; ; reads++) {
    const { published, newest } = await readOnce(reader);
    if (published === null || published.checks.every(({ passed }) => passed)) return published;
    if (reads === READS_MAX) return published;
    const isChanged = (await newestOf(reader)) !== newest;
    // The in-process counter publishes a state at once, in all three topics.
    if (!isChanged && published.checkpoint !== null) return published;
    if (!isChanged) await sleep(READ_AGAIN_MS, undefined, { signal: reader.signal });
    if (!isChanged && (await newestOf(reader)) === newest) return published;
  }
}

/** The last record of the topic, which differs when anything is published. */
async function newestOf({ log }: Reader): Promise<string> {
  const last = [...(await latestRecords(log, 'results-by-location')).values()].at(-1);
  return last === undefined ? '' : `${last.offset} ${last.value}`;
}

async function readOnce(reader: Reader): Promise<{ published: Published | null; newest: string }> {
  const { entry, index, log } = reader;
  const shape = { index, definition: entry.definition_hash!, partitions: entry.partitions, sha256 };
  const latest = await latestRecords(log, 'results-by-location');
  const records = [...latest.values()];
  const results = createPublishedResults(records, shape);
  const last = records.at(-1);
  const newest = last === undefined ? '' : `${last.offset} ${last.value}`;
  if (results === null && last === undefined) return { published: null, newest };
  const damaged: string[] = [];
  for (const { offset, key, damage } of results?.take(records) ?? [])
    if (damage !== null) damaged.push(`record ${offset} of results-by-location (${key}) ${damage}`);
  if (results === null) damaged.push('results-by-location has no record of a counter');
  const state = results?.judge() ?? NOTHING_SOUND;
  const tally = results?.tally ?? createTally(index);
  const checkpoint = parseObject(latest.get(CHECKPOINT_KEY)?.value ?? '');
  const candidates = await recordsAt(log, 'votes-per-candidate', state);
  const turnouts = await recordsAt(log, 'turnout-by-location', state);
  // Read last, so that no record follows a later description.
  const descriptions = descriptionsOf(reader, await latestRecords(log, 'definition'));
  const context: Context = { reader, descriptions, tally, state, isLocal: checkpoint !== null };
  for (const key of [CHECKPOINT_KEY, TOTALS_KEY]) {
    const sums = parseObject(latest.get(key)?.value ?? '');
    if (sums !== null && described(context, sums).length === 0)
      damaged.push(`record ${key} has the unknown revision ${sums.revision}`);
  }
  const checks = [
    noneOf('published results can be read', damaged),
    noneOf('published results are a whole and sound state', state.held === null ? [] : [state.held]),
    noneOf('published results have every key and no other', missingKeys(context, latest)),
    compareCandidates(context, candidates),
    compareTurnout(context, turnouts),
    check(
      'votes + undervotes + vote_for x overvoted ballots = vote_for x ballots',
      0,
      unbalancedSlots(index, tally).length,
    ),
    // Foreign records change no result, since they are not counted.
    ...(state.foreign_records === 0
      ? []
      : [
          check(
            `foreign records in topic votes, left out: ${state.foreign_records}`,
            state.foreign_records,
            state.foreign_records,
          ),
        ]),
  ];
  return { published: { tally, state, checkpoint, checks }, newest };
}

const NOTHING_SOUND: PublishedState = { epoch: 0, offset: -1, covers: [], as_of: '', foreign_records: 0, held: null };

type Row = Readonly<Record<string, unknown>>;

interface Context {
  readonly reader: Reader;
  readonly descriptions: ReadonlyMap<number, Election>;
  readonly tally: Tally;
  readonly state: PublishedState;
  readonly isLocal: boolean;
}

/** Keys that each state has, and records of locations that do not say what they must. */
function missingKeys(context: Context, latest: ReadonlyMap<string, LogRecord>): string[] {
  const { reader, tally, isLocal, state } = context;
  const { index, entry } = reader;
  const differences: string[] = [];
  const { locations } = index.election;
  if (!isLocal) {
    const keys = [
      ...locations.map(({ id }) => ballotsKey(id)),
      ...Array.from({ length: entry.partitions }, (_, partition) => progressKey(partition)),
    ];
    return keys.filter((key) => !latest.has(key)).map((key) => `results-by-location has no record ${key}`);
  }
  const known = new Set<string>([CHECKPOINT_KEY, ...locations.map(({ id }) => LOCATION_KEY_PREFIX + id)]);
  for (const key of latest.keys())
    if (!known.has(key)) differences.push(`results-by-location has the unknown key "${key}"`);
  for (const [location, { id }] of locations.entries()) {
    const key = LOCATION_KEY_PREFIX + id;
    const record = parseObject(latest.get(key)?.value ?? '');
    if (record === null) differences.push(`results-by-location has no record ${key}`);
    else if (isNewer(record, state)) differences.push(`record ${key} is newer than the checkpoint`);
    else {
      const expected = locationResult(index, tally, location, 0, []);
      const { epoch: _, covers: __, ...counts } = expected;
      for (const [name, value] of Object.entries(counts))
        if (!isDeepStrictEqual(record[name], JSON.parse(JSON.stringify(value))))
          differences.push(`record ${key}: ${name} is incomplete or of another location`);
    }
  }
  return differences;
}

/** Whether a record was published after the state. */
function isNewer(record: Readonly<Record<string, unknown>>, { epoch, covers, as_of }: PublishedState): boolean {
  if (Number(record.epoch) > epoch) return true;
  if (Array.isArray(record.covers)) return record.covers.some((seq, partition) => !(seq <= (covers[partition] ?? 0)));
  return String(record.as_of) > as_of;
}

/** The last record of each key that is not newer than the state. */
async function recordsAt(log: Log, topic: Topic, state: PublishedState): Promise<Map<string, Row>> {
  const latest = new Map<string, Row>();
  for await (const { key, value } of recordsFrom(log, topic, 0, 0)) {
    if (value === REMOVED) latest.delete(key);
    if (value === REMOVED) continue;
    const record = parseObject(value) ?? {};
    if (!isNewer(record, state)) latest.set(key, record);
  }
  return latest;
}

/** The descriptions that a record may follow: any, where it does not say which. */
function described({ descriptions }: Context, { revision }: Row): Election[] {
  if (revision === undefined) return [...descriptions.values()];
  const election = descriptions.get(Number(revision));
  return election === undefined ? [] : [election];
}

function compareCandidates(context: Context, records: ReadonlyMap<string, Row>): Check {
  const { reader, descriptions, tally } = context;
  const { index } = reader;
  const totals = candidateTotals(index, tally);
  const expected = new Map(
    index.election.candidates.map(({ contest_id, id }, number) => [candidateKey(contest_id, id), number]),
  );
  const parties = new Map(Array.from(descriptions.values(), (each) => [each, partyNames(each)]));
  const differences: string[] = [];
  for (const [written, record] of records) {
    const { contest_id, candidate_id, votes, name, party } = record;
    // The key is made of the ids again, since another writer of JSON may escape the key of the
    // record differently.
    const key = candidateKey(`${contest_id}`, `${candidate_id}`);
    const number = expected.get(key);
    expected.delete(key);
    if (!isDeepStrictEqual(parseKey(written), [contest_id, candidate_id]))
      differences.push(`votes-per-candidate has ${key} under ${written}`);
    if (number === undefined) differences.push(`${key}: no such candidate and ${votes}`);
    else if (totals[number] !== votes) differences.push(`${key}: ${totals[number]} and ${votes}`);
    else if (
      !described(context, record).some((election) => {
        const candidate = election.candidates[number]!;
        return candidate.name === name && parties.get(election)!(candidate) === party;
      })
    )
      differences.push(`${key}: the name is "${name}" and the party "${party}", as no description has them`);
  }
  for (const [key, number] of expected) differences.push(`${key}: ${totals[number]} and no record`);
  return noneOf('results-by-location = votes-per-candidate', differences);
}

/** The ids in a key; null where it has none. */
function parseKey(key: string): unknown {
  try {
    return JSON.parse(key);
  } catch {
    return null;
  }
}

function compareTurnout(context: Context, records: ReadonlyMap<string, Row>): Check {
  const { reader, tally } = context;
  const { index } = reader;
  const differences: string[] = [];
  let published = 0;
  for (const [key, record] of records) {
    const { location_id, ballots_cast, name, registered_voters, turnout } = record;
    const location = index.locationNumbers.get(key) ?? -1;
    const ballots = location === -1 ? undefined : knownCount(tally.ballots[location]!);
    if (isCount(ballots_cast)) published += ballots_cast;
    if (location_id !== key || ballots === undefined || ballots !== ballots_cast)
      differences.push(`${key}: ${ballots} and ${ballots_cast} for ${location_id}`);
    else if (
      !described(context, record).some(({ locations }) => {
        const described = locations[location]!;
        return described.name === name && described.registered_voters === registered_voters;
      })
    )
      differences.push(`${key}: "${name}" with ${registered_voters} registered voters, as no description has it`);
    else if (turnout !== (ballots === null ? null : fractionOf(ballots, registered_voters as number | null)))
      differences.push(`${key}: the turnout is ${turnout}, of ${ballots} ballots and ${registered_voters} voters`);
  }
  for (const { id } of index.election.locations)
    if (!records.has(id)) differences.push(`${id}: no record of its turnout`);
  return check(
    'results-by-location = turnout-by-location',
    sumOf(tally.ballots.filter(isCount)),
    published,
    differences,
  );
}

/**
 * Where nothing was published, no result topic had a record. A counter may have begun since then:
 * it publishes in all three topics, and the last one read here shows it.
 */
export async function compareNothing({ log, moment }: Pick<Verification, 'log' | 'moment'>): Promise<Check> {
  const differences: string[] = [];
  let hasBegun = false;
  for (const topic of ['votes-per-candidate', 'turnout-by-location', 'results-by-location'] as const) {
    const records = (await latestRecords(log, topic)).size;
    const end = moment.log_ends.find((row) => row.topic === topic)?.next_offset ?? 0;
    hasBegun = topic === 'results-by-location' && records > 0;
    if (records > 0) differences.push(`${topic} has records of ${records} keys`);
    else if (end > 0) differences.push(`${topic} is empty, and table log_ends says ${end}`);
  }
  return noneOf('nothing is published in the result topics', hasBegun ? [] : differences);
}
