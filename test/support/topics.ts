import assert from 'node:assert/strict';
import { FetchIsolationLevels } from '@platformatic/kafka';
import { openPartitionReader, type ReadRecord } from '../../src/adapters/kafka/reader.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { withAdmin } from '../../src/adapters/kafka/topics.ts';

/** All that is committed to a partition as Kafka has it, from an offset on; so many bytes at a time, where it says so. */
export async function readTopic(
  settings: KafkaSettings,
  topic: string,
  partition = 0,
  from = 0,
  bytes_max?: number,
): Promise<ReadRecord[]> {
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

/** Waits until no transaction is open in a partition of a topic: its markers are written after the answer to its end. */
export async function untilReadable(settings: KafkaSettings, topic: string, partition = 0): Promise<void> {
  await withAdmin(settings, async (admin) => {
    const asked = { topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp: -1n }] }] };
    const [written] = await admin.listOffsets(asked);
    for (;;) {
      const [readable] = await admin.listOffsets({ ...asked, isolationLevel: FetchIsolationLevels.READ_COMMITTED });
      if (readable!.partitions[0]!.offset >= written!.partitions[0]!.offset) return;
    }
  });
}
