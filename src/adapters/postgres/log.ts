import { OperationalError } from '../../base/errors.ts';
import type { ClosableLog } from '../../ports/backend.ts';
import { endOf, type Topic } from '../../ports/log.ts';
import { readEnd } from './append.ts';
import type { Database } from './database.ts';
import { LOG_CHANNEL, listen } from './notifications.ts';
import { unpack } from './payload.ts';

/**
 * A read returns at most this many rows, and stops at {@link BYTES_PER_READ_MAX} compressed bytes,
 * whichever comes first. Votes compress a hundredfold, so 64 KB are some 8 MB of text. Eight times
 * as much made the process a third larger and no faster.
 */
const ROWS_PER_READ_MAX = 256;
/** Compressed: some 8 MB of text. */
const BYTES_PER_READ_MAX = 64 * 1024;

/** The log of one election in PostgreSQL: readers read table `log` and are woken by NOTIFY. */
export async function openPostgresLog(database: Database, electionNo: number): Promise<ClosableLog> {
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await database.connect());
  /** One past the last offset of each partition, as known from notifications and waits. */
  const ends = new Map<string, number>();
  const notifications = await listen(client, LOG_CHANNEL, (payload) => {
    const [, place = '', end] = /^(\d+\/[^/]+\/\d+)\/(\d+)$/.exec(payload) ?? [];
    if (place.startsWith(`${electionNo}/`)) ends.set(place, Number(end));
  });
  const end = (topic: Topic, partition: number): Promise<number> => readEnd(database, electionNo, topic, partition);
  const placeOf = (topic: Topic, partition: number): string => `${electionNo}/${topic}/${partition}`;
  const connection = opening.move();
  const close = (): Promise<void> => connection.disposeAsync();
  return {
    end,
    async read(topic, partition, from) {
      // Known before the query, so that its rows had been committed when it began.
      const known = ends.get(placeOf(topic, partition)) ?? 0;
      const rows = await database.query<{ base_offset: string; record_count: number; payload: Buffer }>(
        READ,
        [electionNo, topic, partition, from],
        'read-log',
      );
      const batches = rows
        .map(({ base_offset, record_count, payload }) => ({
          base_offset: Number(base_offset),
          count: record_count,
          text: unpack(payload).toString('utf8'),
        }))
        .filter((batch) => endOf(batch) > from);
      if (batches.length === 0 && known > from) throw tailMissing(topic, partition, from, known);
      return batches;
    },
    async wait(topic, partition, from, signal) {
      notifications.assertConnected();
      if (signal.aborted) return;
      const place = placeOf(topic, partition);
      const all = `${electionNo}/${topic}/end/`;
      using bell = notifications.bell((payload) => payload.startsWith(`${place}/`) || payload.startsWith(all));
      const known = ends.get(place) ?? (await end(topic, partition));
      if (known > from) {
        ends.set(place, Math.max(known, ends.get(place) ?? 0));
        return;
      }
      await bell.rung(signal);
      notifications.assertConnected();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A reader that waited for these records would ask again at once, for ever. */
const tailMissing = (topic: Topic, partition: number, from: number, end: number): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `table log lacks records of topic ${topic}, partition ${partition}: it ends before offset ${from}, and table log_ends says ${end}`,
    nextStep: 'Stop and keep everything as it is, then restore PostgreSQL from a backup.',
  });

/**
 * The row that holds `from` may begin before it. The window bounds the bytes of a call without
 * reading the payloads.
 */
const READ = `
  SELECT base_offset, record_count, payload FROM (
    SELECT base_offset, record_count, payload, sum(octet_length(payload)) OVER (ORDER BY base_offset) - octet_length(payload) AS before
    FROM (
      SELECT * FROM log WHERE election_no = $1 AND topic = $2 AND partition = $3 AND base_offset >= coalesce(
        (SELECT max(base_offset) FROM log WHERE election_no = $1 AND topic = $2 AND partition = $3 AND base_offset <= $4), 0)
      ORDER BY base_offset LIMIT ${ROWS_PER_READ_MAX}
    ) AS rows
  ) AS sized WHERE before <= ${BYTES_PER_READ_MAX} ORDER BY base_offset`;
