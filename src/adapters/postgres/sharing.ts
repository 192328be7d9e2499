import { OperationalError } from '../../base/errors.ts';
import { assert } from '../../domain/assert.ts';
import type { BallotSource } from '../../ports/ballot-batch.ts';
import type { Sharing } from '../../ports/sharing.ts';
import type { Database } from './database.ts';
import { listen } from './notifications.ts';

/**
 * A process that joins, leaves or releases a partition announces it. A process that dies announces
 * nothing: PostgreSQL frees its locks, and the others notice at their next look.
 */
const LOOK_SPACING_MS = 1_000;
const CHANNEL = 'tallyroom_sharing';

/**
 * The members: the shared locks of sessions of this database, with their keys as one number each.
 */
const MEMBERS = `
  SELECT pid = pg_backend_pid() AS mine FROM pg_locks
  WHERE locktype = 'advisory' AND mode = 'ShareLock' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((classid::bigint << 32) | objid::bigint) = hashtextextended($1, 0)
  ORDER BY pid`;

/**
 * The sessions of `run` beside those of its partitions: three that short queries share, and one
 * each for the roll, the members, the votes' log, the counter with its log, and the dashboard's
 * log. One more is for the moment of a start.
 */
const SESSIONS_BESIDE = 10;

/**
 * Voting keeps a session for each partition. Where the server does not have as many, a stage would
 * wait for its own sessions.
 * @throws OperationalError DATABASE_UNSUITABLE with the numbers.
 */
export async function assertConnections(database: Database, partitions: number): Promise<void> {
  const needed = partitions + SESSIONS_BESIDE;
  const [server] = await database.query<{ usable: number }>(
    `SELECT current_setting('max_connections')::integer
       - current_setting('superuser_reserved_connections')::integer AS usable`,
  );
  const { usable } = server!;
  if (usable >= needed) return;
  throw new OperationalError('DATABASE_UNSUITABLE', {
    message: `voting in ${partitions} partitions needs ${needed} connections, and PostgreSQL gives ${usable} (max_connections, without those of superusers)`,
    nextStep: `Raise max_connections of the server by ${needed - usable} or more and restart it; or begin an election with fewer --partitions.`,
  });
}

/**
 * Joins the processes that share. Each member holds a shared advisory lock on a session of its own,
 * so counting the locks counts the members.
 */
export async function openSharing(
  database: Database,
  electionNo: number,
  source: BallotSource['name'],
): Promise<Sharing> {
  const key = `tallyroom ${electionNo} ${source} shared`;
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await database.connect());
  const notifications = await listen(client, CHANNEL);
  const news = notifications.bell((payload) => payload === key);
  const tell = async (): Promise<void> => {
    await client.query('SELECT pg_notify($1, $2)', [CHANNEL, key]);
  };
  await client.query('SELECT pg_advisory_lock_shared(hashtextextended($1, 0))', [key]);
  await tell();
  const connection = opening.move();
  const leave = async (): Promise<void> => {
    // Take the lock first: the other members look as soon as they hear of this one.
    await client
      .query('SELECT pg_advisory_unlock_shared(hashtextextended($1, 0))', [key])
      .then(tell)
      .catch(() => {});
    await connection.disposeAsync();
  };
  return {
    async look() {
      news.settle();
      const { rows } = await client.query<{ mine: boolean }>({ name: 'sharing-look', text: MEMBERS, values: [key] });
      const rank = rows.findIndex(({ mine }) => mine);
      assert(rank !== -1, 'a member holds its lock as long as its session lasts');
      return { members: rows.length, rank };
    },
    async wait(signal) {
      await news.rung(AbortSignal.any([signal, AbortSignal.timeout(LOOK_SPACING_MS)]));
      notifications.assertConnected();
    },
    tell,
    leave,
    [Symbol.asyncDispose]: leave,
  };
}
