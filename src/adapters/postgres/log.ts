import { zstdDecompressSync } from 'node:zlib';
import { OperationalError } from '../../base/errors.ts';
import type { Log, LogBatch, Topic } from '../../ports/log.ts';
import { readEnd } from './append.ts';
import type { Database } from './database.ts';

/**
 * A read returns at most this many rows, and stops after this many compressed bytes, whichever comes first. Votes compress a
 * hundredfold: 64 KB are some 8 MB of text, and eight times as much made the process a third larger and no faster.
 */
const ROWS_PER_READ_MAX = 256;
/** Compressed: some 8 MB of text. */
const BYTES_PER_READ_MAX = 64 * 1024;
/** No batch of our own comes near it; a length in a damaged row cannot fill the memory. */
const PAYLOAD_BYTES_MAX = 256 * 1024 * 1024;

export interface EmbeddedLog extends Log {
  close(): Promise<void>;
}

/** The log of one election in PostgreSQL: readers read table `log` and are woken by NOTIFY. */
export async function openEmbeddedLog(database: Database, electionNo: number): Promise<EmbeddedLog> {
  const wakeUps = await listen(database, electionNo);

  const end = (topic: Topic, partition: number): Promise<number> => readEnd(database, electionNo, topic, partition);

  return {
    end,
    async read(topic, partition, from) {
      const rows = await database.query<{ base_offset: string; record_count: number; payload: Buffer }>(
        READ,
        [electionNo, topic, partition, from],
        'read-log',
      );
      return rows
        .map(
          (row): LogBatch => ({
            base_offset: Number(row.base_offset),
            count: row.record_count,
            text: decompress(row.payload),
          }),
        )
        .filter((batch) => batch.base_offset + batch.count > from);
    },
    async wait(topic, partition, from, signal) {
      wakeUps.assertListening();
      if (signal.aborted) return;
      // Listening comes before looking, so that nothing falls between the two.
      const woken = wakeUps.next(topic, partition, signal);
      if ((wakeUps.known(topic, partition) ?? (await end(topic, partition))) > from) return;
      await woken;
      wakeUps.assertListening();
    },
    close: wakeUps.close,
  };
}

/** Node grows the output by 16 KB at a time unless told otherwise: 2.8 ms for 20,000 votes, with larger steps 0.9 ms. */
const STEP_BYTES = 256 * 1024;
const STEP_BYTES_SMALL = 16 * 1024;
const SMALL_PAYLOAD_BYTES = 2 * 1024;

function decompress(payload: Buffer): string {
  const chunkSize = payload.length < SMALL_PAYLOAD_BYTES ? STEP_BYTES_SMALL : STEP_BYTES;
  try {
    return zstdDecompressSync(payload, { chunkSize, maxOutputLength: PAYLOAD_BYTES_MAX }).toString('utf8');
  } catch (cause) {
    throw new OperationalError('LOG_DAMAGED', {
      message: `a batch of the log cannot be unpacked: ${cause instanceof Error ? cause.message : cause}`,
      nextStep: 'Stop and keep everything as it is, then restore the log from a backup.',
      cause,
    });
  }
}

/** The row that holds `from` may begin before it; the window keeps a call's bytes bounded without reading the payloads. */
const READ = `
  SELECT base_offset, record_count, payload FROM (
    SELECT base_offset, record_count, payload, sum(octet_length(payload)) OVER (ORDER BY base_offset) - octet_length(payload) AS before
    FROM (
      SELECT * FROM log WHERE election_no = $1 AND topic = $2 AND partition = $3 AND base_offset >= coalesce(
        (SELECT max(base_offset) FROM log WHERE election_no = $1 AND topic = $2 AND partition = $3 AND base_offset <= $4), 0)
      ORDER BY base_offset LIMIT ${ROWS_PER_READ_MAX}
    ) AS rows
  ) AS sized WHERE before <= ${BYTES_PER_READ_MAX} ORDER BY base_offset`;

interface WakeUps {
  /** The next time something happens in the partition, the connection is lost, or the signal aborts. */
  next(topic: Topic, partition: number, signal: AbortSignal): Promise<void>;
  /** One past the last offset as far as notifications have told; undefined before the first. */
  known(topic: Topic, partition: number): number | undefined;
  /** @throws OperationalError DATABASE_UNREACHABLE once notifications can no longer come: open the log again. */
  assertListening(): void;
  close(): Promise<void>;
}

async function listen(database: Database, electionNo: number): Promise<WakeUps> {
  const waiters = new Map<string, Set<() => void>>();
  const ends = new Map<string, number>();
  const wake = (key: string): void => {
    const woken = waiters.get(key);
    waiters.delete(key);
    if (woken !== undefined) for (const resolve of woken) resolve();
  };
  const client = await database.connect();
  let listening = true;
  client.on('notification', ({ payload = '' }) => {
    const [election, topic, partition, end] = payload.split('/');
    if (Number(election) !== electionNo) return;
    if (partition === 'end') {
      for (const key of [...waiters.keys()]) if (key.startsWith(`${topic}/`)) wake(key);
      return;
    }
    ends.set(`${topic}/${partition}`, Number(end));
    wake(`${topic}/${partition}`);
  });
  client.on('end', () => {
    listening = false;
    for (const key of [...waiters.keys()]) wake(key);
  });
  await client.query('LISTEN tallyroom_log');
  return {
    next: (topic, partition, signal) =>
      new Promise((resolve) => {
        const key = `${topic}/${partition}`;
        const done = (): void => {
          signal.removeEventListener('abort', done);
          waiters.get(key)?.delete(done);
          resolve();
        };
        signal.addEventListener('abort', done, { once: true });
        const waiting = waiters.get(key) ?? new Set();
        waiters.set(key, waiting.add(done));
      }),
    known: (topic, partition) => ends.get(`${topic}/${partition}`),
    assertListening() {
      if (listening) return;
      throw new OperationalError('DATABASE_UNREACHABLE', {
        message: 'the connection that tells of new records is lost',
        nextStep: 'Start again: the log is read on from where it was.',
        canRetry: true,
      });
    },
    close: () => client.end().catch(() => {}),
  };
}
