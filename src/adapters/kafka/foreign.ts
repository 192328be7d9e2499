import { type Admin, type ClusterTopicMetadata, FetchIsolationLevels, ListOffsetTimestamps } from '@platformatic/kafka';
import { OperationalError } from '../../base/errors.ts';
import { unlessAborted } from '../../base/unless-aborted.ts';
import type { ForeignRecords, ForeignTopic } from '../../ports/foreign-topic.ts';
import { type DisposableAdmin, LONG_POLL_MS_MAX, openAdmin } from './client.ts';
import { explained, hasAnswer, isTopicUnknown } from './explain.ts';
import { openPartitionReader, type PartitionReader } from './reader.ts';
import type { KafkaSettings } from './settings.ts';

/**
 * The most compressed bytes of an answer; the broker sends at least one batch. This is some
 * thousand votes, enough to make a commit worth its cost.
 */
const FETCH_BYTES_MAX = 256 * 1024;
/** This many hexadecimal digits of a topic's id make a whole number that doubles hold. */
const IDENTITY_DIGITS = 13;

/**
 * A topic that another system writes, with any number of partitions and any keys. Reads committed
 * records only.
 * @throws OperationalError INPUT_REFUSED where there is no such topic.
 */
export async function openForeignTopic(settings: KafkaSettings, name: string): Promise<ForeignTopic> {
  await using opening = new AsyncDisposableStack();
  const admin = opening.use(openAdmin(settings));
  const { id } = await describeTopic(settings, admin, name, true);
  opening.move();
  return new KafkaForeignTopic(settings, admin, name, id);
}

async function describeTopic(
  settings: KafkaSettings,
  admin: Admin,
  name: string,
  forceUpdate: boolean,
): Promise<ClusterTopicMetadata> {
  try {
    return (await explained(admin.metadata({ topics: [name], forceUpdate }), settings)).topics.get(name)!;
  } catch (error) {
    throw isTopicUnknown(error) ? unknownTopic(name) : error;
  }
}

class KafkaForeignTopic implements ForeignTopic {
  readonly name: string;
  readonly identity: number;
  readonly #settings: KafkaSettings;
  readonly #admin: DisposableAdmin;
  readonly #id: string;
  readonly #readers = new Map<number, PartitionReader>();

  constructor(settings: KafkaSettings, admin: DisposableAdmin, name: string, id: string) {
    this.name = name;
    this.identity = Number.parseInt(id.replaceAll('-', '').slice(0, IDENTITY_DIGITS), 16);
    this.#settings = settings;
    this.#admin = admin;
    this.#id = id;
  }

  /**
   * The library asks the brokers again every few seconds, so it finds partitions that are added
   * later.
   */
  async partitions(): Promise<number> {
    return (await this.#describe(false)).partitionsCount;
  }

  async ends(): Promise<readonly number[]> {
    return endsOf(this.#settings, this.#admin, this.name, (await this.#describe(true)).partitionsCount);
  }

  async read(partition: number, from: number, signal: AbortSignal): Promise<ForeignRecords> {
    // The function does not read an answer that comes after the signal. The request ends within the
    // time of a long poll.
    const fetching = this.#readerOf(partition).fetch(from, LONG_POLL_MS_MAX, FETCH_BYTES_MAX);
    try {
      return await unlessAborted(fetching, signal, { records: [], next: from, end: from });
    } catch (error) {
      throw await this.#reasonOf(error, partition, from);
    }
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#readers.values(), (reader) => reader.close()));
    await this.#admin[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #describe(forceUpdate: boolean): Promise<ClusterTopicMetadata> {
    const found = await describeTopic(this.#settings, this.#admin, this.name, forceUpdate);
    if (found.id !== this.#id) throw madeAnew(this.name);
    return found;
  }

  #readerOf(partition: number): PartitionReader {
    const reader = this.#readers.get(partition) ?? openPartitionReader(this.#settings, this.name, partition, this.#id);
    this.#readers.set(partition, reader);
    return reader;
  }

  /** The reason why a read failed. A topic that is gone is refused without waiting for it. */
  async #reasonOf(error: unknown, partition: number, from: number): Promise<unknown> {
    if (hasAnswer(error, 'OFFSET_OUT_OF_RANGE')) return removed(this.#readerOf(partition), this.name, partition, from);
    try {
      await this.#describe(true);
      return error;
    } catch (reason) {
      return reason instanceof OperationalError && reason.code === 'INPUT_REFUSED' ? reason : error;
    }
  }
}

async function endsOf(settings: KafkaSettings, admin: Admin, name: string, partitions: number): Promise<number[]> {
  const asked = Array.from({ length: partitions }, (_, partitionIndex) => ({
    partitionIndex,
    timestamp: ListOffsetTimestamps.LATEST,
  }));
  const listed = await explained(
    admin.listOffsets({ topics: [{ name, partitions: asked }], isolationLevel: FetchIsolationLevels.READ_COMMITTED }),
    settings,
  );
  const ends = new Array<number>(partitions).fill(0);
  for (const { partitionIndex, offset } of listed.flatMap((topic) => topic.partitions))
    ends[partitionIndex] = Number(offset);
  return ends;
}

const unknownTopic = (name: string): OperationalError =>
  new OperationalError('INPUT_REFUSED', {
    message: `there is no topic ${name} in Kafka`,
    nextStep:
      'Check its name, that KAFKA_BROKERS names the cluster it is in, and that this user may read it (docs/operations.md).',
  });

const madeAnew = (name: string): OperationalError =>
  new OperationalError('INPUT_REFUSED', {
    message: `topic ${name} was removed and made again while votes were taken from it`,
    nextStep: 'Let the other system write its votes into a topic with another name; what was taken is not cast twice.',
  });

/**
 * The error for votes that can no longer be read. A person must decide how to go on; skipping them
 * would lose votes.
 */
async function removed(
  reader: PartitionReader,
  topic: string,
  partition: number,
  from: number,
): Promise<OperationalError> {
  const { start, end } = await reader.bounds();
  return new OperationalError('INPUT_REFUSED', {
    message:
      from < start
        ? `partition ${partition} of topic ${topic} lacks the records from offset ${from} to ${start - 1}: they were removed before they were read`
        : `partition ${partition} of topic ${topic} ends at offset ${end}, and votes were taken up to offset ${from}: its records were removed`,
    nextStep:
      'Let the other system write all its votes into a topic with another name, with a longer retention time (retention.ms), and take that one; what was taken already is not cast twice.',
  });
}
