import { crashPoint } from '../../base/crash-points.ts';
import { OperationalError } from '../../base/errors.ts';
import {
  COMPACTED_TOPICS,
  type Log,
  type LogWriter,
  type OutgoingRecord,
  recordsOf,
  type Topic,
} from '../../ports/log.ts';
import { appendLog, raiseEpoch, readLogEnd } from './append.ts';
import { type Database, inTransaction } from './database.ts';

/** A topic is compacted when it holds this many times the records it would keep; in between it costs nothing. */
const COMPACT_AT_RATIO = 8;
const COMPACT_AT_LEAST = 1_000;

export interface EmbeddedWriter extends LogWriter {
  close(): Promise<void>;
}

/** Opens the only writer of the compacted topics under this name; one that was open before is fenced at its next publish. */
export async function openEmbeddedWriter(
  database: Database,
  log: Log,
  electionNo: number,
  name: string,
): Promise<EmbeddedWriter> {
  const client = await database.connect();
  const epoch = await raiseEpoch(database, electionNo, name);
  const keys = new Map<Topic, Set<string>>();
  const { rows: sizes } = await client.query<{ topic: Topic; records: string }>(
    'SELECT topic, sum(record_count) AS records FROM log WHERE election_no = $1 AND topic = ANY($2) GROUP BY topic',
    [electionNo, [...COMPACTED_TOPICS]],
  );
  const stored = new Map<Topic, number>(sizes.map(({ topic, records }) => [topic, Number(records)]));

  const assertEpoch = async (): Promise<void> => {
    const { rows: current } = await client.query<{ epoch: number }>(
      'SELECT epoch FROM writers WHERE election_no = $1 AND name = $2 FOR UPDATE',
      [electionNo, name],
    );
    if (current[0]?.epoch !== epoch)
      throw new OperationalError('FENCED', {
        message: `a later ${name} has taken over (epoch ${current[0]?.epoch}, this one is ${epoch})`,
        nextStep: 'Nothing to do: the later one goes on. Start this one again only after ending that one.',
      });
  };
  const append = async (topic: Topic, lines: readonly OutgoingRecord[]): Promise<void> => {
    const end = await readLogEnd(client, electionNo, topic, 0);
    await appendLog(client, {
      election_no: electionNo,
      topic,
      partition: 0,
      expected_offset: end.next_offset,
      records: lines.length,
      entries: 0,
      batches: 0,
      hash: null,
      text: lines.map(({ key, value }) => `${key}\t${value}\n`).join(''),
    });
  };
  /** The last record of each key as one new batch, in the order of those records, in place of all batches before it. */
  const compact = async (topic: Topic): Promise<void> => {
    const last = new Map<string, string>();
    for (let from = 0; ; ) {
      const batches = await log.read(topic, 0, from);
      if (batches.length === 0) break;
      for (const batch of batches) {
        for (const { key, value } of recordsOf(batch)) {
          last.delete(key);
          last.set(key, value);
        }
        from = batch.base_offset + batch.count;
      }
    }
    await inTransaction(client, async () => {
      await assertEpoch();
      await client.query('DELETE FROM log WHERE election_no = $1 AND topic = $2', [electionNo, topic]);
      await append(
        topic,
        Array.from(last, ([key, value]) => ({ topic, key, value })),
      );
      crashPoint('compact.before-commit');
    });
    crashPoint('compact.after-commit');
    keys.set(topic, new Set(last.keys()));
    stored.set(topic, last.size);
  };

  return {
    epoch,
    async publish(records) {
      const byTopic = Map.groupBy(records, (record) => record.topic);
      await inTransaction(client, async () => {
        await assertEpoch();
        for (const [topic, lines] of byTopic) await append(topic, lines);
        crashPoint('count.before-checkpoint');
      });
      crashPoint('count.after-checkpoint');
      for (const [topic, lines] of byTopic) {
        const known = keys.get(topic) ?? new Set();
        for (const { key } of lines) known.add(key);
        keys.set(topic, known);
        const total = (stored.get(topic) ?? 0) + lines.length;
        stored.set(topic, total);
        if (total > COMPACT_AT_LEAST && total > COMPACT_AT_RATIO * known.size) await compact(topic);
      }
    },
    async close() {
      await client.end().catch(() => {});
    },
  };
}
