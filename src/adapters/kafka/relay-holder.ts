import type { Database } from '../postgres/database.ts';
import { RELAYED_TOPICS } from './relay-positions.ts';

/** So often a unit that waits looks at who it waits for. */
const LOOK_MS = 5_000;
/** A transaction of Kafka takes ten seconds at most, and who loses Kafka lets go of the lock. */
const STUCK_MS_MAX = 30_000;

/** The advisory lock of a relay is named by this text. */
export const relayLock = (electionNo: number, partition: number): string =>
  `tallyroom ${electionNo} relay ${partition}`;

/** Who holds the lock while something waits to be published, and the first of what waits. An advisory lock has its key in two halves. */
const HOLDER = `
  SELECT holder.pid, waiting.topic, waiting.base_offset
  FROM pg_locks AS holder CROSS JOIN (
    SELECT topic, base_offset FROM log WHERE election_no = $1 AND partition = $2 AND topic = ANY($3)
    ORDER BY topic, base_offset LIMIT 1
  ) AS waiting
  WHERE holder.locktype = 'advisory' AND holder.granted AND holder.objsubid = 1
    AND holder.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((holder.classid::bigint << 32) | holder.objid::bigint) = hashtextextended($4, 0)`;

interface HolderRow {
  readonly pid: number;
  readonly topic: string;
  readonly base_offset: string;
}

export interface HolderWatch {
  stop(): void;
}

export interface WatchedRelay {
  readonly database: Database;
  readonly election_no: number;
  /** How long a holder may publish nothing of what waits; {@link STUCK_MS_MAX} where it is left out. */
  readonly stuck_ms_max?: number;
  say(line: string): void;
}

/**
 * Ends the session of a process that holds a relay and publishes nothing of what waits: one that was stopped, or cut off. The lock is
 * free then. Nothing is published twice, whatever that process does when it wakes up: the next producer under the relay's transactional
 * id fences it.
 */
export function watchHolder(relay: WatchedRelay, partition: number): HolderWatch {
  const { database, election_no, say, stuck_ms_max = STUCK_MS_MAX } = relay;
  let seen = '';
  let since = 0;
  const look = async (): Promise<void> => {
    const [holder] = await database.query<HolderRow>(
      HOLDER,
      [election_no, partition, RELAYED_TOPICS, relayLock(election_no, partition)],
      'relay-holder',
    );
    const now = performance.now();
    const standing = holder === undefined ? '' : `${holder.pid} ${holder.topic} ${holder.base_offset}`;
    if (standing !== seen) since = now;
    seen = standing;
    if (holder === undefined || now - since < stuck_ms_max) return;
    seen = '';
    say(
      `The relay of partition ${partition} has stood still: its process was stopped or cut off. Another one takes over.`,
    );
    await database.query('SELECT pg_terminate_backend($1)', [holder.pid]);
  };
  // A database that does not answer just now is no reason to end anybody.
  const timer = setInterval(() => void look().catch(() => {}), Math.min(LOOK_MS, stuck_ms_max / 2));
  return { stop: () => clearInterval(timer) };
}
