import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Admin,
  FetchIsolationLevels,
  type FetchIsolationLevelValue,
  ListOffsetTimestamps,
} from '@platformatic/kafka';
import { OperationalError } from '../../base/errors.ts';
import type { ElectionId } from '../../domain/election/election.ts';
import { COMPACTED_TOPICS, TOPICS, type Topic } from '../../ports/log.ts';
import { openAdmin, topicName } from './client.ts';
import { explain, explained, hasAnswer, isTopicUnknown } from './explain.ts';
import type { KafkaSettings } from './settings.ts';

/**
 * The largest record is a definition with many locations and portraits; a box of votes is some 50
 * KB. Brokers accept 100 MB a request.
 */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Votes, voters and returns are kept for ever, since the recount reads them. Kafka never compacts
 * the part of a topic that is being written. A restart has to read that part, so it is kept short.
 */
const KEPT = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' };
const COMPACTED = {
  'cleanup.policy': 'compact',
  'segment.bytes': String(16 * 1024 * 1024),
  'segment.ms': '600000',
  'min.cleanable.dirty.ratio': '0.2',
};

export async function withAdmin<Value>(
  settings: KafkaSettings,
  work: (admin: Admin) => Promise<Value>,
): Promise<Value> {
  await using admin = openAdmin(settings);
  return await explained(work(admin), settings);
}

interface TopicInKafka {
  readonly name: string;
  readonly partitions: number;
}

/** The topics of an election as Kafka has them. */
export const topicsOf = (election: ElectionId, partitions: number): (TopicInKafka & { readonly topic: Topic })[] =>
  TOPICS.map((topic) => ({
    topic,
    name: topicName(election, topic),
    partitions: COMPACTED_TOPICS.has(topic) ? 1 : partitions,
  }));

/**
 * Makes the missing topics of an election, and waits until the brokers list them. Leaves existing
 * topics unchanged.
 * @throws OperationalError KAFKA_FAILED where a topic has another number of partitions, since its
 * records would be in other places.
 */
export function ensureTopics(settings: KafkaSettings, election: ElectionId, partitions: number): Promise<void> {
  const wanted = topicsOf(election, partitions);
  return withAdmin(settings, async (admin) => {
    const known = new Set(await admin.listTopics());
    // The definition comes last, so a process that finds it finds the others too.
    for (const { topic, name, partitions: count } of wanted.toReversed())
      if (!known.has(name)) await createTopic(admin, settings, name, topic, count);
    const { topics } = await admin.metadata({ topics: wanted.map(({ name }) => name) }).catch((error: unknown) => {
      throw isTopicUnknown(error) ? notToldYet(election, error) : error;
    });
    for (const { name, partitions: count } of wanted) {
      const found = topics.get(name)?.partitionsCount ?? 0;
      if (found !== count) throw otherwiseMade(name, count, found);
    }
  });
}

/** A busy broker may list a new topic a second later, or more. */
const notToldYet = (election: ElectionId, cause: unknown): OperationalError =>
  new OperationalError('KAFKA_UNREACHABLE', {
    message: `Kafka does not list the topics of election ${election}`,
    nextStep: 'Check that all brokers run and that nobody removes topics, then start again.',
    canRetry: true,
    cause,
  });

const otherwiseMade = (name: string, wanted: number, found: number): OperationalError =>
  new OperationalError('KAFKA_FAILED', {
    message: `topic ${name} has ${found} partitions in Kafka, and the election was made for ${wanted}`,
    nextStep:
      'Find out who made or changed the topic. Where it is empty, remove it and start again; otherwise make a new election with --fresh.',
  });

async function createTopic(
  admin: Admin,
  settings: KafkaSettings,
  name: string,
  topic: Topic,
  partitions: number,
): Promise<void> {
  const policy = COMPACTED_TOPICS.has(topic) ? COMPACTED : KEPT;
  const configs = Object.entries({ ...policy, 'max.message.bytes': String(MESSAGE_BYTES_MAX) });
  try {
    await admin.createTopics({
      topics: [name],
      partitions,
      replicas: settings.replication,
      configs: configs.map(([key, value]) => ({ name: key, value })),
    });
  } catch (error) {
    // Another process of ours has made it.
    if (!hasAnswer(error, 'TOPIC_ALREADY_EXISTS')) throw explain(error, settings);
  }
}

/**
 * Waits until all present records of topics are readable, or the signal aborts. Kafka reports a
 * commit a moment before readers can see it.
 * @returns whether all are readable.
 */
export function untilReadable(
  settings: KafkaSettings,
  topics: readonly TopicInKafka[],
  signal: AbortSignal,
): Promise<boolean> {
  const asked = topics.map(({ name, partitions }) => ({
    name,
    partitions: Array.from({ length: partitions }, (_, partitionIndex) => ({
      partitionIndex,
      timestamp: ListOffsetTimestamps.LATEST,
    })),
  }));
  return withAdmin(settings, async (admin) => {
    // Closing the client ends the wait for a broker that hangs.
    const leave = (): void => void admin.close().catch(() => {});
    signal.addEventListener('abort', leave, { once: true });
    const endsOf = async (isolationLevel: FetchIsolationLevelValue): Promise<Map<string, bigint>> => {
      const listed = await admin.listOffsets({ topics: asked, isolationLevel });
      return new Map(
        listed.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex, offset }): [string, bigint] => [`${name}/${partitionIndex}`, offset]),
        ),
      );
    };
    try {
      const written = await endsOf(FetchIsolationLevels.READ_UNCOMMITTED);
      for (; !signal.aborted; await sleep(READABLE_POLL_MS)) {
        const readable = await endsOf(FetchIsolationLevels.READ_COMMITTED);
        if (Array.from(written).every(([place, end]) => (readable.get(place) ?? 0n) >= end)) return true;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', leave);
    }
    return false;
  });
}
/** Kafka writes the marker of a transaction some milliseconds after its answer. */
const READABLE_POLL_MS = 20;

/** The id that Kafka gave a topic. A topic that is removed and made again has another id. */
export const topicId = (settings: KafkaSettings, name: string): Promise<string> =>
  withAdmin(settings, async (admin) => (await admin.metadata({ topics: [name] })).topics.get(name)!.id);

/** The number of brokers in the cluster. */
export const countBrokers = (settings: KafkaSettings): Promise<number> =>
  withAdmin(settings, async (admin) => (await admin.metadata({ topics: [] })).brokers.size);

/** The ids of the elections that have a definition in this cluster. */
export async function electionsInKafka(settings: KafkaSettings): Promise<ElectionId[]> {
  const suffix = topicName('' as ElectionId, 'definition');
  const names = await withAdmin(settings, (admin) => admin.listTopics());
  return names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length) as ElectionId);
}
