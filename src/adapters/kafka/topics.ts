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
 * A definition with many locations and portraits is one record; a box of votes is some 50 KB.
 * Brokers take 100 MB a request.
 */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Votes, voters and returns are kept for ever: the recount reads them. Of a compacted topic the
 * part that is being written is never compacted, so it is kept short: it is what a restart has to
 * read.
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
  return await explained(work(admin));
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
 * Makes the topics of an election that do not exist yet, and waits until the brokers tell of them.
 * Those that do exist are left as they are.
 * @throws OperationalError KAFKA_FAILED where a topic has another number of partitions: its records
 * would be in other places.
 */
export function ensureTopics(settings: KafkaSettings, election: ElectionId, partitions: number): Promise<void> {
  const wanted = topicsOf(election, partitions);
  return withAdmin(settings, async (admin) => {
    const known = new Set(await admin.listTopics());
    // The definition last: a process that finds it finds the others.
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

/** A broker that is busy tells of a new topic a second later and more. */
const notToldYet = (election: ElectionId, cause: unknown): OperationalError =>
  new OperationalError('KAFKA_UNREACHABLE', {
    message: `Kafka does not tell of the topics of election ${election}`,
    nextStep: 'Look whether all brokers run, and whether somebody removes topics, then start again.',
    canRetry: true,
    cause,
  });

const otherwiseMade = (name: string, wanted: number, found: number): OperationalError =>
  new OperationalError('KAFKA_FAILED', {
    message: `topic ${name} has ${found} partitions in Kafka, and the election was made for ${wanted}`,
    nextStep:
      'Look who made or changed the topic. While nothing is in it, remove it and start again; otherwise make a new election with --fresh.',
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
    // Another process of ours was faster.
    if (!hasAnswer(error, 'TOPIC_ALREADY_EXISTS')) throw explain(error);
  }
}

/**
 * Waits until all that topics hold now is readable, or the signal aborts: Kafka answers that a
 * transaction is committed, and a moment later readers of what is committed see it.
 * @returns whether it is readable.
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
    // A broker that hangs would be waited for longer.
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

/** The id that Kafka gave a topic: one that is removed and made again has another. */
export const topicId = (settings: KafkaSettings, name: string): Promise<string> =>
  withAdmin(settings, async (admin) => (await admin.metadata({ topics: [name] })).topics.get(name)!.id);

/** How many brokers the cluster has that answers. */
export const countBrokers = (settings: KafkaSettings): Promise<number> =>
  withAdmin(settings, async (admin) => (await admin.metadata({ topics: [] })).brokers.size);

/** The ids of the elections that have a definition in this cluster. */
export async function electionsInKafka(settings: KafkaSettings): Promise<ElectionId[]> {
  const suffix = topicName('' as ElectionId, 'definition');
  const names = await withAdmin(settings, (admin) => admin.listTopics());
  return names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length) as ElectionId);
}
