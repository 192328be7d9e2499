import { REMOVED } from '../domain/log/records.ts';
import { parseObject } from '../domain/results/published-results.ts';

/**
 * The log: topics of records in partitions, each record at a dense offset. It only grows; nothing
 * in it is changed.
 */

export const TOPICS = [
  'definition',
  'voters',
  'votes',
  'returns',
  'votes-per-candidate',
  'turnout-by-location',
  'results-by-location',
] as const;
export type Topic = (typeof TOPICS)[number];

/**
 * A compacted topic surely keeps only the last record of each key. Readers upsert by key and never
 * sum.
 */
export const COMPACTED_TOPICS: ReadonlySet<Topic> = new Set([
  'definition',
  'votes-per-candidate',
  'turnout-by-location',
  'results-by-location',
]);

/**
 * Consecutive records as they were appended: one line a record, `key TAB value NEWLINE`. Keys hold
 * no tab and no newline, values are JSON on one line; topics that are not compacted have empty
 * keys. The batch is text because the loops that read millions of records scan it in place. They
 * make no object for each record.
 */
export interface LogBatch {
  readonly base_offset: number;
  readonly count: number;
  readonly text: string;
}

export interface LogRecord {
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

/** One past the last offset of a batch: reading goes on there. */
export const endOf = ({ base_offset, count }: LogBatch): number => base_offset + count;

/** The records of a batch from an offset on. */
export function* recordsOf({ base_offset, text }: LogBatch, from = base_offset): Generator<LogRecord> {
  let offset = base_offset;
  for (let at = 0; at < text.length; offset++) {
    const tab = text.indexOf('\t', at);
    const end = text.indexOf('\n', tab);
    if (offset >= from) yield { offset, key: text.slice(at, tab), value: text.slice(tab + 1, end) };
    at = end + 1;
  }
}

/** The log of one election, as a reader sees it. */
export interface Log {
  /**
   * The next records of a partition at `from` or later, in order; none where the log ends. In a
   * compacted topic offsets may have been removed. A batch that holds `from` in its middle is
   * returned whole. A call returns some megabytes at most.
   */
  read(topic: Topic, partition: number, from: number): Promise<readonly LogBatch[]>;
  /** One past the last offset. */
  end(topic: Topic, partition: number): Promise<number>;
  /**
   * Resolves when a record at `from` or later exists, or when the signal aborts, without error.
   * Never polls the topic.
   */
  wait(topic: Topic, partition: number, from: number, signal: AbortSignal): Promise<void>;
}

/**
 * The batches of a partition, from the one that holds an offset to the end of the log. Each is read
 * when the caller asks for it.
 */
export async function* batchesFrom(
  log: Log,
  topic: Topic,
  partition: number,
  from: number,
): AsyncGenerator<LogBatch, void> {
  for (let next = from; ; ) {
    const batches = await log.read(topic, partition, next);
    for (const batch of batches) yield batch;
    const last = batches.at(-1);
    if (last === undefined) return;
    next = endOf(last);
  }
}

/**
 * The same batches, and then those that are appended, as they come. It ends when the signal aborts.
 */
export async function* followBatches(
  log: Log,
  topic: Topic,
  partition: number,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<LogBatch, void> {
  for (let next = from; !signal.aborted; await log.wait(topic, partition, next, signal))
    for await (const batch of batchesFrom(log, topic, partition, next)) {
      if (signal.aborted) return;
      yield batch;
      next = endOf(batch);
    }
}

/** The records of a partition, from an offset to the end of the log. */
export async function* recordsFrom(
  log: Log,
  topic: Topic,
  partition: number,
  from: number,
): AsyncGenerator<LogRecord, void> {
  for await (const batch of batchesFrom(log, topic, partition, from))
    for (const record of recordsOf(batch, from)) yield record;
}

/**
 * One past the last `seq` of a partition of topic `votes`, from its last box; 0 where that is no
 * box.
 */
export async function seqEnd(log: Log, partition: number): Promise<number> {
  const end = await log.end('votes', partition);
  let seq = 0;
  for await (const { value } of recordsFrom(log, 'votes', partition, Math.max(0, end - 1))) {
    const box = parseObject(value);
    if (typeof box?.seq === 'number' && Array.isArray(box.votes)) seq = box.seq + box.votes.length;
  }
  return seq;
}

/**
 * The last record of each key of a compacted topic, in the order of the log, without the keys that
 * were taken out.
 */
export async function latestRecords(log: Log, topic: Topic): Promise<Map<string, LogRecord>> {
  const latest = new Map<string, LogRecord>();
  for await (const record of recordsFrom(log, topic, 0, 0)) {
    latest.delete(record.key);
    if (record.value !== REMOVED) latest.set(record.key, record);
  }
  return latest;
}

export interface OutgoingRecord {
  readonly topic: Topic;
  readonly key: string;
  readonly value: string;
}

/**
 * The only writer of the compacted result topics. Opening another under the same name fences this
 * one.
 */
export interface LogWriter {
  /** Rises by one each time a writer is opened. */
  readonly epoch: number;
  /**
   * Appends all records atomically.
   * @throws OperationalError FENCED when a later writer was opened: never retry, exit.
   */
  publish(records: readonly OutgoingRecord[]): Promise<void>;
}

/** A writer that is open. Closing it never throws. */
export interface ClosableWriter extends LogWriter, AsyncDisposable {
  close(): Promise<void>;
}
