import { OperationalError } from '../base/errors.ts';
import { sha256 } from '../base/sha256.ts';
import { assert } from '../domain/assert.ts';
import { BoxCounter } from '../domain/counting/box-counter.ts';
import { candidateTotals, createTally, type Tally, unbalancedSlots } from '../domain/counting/tally.ts';
import { isCount, sumOf } from '../domain/counts.ts';
import { candidateKey } from '../domain/election/election.ts';
import {
  cellCandidate,
  cellsOf,
  type ElectionIndex,
  indexElection,
  slotContest,
  slotsOf,
} from '../domain/election/election-index.ts';
import { createPublishedResults } from '../domain/results/engine-folds.ts';
import { parseObject } from '../domain/results/published-results.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import { batchesFrom, endOf, type Log, type LogRecord, latestRecords, recordsOf } from '../ports/log.ts';
import type { BatchEntry, Recount } from '../ports/recount.ts';
import { differingDefinitions } from './verify/definition.ts';

/**
 * One comparison of the reconciliation. `differences` names the first few differences between the
 * two sides.
 */
export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly left: number;
  readonly right: number;
  readonly differences: readonly string[];
}

export interface Reconciliation {
  readonly election: string;
  readonly votes: number;
  readonly checks: readonly Check[];
  readonly rejections: Readonly<Record<string, number>>;
  readonly passed: boolean;
}

/** A few differences show the fault. A list of all might have a line for each vote. */
const DIFFERENCES_SHOWN_MAX = 5;

/**
 * The most reads in a row that find no record before the end of the log. Where a relay publishes
 * the records, each read waits about a second for it. After this many, the missing record will not
 * come.
 */
const EMPTY_READS_MAX = 30;

/**
 * Every published number can be recounted. This counts everything again, from the log and from
 * PostgreSQL, and compares the counts with the published results. It reads the whole log once, to
 * its present end: every seq, every link of the chain, every batch.
 */
export async function verify(
  entry: ElectionEntry,
  log: Log,
  recount: Recount,
  signal: AbortSignal,
): Promise<Reconciliation> {
  assert(entry.definition !== null && entry.definition_hash !== null, 'the election is defined');
  const index = indexElection(entry.definition);
  const ends = await votesEnds(entry, log);
  const { count, checks } = await recountLog(entry, log, ends, recount, signal);
  const { tally: sql, offBallot } = await recount.tally(entry);
  const votes = sumOf(count.covers);
  const participation = await recount.participation(entry);
  const published = await readPublished(entry, log);
  const definitions = await differingDefinitions(entry, log);
  const recordsBefore = sumOf(ends);
  const recordsNow = sumOf(await votesEnds(entry, log));
  const all: Check[] = [
    check('the definition has the hash that every batch carries', 0, definitions.length, definitions),
    ...checks,
    compareTallies(index, 'votes in the log = votes in PostgreSQL', count.tally, sql),
    check('votes in PostgreSQL that no ballot can hold', 0, offBallot),
    check('votes in the log = participation in PostgreSQL', votes, participation.voters),
    check('participants who are no voters of the election', 0, participation.notRegistered),
    compareTallies(index, 'votes in the log = published results', count.tally, published.tally),
    check(
      'published results cover the whole log',
      votes,
      sumOf(published.covers),
      `${published.covers}` === `${count.covers}` ? [] : [`${count.covers} and ${published.covers} by partition`],
    ),
    ...published.checks,
    ...(recordsNow === recordsBefore
      ? []
      : [check('no vote was cast meanwhile: verify again when voting rests', recordsBefore, recordsNow)]),
    check(
      'votes + undervotes + vote_for x overvoted ballots = vote_for x ballots',
      0,
      unbalancedSlots(index, published.tally).length,
    ),
  ];
  return {
    election: entry.id,
    votes,
    checks: all,
    rejections: Object.fromEntries(await recount.rejections(entry)),
    passed: all.every((each) => each.passed),
  };
}

const check = (name: string, left: number, right: number, differences: readonly string[] = []): Check => ({
  name,
  passed: left === right && differences.length === 0,
  left,
  right,
  differences: left === right || differences.length > 0 ? differences : [`${left} on the left, ${right} on the right`],
});

/** The present ends of topic `votes`, by partition. */
async function votesEnds(entry: ElectionEntry, log: Log): Promise<number[]> {
  const ends: number[] = [];
  for (let partition = 0; partition < entry.partitions; partition++) ends.push(await log.end('votes', partition));
  return ends;
}

/**
 * Folds the whole log from nothing. Beside it, the function compares the batches of PostgreSQL in
 * the order of their chain.
 */
async function recountLog(
  entry: ElectionEntry,
  log: Log,
  ends: readonly number[],
  recount: Recount,
  signal: AbortSignal,
): Promise<{ count: BoxCounter; checks: Check[] }> {
  const count = new BoxCounter(indexElection(entry.definition!), entry.definition_hash!, entry.partitions, sha256);
  const damage: string[] = [];
  const batchDifferences: string[] = [];
  for (let partition = 0; partition < entry.partitions; partition++) {
    const batches = recount.batches(entry, partition)[Symbol.asyncIterator]();
    let batch = await batches.next();
    /** The seq at which the next batch must begin. A missing row leaves a hole. */
    let expected = 0;
    const look = ({ batch_no, first_seq, votes, definition_hash, hash }: BatchEntry): void => {
      if (first_seq !== expected)
        batchDifferences.push(`partition ${partition} has no batch from seq ${expected} to ${first_seq}`);
      if (count.covers[partition] !== first_seq + votes || count.heads[partition] !== hash)
        batchDifferences.push(
          `batch ${batch_no} ends at seq ${first_seq + votes} with hash ${hash}, the log's chain does not`,
        );
      if (definition_hash !== entry.definition_hash)
        batchDifferences.push(`batch ${batch_no} was cast under another definition`);
      expected = first_seq + votes;
    };
    try {
      for await (const record of recordsTo(log, partition, ends[partition]!, signal)) {
        count.countBox(partition, record.value);
        if (batch.done || count.covers[partition]! < batch.value.first_seq + batch.value.votes) continue;
        look(batch.value);
        batch = await batches.next();
      }
    } catch (cause) {
      signal.throwIfAborted();
      // A server that does not answer says nothing about the log.
      if (cause instanceof OperationalError && cause.canRetry) throw cause;
      damage.push(`partition ${partition}: ${cause instanceof Error ? cause.message : cause}`);
    }
    if (!batch.done) batchDifferences.push(`batch ${batch.value.batch_no} is not in the log`);
    if (batch.done && damage.length === 0 && expected !== count.covers[partition])
      batchDifferences.push(`partition ${partition} has no batch from seq ${expected} to ${count.covers[partition]}`);
  }
  return {
    count,
    checks: [
      check('every seq and every link of the chain of hashes in the log', 0, damage.length, damage),
      check(
        'batches in PostgreSQL = batches in the chain',
        0,
        batchDifferences.length,
        batchDifferences.slice(0, DIFFERENCES_SHOWN_MAX),
      ),
    ],
  };
}

/**
 * All records of a partition of `votes`, at least up to `end`. A relay may be behind the commits,
 * so the function waits for them.
 */
async function* recordsTo(log: Log, partition: number, end: number, signal: AbortSignal): AsyncGenerator<LogRecord> {
  let next = 0;
  for (let emptyReads = 0; ; emptyReads++) {
    signal.throwIfAborted();
    for await (const batch of batchesFrom(log, 'votes', partition, next)) {
      yield* recordsOf(batch);
      signal.throwIfAborted();
      next = endOf(batch);
      emptyReads = 0;
    }
    if (next >= end || emptyReads === EMPTY_READS_MAX) return;
    await log.wait('votes', partition, next, signal);
  }
}

function compareTallies(index: ElectionIndex, name: string, left: Tally, right: Tally): Check {
  const differences: string[] = [];
  for (const [location, { id }] of index.election.locations.entries()) {
    const compare = (counts: keyof Tally, at: number, what: string): void => {
      const [a, b] = [left[counts][at], right[counts][at]];
      if (a !== b && differences.length < DIFFERENCES_SHOWN_MAX) differences.push(`${id}, ${what}: ${a} and ${b}`);
    };
    compare('ballots', location, 'ballots');
    for (const slot of slotsOf(index, location)) {
      const contest = slotContest(index, slot).id;
      compare('undervotes', slot, `undervotes in ${contest}`);
      compare('overvoted', slot, `overvoted ballots in ${contest}`);
      for (const cell of cellsOf(index, slot)) compare('votes', cell, cellCandidate(index, slot, cell).id);
    }
  }
  return check(name, sumOf(left.ballots), sumOf(right.ballots), differences);
}

/**
 * Reads the results in the three result topics: the last record of each key, from either engine.
 */
async function readPublished(
  entry: ElectionEntry,
  log: Log,
): Promise<{ tally: Tally; covers: readonly number[]; checks: Check[] }> {
  const index = indexElection(entry.definition!);
  const shape = { index, definition: entry.definition_hash!, partitions: entry.partitions, sha256 };
  const records = [...(await latestRecords(log, 'results-by-location')).values()];
  const published = createPublishedResults(records, shape);
  const damaged: string[] = [];
  for (const { offset, key, damage } of published?.take(records) ?? [])
    if (damage !== null) damaged.push(`record ${offset} of results-by-location (${key}) ${damage}`);
  const tally = published?.tally ?? createTally(index);
  const { covers, held, foreign_records } = published?.judge() ?? NOTHING_PUBLISHED;
  return {
    tally,
    covers,
    checks: [
      check('published results can be read', 0, damaged.length, damaged.slice(0, DIFFERENCES_SHOWN_MAX)),
      check('published results are a whole and sound state', 0, Number(held !== null), held === null ? [] : [held]),
      await compareCandidates(index, log, tally),
      await compareTurnout(index, log, tally),
      // Foreign records change no result, since they are not counted.
      ...(foreign_records === 0
        ? []
        : [check(`foreign records in topic votes, left out: ${foreign_records}`, foreign_records, foreign_records)]),
    ],
  };
}

const NOTHING_PUBLISHED = { covers: [], held: 'No engine has published a result.', foreign_records: 0 };

async function compareCandidates(index: ElectionIndex, log: Log, tally: Tally): Promise<Check> {
  const expected = createVotesByCandidate(index, tally);
  const differences: string[] = [];
  for (const { value } of (await latestRecords(log, 'votes-per-candidate')).values()) {
    const { contest_id, candidate_id, votes } = parseObject(value) ?? {};
    // The key is made of the ids again, since another writer of JSON may escape the key of the
    // record differently.
    const key = candidateKey(`${contest_id}`, `${candidate_id}`);
    if (expected.get(key) !== votes) differences.push(`${key}: ${expected.get(key)} and ${votes}`);
    expected.delete(key);
  }
  for (const [key, votes] of expected) differences.push(`${key}: ${votes} and no record`);
  return check(
    'results-by-location = votes-per-candidate',
    0,
    differences.length,
    differences.slice(0, DIFFERENCES_SHOWN_MAX),
  );
}

async function compareTurnout(index: ElectionIndex, log: Log, tally: Tally): Promise<Check> {
  const differences: string[] = [];
  let published = 0;
  for (const { key, value } of (await latestRecords(log, 'turnout-by-location')).values()) {
    const { location_id, ballots_cast } = parseObject(value) ?? {};
    const ballots = tally.ballots[index.locationNumbers.get(key) ?? -1];
    if (isCount(ballots_cast)) published += ballots_cast;
    if (location_id !== key || ballots === undefined || ballots !== ballots_cast)
      differences.push(`${key}: ${ballots} and ${ballots_cast} for ${location_id}`);
  }
  return check(
    'results-by-location = turnout-by-location',
    sumOf(tally.ballots),
    published,
    differences.slice(0, DIFFERENCES_SHOWN_MAX),
  );
}

function createVotesByCandidate(index: ElectionIndex, tally: Tally): Map<string, number> {
  const totals = candidateTotals(index, tally);
  return new Map(
    index.election.candidates.map(({ contest_id, id }, number) => [candidateKey(contest_id, id), totals[number]!]),
  );
}
