import type { Database } from '../postgres/database.ts';
import { RELAYED_TOPICS } from './relay-positions.ts';

/** The time between two looks at the process that has the claim. */
const LOOK_MS = 5_000;
/**
 * A process that publishes nothing for this time is stuck. A transaction of Kafka takes ten seconds
 * at most, and a process that loses Kafka releases its claim.
 */
const STUCK_MS_MAX = 30_000;

/** The text that names the advisory lock of a relay. */
export const relayLock = (electionNo: number, partition: number): string =>
  `tallyroom ${electionNo} relay ${partition}`;

/**
 * The session that has the claim while records wait to be published, and the first of these
 * records. An advisory lock has its key in two halves.
 */
const CLAIM = `
  SELECT claim.pid, waiting.topic, waiting.base_offset
  FROM pg_locks AS claim CROSS JOIN (
    SELECT topic, base_offset FROM log WHERE election_no = $1 AND partition = $2 AND topic = ANY($3)
    ORDER BY topic, base_offset LIMIT 1
  ) AS waiting
  WHERE claim.locktype = 'advisory' AND claim.granted AND claim.objsubid = 1
    AND claim.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((claim.classid::bigint << 32) | claim.objid::bigint) = hashtextextended($4, 0)`;

interface ClaimRow {
  readonly pid: number;
  readonly topic: string;
  readonly base_offset: string;
}

export interface WatchedRelay {
  readonly database: Database;
  readonly election_no: number;
  /**
   * The longest time that a process may publish none of the waiting records. Default {@link
   * STUCK_MS_MAX}.
   */
  readonly stuck_ms_max?: number;
  say(line: string): void;
}

/**
 * Watches the claim on a relay until it is disposed of. Ends the session of a process that has the
 * claim and publishes none of the waiting records, because it was suspended or cut off. This frees
 * the lock. The next producer under the transactional id of the relay fences that process, so no
 * record is published twice when it wakes up.
 */
export function watchClaim(relay: WatchedRelay, partition: number): Disposable {
  const { database, election_no, say, stuck_ms_max = STUCK_MS_MAX } = relay;
  let seen = '';
  let since = 0;
  const look = async (): Promise<void> => {
    const [claim] = await database.query<ClaimRow>(
      CLAIM,
      [election_no, partition, RELAYED_TOPICS, relayLock(election_no, partition)],
      'relay-claim',
    );
    const now = performance.now();
    const standing = claim === undefined ? '' : `${claim.pid} ${claim.topic} ${claim.base_offset}`;
    if (standing !== seen) since = now;
    seen = standing;
    if (claim === undefined || now - since < stuck_ms_max) return;
    seen = '';
    say(
      `The relay of partition ${partition} has stood still: its process was stopped or cut off. Another one takes over.`,
    );
    await database.query('SELECT pg_terminate_backend($1)', [claim.pid]);
  };
  // A database that does not answer is not a reason to end any session.
  const timer = setInterval(() => void look().catch(() => {}), Math.min(LOOK_MS, stuck_ms_max / 2));
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
