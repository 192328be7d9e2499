import { OperationalError } from '../../base/errors.ts';
import { createTurns } from '../../base/turns.ts';
import { unlessAborted } from '../../base/unless-aborted.ts';
import type { ElectionId } from '../../domain/election/election.ts';
import type { ClosableLog } from '../../ports/backend.ts';
import { COMPACTED_TOPICS, endOf, type LogBatch, type Topic } from '../../ports/log.ts';
import { LONG_POLL_MS_MAX, topicName } from './client.ts';
import { findOffset, offsetInKey } from './offsets.ts';
import { type Fetched, openPartitionReader, type PartitionReader, type ReadRecord } from './reader.ts';
import type { KafkaSettings } from './settings.ts';

export interface KafkaLogOptions {
  readonly settings: KafkaSettings;
  readonly election: ElectionId;
  /**
   * The committed end of a topic that the relay fills, from PostgreSQL; null where only compacted
   * topics are read.
   */
  readonly committedEnd: ((topic: Topic, partition: number) => Promise<number>) | null;
  /**
   * Throws where the relay that should publish the records has failed. Waiting for them would be
   * pointless.
   */
  assertFed(): void;
  onForeign?(topic: Topic, partition: number, records: number): void;
}

/**
 * The log of one election in Kafka. Its offsets are those of table `log`. The relay writes them
 * into the keys of the records, so a position means the same in both profiles. Markers of
 * transactions and records that are delivered twice do not change it. A compacted topic has keys of
 * its own, so its offsets are those of Kafka.
 */
export function openKafkaLog(options: KafkaLogOptions): ClosableLog {
  const cursors = new Map<string, Cursor>();
  const cursorOf = (topic: Topic, partition: number): Cursor => {
    const name = `${topic}/${partition}`;
    const cursor = cursors.get(name) ?? new Cursor(options, topic, partition);
    cursors.set(name, cursor);
    return cursor;
  };
  const close = async (): Promise<void> => {
    await Promise.all(Array.from(cursors.values(), (cursor) => cursor.close()));
  };
  return {
    async read(topic, partition, from) {
      options.assertFed();
      return cursorOf(topic, partition).read(from);
    },
    async end(topic, partition) {
      if (!COMPACTED_TOPICS.has(topic) && options.committedEnd !== null) return options.committedEnd(topic, partition);
      return cursorOf(topic, partition).end();
    },
    async wait(topic, partition, from, signal) {
      options.assertFed();
      if (!signal.aborted) await cursorOf(topic, partition).wait(from, signal);
      options.assertFed();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The two offsets of a record: in the log and in Kafka. */
interface Place {
  readonly log: number;
  readonly kafka: number;
}

/** A reader of one partition that keeps the place of its next record in Kafka. */
class Cursor {
  readonly #topic: Topic;
  readonly #partition: number;
  /** The name of the topic in Kafka. */
  readonly #name: string;
  readonly #onForeign: KafkaLogOptions['onForeign'];
  readonly #reader: PartitionReader;
  readonly #isDense: boolean;
  /** A connection answers requests one after the other, and one caller at a time uses the place. */
  readonly #inTurn = createTurns();
  /** The place of the next record of the log; null before the first search. */
  #place: Place | null = null;
  /**
   * The request for the records at the place, which was sent while the caller worked or waited.
   * Nobody has read its answer yet.
   */
  #ahead: Promise<Fetched> | null = null;

  constructor({ settings, election, onForeign }: KafkaLogOptions, topic: Topic, partition: number) {
    this.#topic = topic;
    this.#partition = partition;
    this.#name = topicName(election, topic);
    this.#onForeign = onForeign;
    this.#reader = openPartitionReader(settings, this.#name, partition);
    this.#isDense = !COMPACTED_TOPICS.has(topic);
  }

  read(from: number): Promise<readonly LogBatch[]> {
    return this.#inTurn(async () => {
      for (;;) {
        const at = await this.#find(from);
        const before = this.#ahead;
        this.#ahead = null;
        const fetched = await (before ?? this.#reader.fetch(at.kafka, 0));
        const batches = this.#batchesOf(fetched, from);
        const last = batches.at(-1);
        this.#place = { log: last === undefined ? from : endOf(last), kafka: fetched.next };
        if (last !== undefined) {
          // The next request is under way while the caller works on this answer.
          this.#ahead = this.#reader.fetch(fetched.next, 0);
          this.#ahead.catch(() => {});
          return batches;
        }
        // The answer has only markers, foreign or repeated records, so the next record may follow.
        // It may also have come since an earlier request.
        if (before === null && (fetched.next >= fetched.end || fetched.next === at.kafka)) return [];
      }
    });
  }

  end(): Promise<number> {
    return this.#inTurn(async () => (await this.#reader.bounds()).end);
  }

  async wait(from: number, signal: AbortSignal): Promise<void> {
    const arrived = this.#inTurn(async () => {
      const at = await this.#find(from);
      this.#ahead ??= this.#reader.fetch(at.kafka, LONG_POLL_MS_MAX);
      // The caller that takes the answer throws its failure.
      await this.#ahead.catch(() => {});
    });
    await unlessAborted(arrived, signal, undefined);
  }

  async close(): Promise<void> {
    await this.#reader.close();
    await this.#inTurn(async () => {});
  }

  async #find(from: number): Promise<Place> {
    if (this.#place?.log !== from) {
      this.#ahead = null;
      const kafka = this.#isDense ? await findOffset(this.#reader, this.#name, this.#partition, from) : from;
      this.#place = { log: from, kafka };
    }
    return this.#place;
  }

  #batchesOf(fetched: Fetched, from: number): readonly LogBatch[] {
    if (!this.#isDense) return runsOf(fetched.records);
    const { batches, foreign } = denseBatch(fetched, from, this.#name, this.#partition);
    if (foreign > 0) this.#onForeign?.(this.#topic, this.#partition, foreign);
    return batches;
  }
}

/** The records from `from` on as one batch. @throws OperationalError LOG_DAMAGED at a gap. */
function denseBatch(
  { records }: Fetched,
  from: number,
  topic: string,
  partition: number,
): { batches: LogBatch[]; foreign: number } {
  let next = from;
  let foreign = 0;
  let text = '';
  for (const record of records) {
    const offset = offsetInKey(record);
    if (offset === -1) foreign++;
    if (offset < next) continue;
    if (offset > next)
      throw new OperationalError('LOG_DAMAGED', {
        message: `partition ${partition} of topic ${topic} has a gap: expected record ${next} and got ${offset}`,
        nextStep: 'Stop and keep everything as it is; run `tallyroom verify`, then restore the topic from a backup.',
      });
    text += `\t${record.value!.toString('utf8')}\n`;
    next++;
  }
  return { batches: next === from ? [] : [{ base_offset: from, count: next - from, text }], foreign };
}

/**
 * One batch for each run of consecutive offsets: compaction and the markers of transactions leave
 * holes.
 */
function runsOf(records: readonly ReadRecord[]): LogBatch[] {
  const batches: { base_offset: number; count: number; text: string }[] = [];
  for (const { offset, key, value } of records) {
    // We write neither a deleted key nor a key that would break the line.
    if (value === null || /[\t\n]/.test(key)) continue;
    let last = batches.at(-1);
    if (last === undefined || endOf(last) !== offset) {
      last = { base_offset: offset, count: 0, text: '' };
      batches.push(last);
    }
    last.text += `${Buffer.from(key, 'latin1').toString('utf8')}\t${value.toString('utf8').replaceAll('\n', ' ')}\n`;
    last.count++;
  }
  return batches;
}
