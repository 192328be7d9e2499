import type pg from 'pg';
import { OperationalError } from '../../base/errors.ts';
import { assert } from '../../domain/assert.ts';
import type { BallotSource } from '../../ports/ballot-batch.ts';
import type { Sharing } from '../../ports/sharing.ts';
import type { Database } from './database.ts';

/**
 * Who joins, leaves or lets go says so. Who dies says nothing: PostgreSQL frees its locks, and the others see it at their next
 * look.
 */
const LOOK_SPACING_MS = 1_000;
const CHANNEL = 'tallyroom_sharing';

/** Locks held by sessions of this database, as one number each, as they were asked for. */
const HOLDERS = `
  SELECT pid, pid = pg_backend_pid() AS mine FROM pg_locks
  WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((classid::bigint << 32) | objid::bigint) = hashtextextended($1, 0)
  ORDER BY pid`;

/** A member holds a shared advisory lock on a session of its own: to count them is to count those locks. */
export async function openSharing(
  database: Database,
  electionNo: number,
  source: BallotSource['name'],
): Promise<Sharing> {
  const key = `tallyroom ${electionNo} ${source} shared`;
  const client = await database.connect();
  const stirred = openStirring(client, key);
  const tell = async (): Promise<void> => {
    await client.query('SELECT pg_notify($1, $2)', [CHANNEL, key]);
  };
  try {
    await client.query(`LISTEN ${CHANNEL}`);
    await client.query('SELECT pg_advisory_lock_shared(hashtextextended($1, 0))', [key]);
    await tell();
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  return {
    async look() {
      stirred.settle();
      const { rows } = await client.query<{ pid: number; mine: boolean }>({
        name: 'sharing-look',
        text: HOLDERS,
        values: [key],
      });
      const rank = rows.findIndex(({ mine }) => mine);
      assert(rank !== -1, 'a member holds its lock as long as its session lasts');
      return { members: rows.length, rank };
    },
    async wait(signal) {
      await stirred.next(signal);
      stirred.assertConnected();
    },
    tell,
    async leave() {
      // The lock first: who is told looks at once.
      await client
        .query('SELECT pg_advisory_unlock_shared(hashtextextended($1, 0))', [key])
        .then(tell)
        .catch(() => {});
      await client.end().catch(() => {});
    },
  };
}

interface Stirring {
  /** What was told until now is known. */
  settle(): void;
  /** Resolves when something is told that is not settled, when it is time to look anyway, or when the signal aborts. */
  next(signal: AbortSignal): Promise<void>;
  assertConnected(): void;
}

function openStirring(client: pg.Client, key: string): Stirring {
  let isStirred = false;
  let isConnected = true;
  let wake = (): void => {};
  const stir = (): void => {
    isStirred = true;
    wake();
  };
  client.on('notification', ({ payload }) => {
    if (payload === key) stir();
  });
  client.on('end', () => {
    isConnected = false;
    stir();
  });
  return {
    settle() {
      isStirred = false;
    },
    next: (signal) =>
      new Promise((resolve) => {
        if (isStirred || signal.aborted) return resolve();
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = () => {};
          resolve();
        };
        const timer = setTimeout(done, LOOK_SPACING_MS);
        signal.addEventListener('abort', done, { once: true });
        wake = done;
      }),
    assertConnected() {
      if (isConnected) return;
      throw new OperationalError('DATABASE_UNREACHABLE', {
        message: 'the connection that tells who shares the partitions is lost',
        nextStep: 'Start again: everything committed stays.',
        canRetry: true,
      });
    },
  };
}
