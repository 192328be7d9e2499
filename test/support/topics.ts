import assert from 'node:assert/strict';
import { openPartitionReader, type ReadRecord } from '../../src/adapters/kafka/reader.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { untilReadable } from '../../src/adapters/kafka/topics.ts';

/** All that is committed to a partition as Kafka has it, once it is readable, from an offset on; so many bytes at a time, where it says so. */
export async function readTopic(
  settings: KafkaSettings,
  topic: string,
  partition = 0,
  from = 0,
  bytes_max?: number,
): Promise<ReadRecord[]> {
  await settled(settings, topic, partition);
  const reader = openPartitionReader(settings, topic, partition);
  try {
    const records: ReadRecord[] = [];
    const { start, end } = await reader.bounds();
    for (let at = Math.max(start, from); at < end; ) {
      const fetched = await reader.fetch(at, 0, bytes_max);
      assert.ok(fetched.next > at, `nothing came at ${at} of ${end}`);
      records.push(...fetched.records);
      at = fetched.next;
    }
    return records;
  } finally {
    await reader.close();
  }
}

/**
 * Waits until readers see what a partition of a topic holds now. Whatever a test has published itself it reads only after this:
 * Kafka writes the marker of a transaction after the answer to its end.
 */
export async function settled(settings: KafkaSettings, topic: string, partition = 0): Promise<void> {
  const topics = [{ name: topic, partitions: partition + 1 }];
  assert.ok(await untilReadable(settings, topics, AbortSignal.timeout(SETTLE_MS_MAX)), `${topic} is not readable`);
}
/** Above the time after which Kafka ends a transaction that nobody ends. */
const SETTLE_MS_MAX = 30_000;
