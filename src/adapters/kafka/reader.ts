import { setTimeout as sleep } from 'node:timers/promises';
import { Consumer, FetchIsolationLevels, fetchV17, ListOffsetTimestamps } from '@platformatic/kafka';
import { OperationalError } from '../../base/errors.ts';
import { clientOptions, hearErrors } from './client.ts';
import { explain, explained, hasAnswer } from './explain.ts';
import type { KafkaSettings } from './settings.ts';

type FetchResponsePartition = fetchV17.FetchResponsePartition;

export interface ReadRecord {
  readonly offset: number;
  /** Empty where the record has none. */
  readonly key: string;
  readonly value: Buffer | null;
}

/**
 * The answer to one request: records of the partition from an offset on, and the offset to go on
 * at.
 */
export interface Fetched {
  readonly records: readonly ReadRecord[];
  readonly next: number;
  /** One past the last committed offset. */
  readonly end: number;
}

/**
 * Reads one partition of a topic at offsets of our own choice, without a group or a subscription.
 * It has its own connection: a broker answers the requests of a connection in order, so a long poll
 * would hold up the others.
 */
export interface PartitionReader extends AsyncDisposable {
  /** Committed records from an offset on. Waits up to `wait_ms` where there is none. */
  fetch(offset: number, wait_ms: number, bytes_max?: number): Promise<Fetched>;
  /** The first offset that is kept, and one past the last committed offset. */
  bounds(): Promise<{ start: number; end: number }>;
  /** Never throws. */
  close(): Promise<void>;
}

/**
 * The most compressed bytes of an answer; the broker sends at least one batch, of any size. Votes
 * compress a hundredfold, so 64 KB are some megabytes of text.
 */
const FETCH_BYTES_MAX = 64 * 1024;

/** @param topicId the id of the topic. A request fails where another topic has taken its name. */
export function openPartitionReader(
  settings: KafkaSettings,
  topic: string,
  partition: number,
  topicId?: string,
): PartitionReader {
  const consumer = hearErrors(
    new Consumer({
      ...clientOptions(settings),
      groupId: 'tallyroom',
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
      autocreateTopics: false,
    }),
  );
  const boundary = async (timestamp: bigint): Promise<number> => {
    const wanted = { topics: [topic], partitions: { [topic]: [partition] }, timestamp };
    const offsets = await explained(consumer.listOffsets(wanted), settings);
    return Number(offsets.get(topic)![partition]);
  };
  const close = (): Promise<void> => consumer.close(true).catch(() => {});
  return {
    async fetch(offset, wait_ms, bytes_max = FETCH_BYTES_MAX) {
      try {
        const answer = await request(consumer, { topic, partition, topicId }, offset, wait_ms, bytes_max);
        return committedRecords(answer, offset);
      } catch (error) {
        // The leader may have moved, so the next request looks it up again.
        consumer.clearMetadata();
        throw hasAnswer(error, 'OFFSET_OUT_OF_RANGE')
          ? removed(topic, partition, offset, error)
          : explain(error, settings);
      }
    },
    async bounds() {
      const start = await boundary(ListOffsetTimestamps.EARLIEST);
      return { start, end: await boundary(ListOffsetTimestamps.LATEST) };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * The committed records of a partition from one offset on and before another. Each is read when the
 * caller asks for it.
 */
export async function* recordsBetween(
  reader: PartitionReader,
  from: number,
  to: number,
  bytes_max?: number,
): AsyncGenerator<ReadRecord, void> {
  for (let at = from; at < to; ) {
    const { records, next } = await reader.fetch(at, 0, bytes_max);
    for (const record of records) {
      if (record.offset >= to) return;
      yield record;
    }
    if (next === at) return;
    at = next;
  }
}

/** The broker should send even a single byte, since readers show records as they come. */
const BYTES_MIN = 1;
/** The broker keeps no session for us between two requests. */
const WITHOUT_SESSION = -1;

interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string | undefined;
}

/** Asks the leader of a partition for its records from an offset on. */
async function request(
  consumer: Consumer,
  { topic, partition, topicId }: Place,
  offset: number,
  wait_ms: number,
  bytes_max: number,
): Promise<FetchResponsePartition> {
  const metadata = await consumer.metadata({ topics: [topic] });
  const found = metadata.topics.get(topic);
  const leader = metadata.brokers.get(found?.partitions[partition]?.leader ?? -1);
  if (found === undefined || leader === undefined) throw missing(topic, partition);
  const asked = {
    partition,
    fetchOffset: BigInt(offset),
    partitionMaxBytes: bytes_max,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
  };
  const connection = await consumer.connections.get(leader);
  for (;;) {
    const { responses, throttleTimeMs } = await fetchV17.api.async(
      connection,
      wait_ms,
      BYTES_MIN,
      bytes_max,
      FetchIsolationLevels.READ_COMMITTED,
      0,
      WITHOUT_SESSION,
      [{ topicId: topicId ?? found.id, partitions: [asked] }],
      [],
      '',
    );
    if (responses.length > 0) return responses[0]!.partitions[0]!;
    // Our quota is used up, which says nothing about the topic.
    await sleep(throttleTimeMs);
  }
}

const missing = (topic: string, partition: number): OperationalError =>
  new OperationalError('KAFKA_UNREACHABLE', {
    message: `partition ${partition} of topic ${topic} has no leader in Kafka`,
    nextStep: 'Check that all brokers run, and that the topic was not removed or made by hand with fewer partitions.',
    canRetry: true,
  });

const removed = (topic: string, partition: number, offset: number, cause: unknown): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `partition ${partition} of topic ${topic} does not hold offset ${offset} any more, which should be read next`,
    nextStep: 'Check whether a retention time or a person has removed records, then restore the topic from a backup.',
    cause,
  });

const TRANSACTIONAL_BATCH = 1 << 4;
/** Marks batches with the markers of transactions. Readers see only the gap that they leave. */
const CONTROL_BATCH = 1 << 5;
const ABORT_MARKER = 0;

/**
 * Leaves out aborted records by the rules of the protocol. The broker lists each aborted
 * transaction with its first offset here, and the marker of the transaction ends it. The consumer
 * of the library knows only one aborted transaction of a producer at a time, and lets others
 * through.
 */
export function committedRecords(answer: FetchResponsePartition, offset: number): Fetched {
  const aborted = (answer.abortedTransactions ?? []).toSorted((a, b) => Number(a.firstOffset - b.firstOffset));
  const open = new Set<bigint>();
  const records: ReadRecord[] = [];
  let next = offset;
  for (const batch of answer.records ?? []) {
    const last = batch.firstOffset + BigInt(batch.lastOffsetDelta);
    while (aborted.length > 0 && aborted[0]!.firstOffset <= last) open.add(aborted.shift()!.producerId);
    next = Math.max(next, Number(last) + 1);
    if ((batch.attributes & CONTROL_BATCH) !== 0) {
      if (batch.records[0]?.key?.readInt16BE(2) === ABORT_MARKER) open.delete(batch.producerId);
      continue;
    }
    if ((batch.attributes & TRANSACTIONAL_BATCH) !== 0 && open.has(batch.producerId)) continue;
    const first = Number(batch.firstOffset);
    for (const { offsetDelta, key, value } of batch.records)
      if (first + offsetDelta >= offset)
        records.push({ offset: first + offsetDelta, key: key === null ? '' : key.toString('latin1'), value });
  }
  return { records, next, end: Number(answer.lastStableOffset) };
}
