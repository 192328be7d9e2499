import { batchesFrom, endOf, type Log, type LogBatch, type LogRecord, recordsOf, type Topic } from '../../ports/log.ts';

/**
 * The most reads in a row that find no record before the end of the log. Where a relay publishes
 * the records, each read waits about a second for it. After this many, the missing record will not
 * come.
 */
const EMPTY_READS_MAX = 30;
/** The longest wait for a record before the next read. */
const WAIT_MS_MAX = 1_000;

/**
 * The batches of a partition up to `end`; the last may reach beyond. A relay may be behind the
 * commits, so the function waits for them.
 */
export async function* batchesTo(
  log: Log,
  topic: Topic,
  partition: number,
  end: number,
  signal: AbortSignal,
): AsyncGenerator<LogBatch> {
  let next = 0;
  for (let emptyReads = 0; ; emptyReads++) {
    signal.throwIfAborted();
    if (next >= end) return;
    for await (const batch of batchesFrom(log, topic, partition, next)) {
      yield batch;
      signal.throwIfAborted();
      next = endOf(batch);
      if (next >= end) return;
      emptyReads = 0;
    }
    if (emptyReads === EMPTY_READS_MAX) return;
    await log.wait(topic, partition, next, AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS_MAX)]));
  }
}

/** The records of a partition before `end`. */
export async function* recordsTo(
  log: Log,
  topic: Topic,
  partition: number,
  end: number,
  signal: AbortSignal,
): AsyncGenerator<LogRecord> {
  for await (const batch of batchesTo(log, topic, partition, end, signal))
    for (const record of recordsOf(batch)) {
      if (record.offset >= end) return;
      yield record;
    }
}
