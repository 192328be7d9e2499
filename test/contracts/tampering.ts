import { setTimeout as delay } from 'node:timers/promises';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { Admin, Producer } from '@platformatic/kafka';
import type pg from 'pg';
import { clientOptions, topicName } from '../../src/adapters/kafka/client.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { topicId, withAdmin } from '../../src/adapters/kafka/topics.ts';
import type { ElectionEntry } from '../../src/ports/elections.ts';
import { recordsOf, type Topic } from '../../src/ports/log.ts';
import { readTopic, settled } from '../support/topics.ts';

export interface StoredRecord {
  readonly key: string;
  readonly value: string;
}

/**
 * Faults of a disk, or changes by hand, in partition 0 of a topic, which the program does not see.
 */
export interface Tampering {
  records(entry: ElectionEntry, topic: Topic): Promise<StoredRecord[]>;
  /** Replaces all records by others. */
  tamper(entry: ElectionEntry, topic: Topic, change: (records: StoredRecord[]) => StoredRecord[]): Promise<void>;
  /** Removes all records; the ends stay. */
  forget(entry: ElectionEntry, topic: Topic): Promise<void>;
}

export function tamperingInTable(database: pg.Pool): Tampering {
  const read = async (entry: ElectionEntry, topic: Topic): Promise<{ base: number; count: number; text: string }> => {
    const { rows } = await database.query(
      'SELECT base_offset, record_count, payload FROM log WHERE election_no = $1 AND topic = $2 AND partition = 0 ORDER BY base_offset',
      [entry.election_no, topic],
    );
    return {
      base: Number(rows[0]?.base_offset ?? 0),
      count: rows.reduce((sum, row) => sum + row.record_count, 0),
      text: rows.map((row) => zstdDecompressSync(row.payload).toString('utf8')).join(''),
    };
  };
  const parse = (text: string): StoredRecord[] => [...recordsOf({ base_offset: 0, count: 0, text })];
  const forget = async (entry: ElectionEntry, topic: Topic): Promise<void> => {
    await database.query('DELETE FROM log WHERE election_no = $1 AND topic = $2 AND partition = 0', [
      entry.election_no,
      topic,
    ]);
  };
  return {
    records: async (entry, topic) => parse((await read(entry, topic)).text),
    forget,
    async tamper(entry, topic, change) {
      const { base, count, text } = await read(entry, topic);
      const lines = change(parse(text)).map(({ key, value }) => `${key}\t${value}\n`);
      await forget(entry, topic);
      await database.query('INSERT INTO log VALUES ($1, $2, 0, $3, $4, $5)', [
        entry.election_no,
        topic,
        base,
        count,
        zstdCompressSync(lines.join('')),
      ]);
    },
  };
}

export function tamperingInKafka(settings: KafkaSettings): Tampering {
  const read = async (entry: ElectionEntry, topic: Topic): Promise<StoredRecord[]> => {
    const name = topicName(entry.id, topic);
    return (await readTopic(settings, name)).map(({ key, value }) => ({ key, value: value!.toString('utf8') }));
  };
  return {
    records: read,
    async forget(entry, topic) {
      const name = topicName(entry.id, topic);
      await settled(settings, name);
      // -1 is the end of the readable records.
      await withAdmin(settings, (admin) =>
        admin.deleteRecords({ topics: [{ name, partitions: [{ partition: 0, offset: -1n }] }] }),
      );
    },
    async tamper(entry, topic, change) {
      const records = await read(entry, topic);
      const name = topicName(entry.id, topic);
      const admin = new Admin(clientOptions(settings));
      const producer = new Producer({ ...clientOptions(settings), autocreateTopics: false });
      try {
        const partitions = (await admin.metadata({ topics: [name] })).topics.get(name)!.partitionsCount;
        const former = await topicId(settings, name);
        await admin.deleteTopics({ topics: [name] });
        await admin.createTopics({ topics: [name], partitions, replicas: 1 });
        await untilMade(settings, name, former);
        const messages = change(records).map(({ key, value }) => ({
          topic: name,
          partition: 0,
          key: Buffer.from(key),
          value: Buffer.from(value),
        }));
        await producer.send({ messages, acks: -1 });
      } finally {
        await producer.close();
        await admin.close();
      }
    },
  };
}

/**
 * A broker hears of a topic a moment after the controller has made it. Records that are sent before
 * that go to the old one.
 */
async function untilMade(settings: KafkaSettings, name: string, former: string): Promise<void> {
  while ((await topicId(settings, name).catch(() => former)) === former) await delay(POLL_MS);
}

const POLL_MS = 20;
