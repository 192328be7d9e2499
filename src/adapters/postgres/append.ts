import type pg from 'pg';
import { assert } from '../../domain/assert.ts';
import type { OutgoingRecord, Topic } from '../../ports/log.ts';
import type { Database } from './database.ts';
import { pack } from './payload.ts';

/** A third of the bytes that a reader accepts, since a character may have three bytes. */
const BATCH_LENGTH_MAX = 85_000_000;

/** The records that are appended to one partition of the log inside the caller's transaction. */
export interface Appended {
  readonly election_no: number;
  readonly topic: Topic;
  readonly partition: number;
  readonly expected_offset: number;
  readonly records: number;
  /** Voters or votes in the records; 0 in topics without a `seq`. */
  readonly entries: number;
  /** 1 for a batch of votes, otherwise 0. */
  readonly batches: number;
  /** The end of the chain after the records; null leaves it unchanged. */
  readonly hash: string | null;
  /** The sum over the participants after the records; absent or null leaves it unchanged. */
  readonly participation?: string | null;
  readonly text: string;
}

/**
 * @throws OperationalError FENCED (through `explain`) when the partition's end is not
 * `expected_offset`.
 */
export async function appendLog(client: pg.Client, appended: Appended): Promise<void> {
  assert(appended.text.length <= BATCH_LENGTH_MAX, 'a batch of the log that its readers take');
  await client.query({
    name: 'append-log',
    text: 'SELECT append_log($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
    values: [
      appended.election_no,
      appended.topic,
      appended.partition,
      appended.expected_offset,
      appended.records,
      appended.entries,
      appended.batches,
      appended.hash,
      pack(appended.text),
      appended.participation ?? null,
    ],
  });
}

export type KeyedRecord = Pick<OutgoingRecord, 'key' | 'value'>;

/**
 * Appends to a compacted topic, which has one partition, no `seq` and no chain.
 * @throws as {@link appendLog} does.
 */
export const appendKeyed = (
  client: pg.Client,
  electionNo: number,
  topic: Topic,
  expectedOffset: number,
  records: readonly KeyedRecord[],
): Promise<void> =>
  appendLog(client, {
    election_no: electionNo,
    topic,
    partition: 0,
    expected_offset: expectedOffset,
    records: records.length,
    entries: 0,
    batches: 0,
    hash: null,
    text: records.map(({ key, value }) => `${key}\t${value}\n`).join(''),
  });

/**
 * Appends to topic `definition`. Two processes may do so at the same moment: the row lock puts them
 * in order.
 */
export async function appendDefinition(
  client: pg.Client,
  electionNo: number,
  records: readonly KeyedRecord[],
): Promise<void> {
  const { rows } = await client.query<{ next_offset: string }>(
    "SELECT next_offset FROM log_ends WHERE election_no = $1 AND topic = 'definition' AND partition = 0 FOR UPDATE",
    [electionNo],
  );
  await appendKeyed(client, electionNo, 'definition', Number(rows[0]!.next_offset), records);
}

export interface LogEnd {
  readonly next_offset: number;
  readonly next_seq: number;
  readonly next_batch: number;
  readonly hash: string | null;
  readonly participation: string | null;
}

/** The end of a partition of the log. Its row is made together with the election. */
export async function readLogEnd(
  client: pg.Client,
  electionNo: number,
  topic: Topic,
  partition: number,
): Promise<LogEnd> {
  const { rows } = await client.query<{
    next_offset: string;
    next_seq: string;
    next_batch: number;
    hash: string | null;
    participation: string | null;
  }>(
    'SELECT next_offset, next_seq, next_batch, hash, participation FROM log_ends WHERE election_no = $1 AND topic = $2 AND partition = $3',
    [electionNo, topic, partition],
  );
  const [row] = rows;
  return {
    next_offset: Number(row?.next_offset ?? 0),
    next_seq: Number(row?.next_seq ?? 0),
    next_batch: row?.next_batch ?? 0,
    hash: row?.hash ?? null,
    participation: row?.participation ?? null,
  };
}

/** One past the last committed offset of a partition of the log. */
export async function readEnd(
  database: Database,
  electionNo: number,
  topic: Topic,
  partition: number,
): Promise<number> {
  const [row] = await database.query<{ next_offset: string }>(
    'SELECT next_offset FROM log_ends WHERE election_no = $1 AND topic = $2 AND partition = $3',
    [electionNo, topic, partition],
    'read-end',
  );
  return Number(row?.next_offset ?? 0);
}
