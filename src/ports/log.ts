/** The log: topics of records in partitions, each record at a dense offset. It only grows; nothing in it is changed. */

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

/** Of a compacted topic only the last record of each key is kept for sure; readers upsert by key and never sum. */
export const COMPACTED_TOPICS: ReadonlySet<Topic> = new Set([
  'definition',
  'votes-per-candidate',
  'turnout-by-location',
  'results-by-location',
]);

/**
 * Consecutive records as they were appended: one line a record, `key TAB value NEWLINE`. Keys hold no tab and no newline,
 * values are JSON on one line; topics that are not compacted have empty keys. Text, because the loops that read millions of
 * records scan it in place instead of making an object for each.
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

export function* recordsOf(batch: LogBatch): Generator<LogRecord> {
  let offset = batch.base_offset;
  for (let from = 0; from < batch.text.length; offset++) {
    const tab = batch.text.indexOf('\t', from);
    const end = batch.text.indexOf('\n', tab);
    yield { offset, key: batch.text.slice(from, tab), value: batch.text.slice(tab + 1, end) };
    from = end + 1;
  }
}

/** The log of one election, as a reader sees it. */
export interface Log {
  /**
   * The next records of a partition at `from` or later (in a compacted topic offsets may have been removed), in order;
   * none where the log ends. A batch that holds `from` in its middle is returned whole. Bounded to some megabytes a call.
   */
  read(topic: Topic, partition: number, from: number): Promise<readonly LogBatch[]>;
  /** One past the last offset. */
  end(topic: Topic, partition: number): Promise<number>;
  /** Resolves when a record at `from` or later exists, or when the signal aborts, without error. Never polls the topic. */
  wait(topic: Topic, partition: number, from: number, signal: AbortSignal): Promise<void>;
}

export interface OutgoingRecord {
  readonly topic: Topic;
  readonly key: string;
  readonly value: string;
}

/** The only writer of the compacted result topics: opening another under the same name fences this one. */
export interface LogWriter {
  /** Rises by one each time a writer is opened. */
  readonly epoch: number;
  /** Appends all records atomically. @throws OperationalError FENCED when a later writer was opened: never retry, exit. */
  publish(records: readonly OutgoingRecord[]): Promise<void>;
}
