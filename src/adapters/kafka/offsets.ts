import { OperationalError } from '../../base/errors.ts';
import { type PartitionReader, type ReadRecord, recordsBetween } from './reader.ts';

/**
 * The places of the records of the log in Kafka. In a topic that the relay fills, the key of each
 * record is its offset in the log.
 */

/** The offset in the log that a record has as its key; -1 for a record that is not ours. */
export const offsetInKey = ({ key, value }: ReadRecord): number =>
  value !== null && /^(0|[1-9]\d{0,15})$/.test(key) ? Number(key) : -1;

/**
 * The offset in Kafka from which reading forward meets the record with this offset of the log, by
 * bisection: some twenty requests for a billion records. The answer is at or before the record's
 * committed copy: a record with a smaller offset is before it.
 * @throws OperationalError LOG_DAMAGED where all records were removed, so that waiting for one
 * would be in vain.
 */
export async function findOffset(
  reader: PartitionReader,
  topic: string,
  partition: number,
  wanted: number,
): Promise<number> {
  const { start, end } = await reader.bounds();
  if (start > 0 && (await firstOfOurs(reader, start, end)) === null)
    throw new OperationalError('LOG_DAMAGED', {
      message: `the records of partition ${partition} of topic ${topic} were removed up to offset ${start}; none is left`,
      nextStep: 'Check whether a retention time or a person has removed them, then restore the topic from a backup.',
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

/** A probe looks at one record; the broker gives a whole batch anyway. */
const PROBE_BYTES_MAX = 1;

/**
 * The offset in the log of our first record from `from` on and before `to`; null where there is
 * none.
 */
async function firstOfOurs(reader: PartitionReader, from: number, to: number): Promise<number | null> {
  for await (const record of recordsBetween(reader, from, to, PROBE_BYTES_MAX)) {
    const offset = offsetInKey(record);
    if (offset !== -1) return offset;
  }
  return null;
}

/** Whether a topic has any committed record. */
export async function hasRecords(reader: PartitionReader): Promise<boolean> {
  const { start, end } = await reader.bounds();
  for await (const _ of recordsBetween(reader, start, end)) return true;
  return false;
}

/**
 * One past the offset in the log of our last record in a topic that the relay fills; 0 in an empty
 * topic.
 */
export async function publishedEnd(reader: PartitionReader): Promise<number> {
  const { start, end } = await reader.bounds();
  for (let back = 2; ; back *= 2) {
    const from = Math.max(start, end - back);
    let last = -1;
    for await (const record of recordsBetween(reader, from, end)) last = Math.max(last, offsetInKey(record));
    if (last >= 0 || from === start) return last + 1;
  }
}
