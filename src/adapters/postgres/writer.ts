import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { type ClosableWriter, COMPACTED_TOPICS, type Log, latestRecords, type Topic } from '../../ports/log.ts';
import { appendKeyed, type KeyedRecord, readLogEnd } from './append.ts';
import { type Database, inTransaction } from './database.ts';
import { assertEpoch, raiseEpoch } from './epochs.ts';

/**
 * A topic is compacted when it holds this many times the records that it would keep. Until then a
 * publish has no extra cost.
 */
const COMPACT_AT_RATIO = 8;
/** A smaller topic is read in a few requests, so it is not compacted. */
const COMPACT_AT_RECORDS_MIN = 1_000;

/** A writer with its connection. */
interface Writer {
  readonly client: pg.Client;
  readonly election_no: number;
  readonly name: string;
  readonly epoch: number;
}

/** The number of records in a topic, and the keys in it that the writer has seen. */
interface TopicSize {
  records: number;
  readonly keys: Set<string>;
}

/**
 * Opens the only writer of the compacted topics under this name. An earlier writer is fenced at its
 * next publish.
 */
export async function openPostgresWriter(
  database: Database,
  log: Log,
  electionNo: number,
  name: string,
): Promise<ClosableWriter> {
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await database.connect());
  const epoch = await raiseEpoch(database, electionNo, name);
  const writer: Writer = { client, election_no: electionNo, name, epoch };
  const sizes = await readSizes(writer);
  const connection = opening.move();
  const close = (): Promise<void> => connection.disposeAsync();
  return {
    epoch,
    async publish(records) {
      const byTopic = Map.groupBy(records, (record) => record.topic);
      await inTransaction(client, async () => {
        await assertLast(writer);
        for (const [topic, added] of byTopic) await append(writer, topic, added);
        crashPoint('count.before-checkpoint');
      });
      crashPoint('count.after-checkpoint');
      for (const [topic, added] of byTopic) {
        const size = sizes.get(topic) ?? { records: 0, keys: new Set() };
        size.records += added.length;
        for (const { key } of added) size.keys.add(key);
        const isDue = size.records > COMPACT_AT_RECORDS_MIN && size.records > COMPACT_AT_RATIO * size.keys.size;
        sizes.set(topic, isDue ? await compact(writer, log, topic) : size);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function readSizes({ client, election_no }: Writer): Promise<Map<Topic, TopicSize>> {
  const { rows } = await client.query<{ topic: Topic; records: string }>(
    'SELECT topic, sum(record_count) AS records FROM log WHERE election_no = $1 AND topic = ANY($2) GROUP BY topic',
    [election_no, [...COMPACTED_TOPICS]],
  );
  return new Map(rows.map(({ topic, records }) => [topic, { records: Number(records), keys: new Set() }]));
}

/**
 * Call it inside a transaction: no later writer can raise the epoch before the transaction ends.
 */
async function assertLast({ client, election_no, name, epoch }: Writer): Promise<void> {
  const { rows } = await client.query<{ epoch: number }>(
    'SELECT epoch FROM writers WHERE election_no = $1 AND name = $2 FOR UPDATE',
    [election_no, name],
  );
  assertEpoch(name, rows[0]?.epoch, epoch);
}

async function append({ client, election_no }: Writer, topic: Topic, records: readonly KeyedRecord[]): Promise<void> {
  const { next_offset } = await readLogEnd(client, election_no, topic, 0);
  await appendKeyed(client, election_no, topic, next_offset, records);
}

/**
 * Replaces all batches of a topic by one new batch: the last record of each key, in the order of
 * these records.
 */
async function compact(writer: Writer, log: Log, topic: Topic): Promise<TopicSize> {
  const { client, election_no } = writer;
  const latest = await latestRecords(log, topic);
  await inTransaction(client, async () => {
    await assertLast(writer);
    await client.query('DELETE FROM log WHERE election_no = $1 AND topic = $2', [election_no, topic]);
    await append(writer, topic, [...latest.values()]);
    crashPoint('compact.before-commit');
  });
  crashPoint('compact.after-commit');
  return { records: latest.size, keys: new Set(latest.keys()) };
}
