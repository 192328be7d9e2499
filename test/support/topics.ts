import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { openPartitionReader, type ReadRecord } from '../../src/adapters/kafka/reader.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { ensureTopics, untilReadable, withAdmin } from '../../src/adapters/kafka/topics.ts';
import { OperationalError } from '../../src/base/errors.ts';
import type { ElectionId } from '../../src/domain/election/election.ts';

/**
 * All committed records of a partition in Kafka from an offset on, once they are readable.
 * @param bytes_max the bytes of one fetch
 */
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
 * Waits until readers see all records that a partition holds now. A test calls it before it reads
 * its own records: Kafka writes the marker of a transaction after the answer to its end.
 */
export async function settled(settings: KafkaSettings, topic: string, partition = 0): Promise<void> {
  const topics = [{ name: topic, partitions: partition + 1 }];
  assert.ok(await untilReadable(settings, topics, AbortSignal.timeout(SETTLE_MS_MAX)), `${topic} is not readable`);
}
/** Longer than the time after which Kafka ends a transaction that no producer ends. */
const SETTLE_MS_MAX = 30_000;

/**
 * Makes the topics of an election as stages do: they retry if a broker has not heard of them yet.
 */
export async function makeTopics(settings: KafkaSettings, election: ElectionId, partitions: number): Promise<void> {
  for (;;)
    try {
      return await ensureTopics(settings, election, partitions);
    } catch (error) {
      if (!(error instanceof OperationalError && error.canRetry)) throw error;
      await delay(POLL_MS);
    }
}

/**
 * Removes topics, and waits until the broker knows. It hears of it a moment after the controller
 * has answered.
 */
export async function deleteTopics(settings: KafkaSettings, topics: string[]): Promise<void> {
  await withAdmin(settings, async (admin) => {
    await admin.deleteTopics({ topics });
    while ((await admin.listTopics()).some((name) => topics.includes(name))) await delay(POLL_MS);
  });
}

const POLL_MS = 20;
