import type { Database } from '../postgres/database.ts';
import { RELAYED_TOPICS } from './relay-positions.ts';

/** A unit that waits looks this often at the process that it waits for. */
const LOOK_MS = 5_000;
/**
 * A transaction of Kafka takes ten seconds at most, and a process that loses Kafka lets go of its
 * claim.
 */
const STUCK_MS_MAX = 30_000;

/** The advisory lock of a relay is named by this text. */
export const relayLock = (electionNo: number, partition: number): string =>
  `tallyroom ${electionNo} relay ${partition}`;

/**
 * The session that has the claim while something waits to be published, and the first of what
 * waits. An advisory lock has its key in two halves.
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
   * How long a process may publish nothing of what waits; {@link STUCK_MS_MAX} where it is left
   * out.
   */
  readonly stuck_ms_max?: number;
  say(line: string): void;
}

/**
 * Watches the claim on a relay until it is disposed of. Ends the session of a process that has the
 * claim and publishes nothing of what waits: one that was stopped, or cut off. The lock is free
 * then. Nothing is published twice, whatever that process does when it wakes up: the next producer
 * under the relay's transactional id fences it.
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
  // A database that does not answer just now is not a reason to end any session.
  const timer = setInterval(() => void look().catch(() => {}), Math.min(LOOK_MS, stuck_ms_max / 2));
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
