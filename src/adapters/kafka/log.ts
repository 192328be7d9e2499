import { OperationalError } from '../../base/errors.ts';
import type { ElectionId } from '../../domain/election/election.ts';
import type { ClosableLog } from '../../ports/backend.ts';
import { COMPACTED_TOPICS, type LogBatch, type Topic } from '../../ports/log.ts';
import { LONG_POLL_MS_MAX, topicName } from './client.ts';
import { type Fetched, openPartitionReader, type PartitionReader, type ReadRecord } from './reader.ts';
import type { KafkaSettings } from './settings.ts';

export interface KafkaLogOptions {
  readonly settings: KafkaSettings;
  readonly election: ElectionId;
  /** The end of a topic that the relay fills, from where it is committed; null where only compacted topics are read. */
  readonly committedEnd: ((topic: Topic, partition: number) => Promise<number>) | null;
  /** Throws what makes it pointless to wait for records: the relay that should bring them has failed. */
  assertFed(): void;
  onForeign?(topic: Topic, partition: number, records: number): void;
}

/**
 * The log of one election in Kafka. Its offsets are those of table `log`: the relay writes them into the keys of the records, so
 * a position means the same in both profiles, and neither the markers of transactions nor a record delivered twice disturb it.
 * In a compacted topic, whose keys are its own, the offsets are Kafka's.
 */
export function openKafkaLog(options: KafkaLogOptions): ClosableLog {
  const cursors = new Map<string, Cursor>();
  const cursorOf = (topic: Topic, partition: number): Cursor => {
    const name = `${topic}/${partition}`;
    const cursor = cursors.get(name) ?? openCursor(options, topic, partition);
    cursors.set(name, cursor);
    return cursor;
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
    async close() {
      await Promise.all(Array.from(cursors.values(), (cursor) => cursor.close()));
    },
  };
}

/** A reader of one partition that knows where in Kafka its next record stands. */
interface Cursor {
  read(from: number): Promise<readonly LogBatch[]>;
  end(): Promise<number>;
  wait(from: number, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

function openCursor({ settings, election, onForeign }: KafkaLogOptions, topic: Topic, partition: number): Cursor {
  const name = topicName(election, topic);
  const reader = openPartitionReader(settings, name, partition);
  const isDense = !COMPACTED_TOPICS.has(topic);
  /** Where the next record of the log is to be found; null until it has been looked for. */
  let place: { log: number; kafka: number } | null = null;
  /** What was asked for at `place` while waiting, and not yet taken. */
  let ahead: Promise<Fetched> | null = null;
  /** A connection answers one request after the other, and `place` belongs to one caller at a time. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <Value>(work: () => Promise<Value>): Promise<Value> => {
    const mine = turn.then(work, work);
    turn = mine;
    return mine;
  };
  const find = async (from: number): Promise<{ log: number; kafka: number }> => {
    if (place?.log !== from) {
      ahead = null;
      place = { log: from, kafka: isDense ? await findOffset(reader, name, partition, from) : from };
    }
    return place;
  };

  return {
    read: (from) =>
      inTurn(async () => {
        for (;;) {
          const at = await find(from);
          const before = ahead;
          ahead = null;
          const fetched = await (before ?? reader.fetch(at.kafka, 0));
          const { batches, foreign } = isDense
            ? denseBatch(fetched, from, name, partition)
            : { batches: runsOf(fetched.records), foreign: 0 };
          if (foreign > 0) onForeign?.(topic, partition, foreign);
          const last = batches.at(-1);
          place = { log: last === undefined ? from : last.base_offset + last.count, kafka: fetched.next };
          if (last !== undefined) {
            // The next request is under way while the caller works on this answer.
            ahead = reader.fetch(fetched.next, 0);
            ahead.catch(() => {});
            return batches;
          }
          // Only markers, foreign or repeated records: what is wanted may follow. And what was asked for earlier may have come since.
          if (before === null && (fetched.next >= fetched.end || fetched.next === at.kafka)) return [];
        }
      }),
    end: () => inTurn(async () => (await reader.bounds()).end),
    async wait(from, signal) {
      const arrived = inTurn(async () => {
        const at = await find(from);
        ahead ??= reader.fetch(at.kafka, LONG_POLL_MS_MAX);
        // A failure is thrown by whoever takes the answer.
        await ahead.catch(() => {});
      });
      await untilEither(arrived, signal);
    },
    async close() {
      await reader.close();
      await turn.catch(() => {});
    },
  };
}

function untilEither(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  work.catch(() => {});
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve();
    signal.addEventListener('abort', stop, { once: true });
    work.then(() => resolve(), reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** The log's offset of a record in its key; -1 for a record that is not ours. */
const offsetInKey = ({ key, value }: ReadRecord): number =>
  value !== null && /^(0|[1-9]\d{0,15})$/.test(key) ? Number(key) : -1;

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

/** One batch for each run of consecutive offsets: compaction and the markers of transactions leave holes. */
function runsOf(records: readonly ReadRecord[]): LogBatch[] {
  const batches: { base_offset: number; count: number; text: string }[] = [];
  for (const { offset, key, value } of records) {
    // A deleted key, or one that would break the line: not ours.
    if (value === null || /[\t\n]/.test(key)) continue;
    let last = batches.at(-1);
    if (last === undefined || last.base_offset + last.count !== offset) {
      last = { base_offset: offset, count: 0, text: '' };
      batches.push(last);
    }
    last.text += `${Buffer.from(key, 'latin1').toString('utf8')}\t${value.toString('utf8').replaceAll('\n', ' ')}\n`;
    last.count++;
  }
  return batches;
}

/**
 * The offset in Kafka from which reading forward meets the record with this offset of the log, by bisection: some twenty requests
 * for a billion records. The answer is at or before the record's committed copy: a record with a smaller offset is before it.
 * @throws OperationalError LOG_DAMAGED where records were removed and none is left: it would be waited for in vain.
 */
async function findOffset(reader: PartitionReader, topic: string, partition: number, wanted: number): Promise<number> {
  const { start, end } = await reader.bounds();
  if (start > 0 && (await firstOfOurs(reader, start, end)) === null)
    throw new OperationalError('LOG_DAMAGED', {
      message: `the records of partition ${partition} of topic ${topic} were removed up to offset ${start}; none is left`,
      nextStep: 'Look whether a retention time or a hand has removed them, then restore the topic from a backup.',
    });
  let before = start;
  for (let after = end; wanted > 0 && after - before > 1; ) {
    const middle = before + Math.floor((after - before) / 2);
    const found = await firstOfOurs(reader, middle, after);
    if (found !== null && found < wanted) before = middle;
    else after = middle;
  }
  return before;
}

/** The log's offset of the first record of ours from `from` on and before `to`; null where there is none. */
async function firstOfOurs(reader: PartitionReader, from: number, to: number): Promise<number | null> {
  for (let at = from; at < to; ) {
    const { records, next, end } = await reader.fetch(at, 0, PROBE_BYTES_MAX);
    for (const record of records) {
      if (record.offset >= to) return null;
      const offset = offsetInKey(record);
      if (offset !== -1) return offset;
    }
    if (next >= end || next === at) return null;
    at = next;
  }
  return null;
}

/** A probe looks at one record; the broker gives a whole batch anyway. */
const PROBE_BYTES_MAX = 1;

/** Whether anything committed is in a topic. */
export async function hasRecords(reader: PartitionReader): Promise<boolean> {
  const { start, end } = await reader.bounds();
  for (let at = start; at < end; ) {
    const { records, next } = await reader.fetch(at, 0);
    if (records.length > 0) return true;
    if (next === at) break;
    at = next;
  }
  return false;
}

/** One past the log's offset of the last record of ours in a topic that the relay fills; 0 in an empty one. */
export async function publishedEnd(reader: PartitionReader): Promise<number> {
  const { start, end } = await reader.bounds();
  for (let back = 2; ; back *= 2) {
    const from = Math.max(start, end - back);
    let last = -1;
    for (let at = from; at < end; ) {
      const { records, next } = await reader.fetch(at, 0);
      for (const record of records) last = Math.max(last, offsetInKey(record));
      if (next === at) break;
      at = next;
    }
    if (last >= 0 || from === start) return last + 1;
  }
}
