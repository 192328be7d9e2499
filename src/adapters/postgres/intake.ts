import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OperationalError } from '../../base/errors.ts';
import { createTurns } from '../../base/turns.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import type { IdentifiedSource, Intake } from '../../ports/intake.ts';
import { readLogEnd } from './append.ts';
import { type ClaimedEnd, openBatchWriter } from './batch.ts';
import type { Database } from './database.ts';
import { partitionLock, readPosition, trySource } from './partition-locks.ts';

/** One connection for all partitions of the source: a source of hundreds needs no more of them. */
export async function openIntake(
  database: Database,
  now: () => Date,
  entry: ElectionEntry,
  source: IdentifiedSource,
): Promise<Intake> {
  const client = await database.connect();
  try {
    await assertSame(client, entry.election_no, source);
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  const writer = openBatchWriter(client, now, entry);
  /** Nothing else happens inside the transaction of a batch. */
  const inTurn = createTurns();
  let target = 0;
  /** The partition of the last batch is tried first: so a source that is alone fills one, and wakes one reader. */
  const claimEndOfAny = async (signal: AbortSignal): Promise<ClaimedEnd> => {
    target = await claimAnyPartition(client, entry, target, signal);
    return { partition: target, end: await readLogEnd(client, entry.election_no, 'votes', target) };
  };
  return {
    positions: () => inTurn(() => positionsOf(client, entry.election_no, source.name)),
    tryClaim: (partitions) =>
      inTurn(async () => {
        for (const partition of partitions) {
          const taken = { name: source.name, partition };
          const lock = await trySource(client, entry.election_no, taken);
          if (lock === null) continue;
          let next_offset = await readPosition(client, entry.election_no, taken);
          return {
            partition,
            get next_offset() {
              return next_offset;
            },
            commit: (batch, signal) =>
              inTurn(async () => {
                const committed = await writer.commit(taken, next_offset, batch, () => claimEndOfAny(signal));
                next_offset = batch.next_offset;
                return committed;
              }),
            // A connection that is lost has let go of everything.
            release: () => inTurn(lock.release).catch(() => {}),
          };
        }
        return null;
      }),
    async close() {
      await client.end().catch(() => {});
    },
  };
}

/** Files and the roll keep a partition for as long as they last; so whichever is free first is looked for, not waited for. */
const LOOK_AGAIN_MS = 50;

/** Takes a partition of the log until the end of the transaction: the preferred one, or the first that is found free. */
async function claimAnyPartition(
  client: pg.Client,
  { election_no, partitions }: ElectionEntry,
  preferred: number,
  signal: AbortSignal,
): Promise<number> {
  for (;;) {
    for (let i = 0; i < partitions; i++) {
      const partition = (preferred + i) % partitions;
      const { rows } = await client.query<{ taken: boolean }>({
        name: 'try-partition',
        text: 'SELECT pg_try_advisory_xact_lock($1) AS taken',
        values: [partitionLock(election_no, partition)],
      });
      if (rows[0]!.taken) return partition;
    }
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}

async function positionsOf(client: pg.Client, electionNo: number, name: string): Promise<Map<number, number>> {
  const { rows } = await client.query<{ partition: number; next_offset: string }>(
    'SELECT partition, next_offset FROM source_offsets WHERE election_no = $1 AND source = $2',
    [electionNo, name],
  );
  return new Map(rows.map(({ partition, next_offset }) => [partition, Number(next_offset)]));
}

/** The offsets of a source mean nothing in another one of the same name: votes would be passed over. */
async function assertSame(client: pg.Client, electionNo: number, { name, identity }: IdentifiedSource): Promise<void> {
  const isUntouched = Array.from((await positionsOf(client, electionNo, name)).values()).every((next) => next === 0);
  const { rows } = await client.query<{ next_offset: string }>(
    `INSERT INTO source_offsets VALUES ($1, $2, 0, $3) ON CONFLICT (election_no, source, partition)
     DO UPDATE SET next_offset = CASE WHEN $4 THEN $3 ELSE source_offsets.next_offset END RETURNING next_offset`,
    [electionNo, `identity of ${name}`, identity, isUntouched],
  );
  if (Number(rows[0]!.next_offset) === identity) return;
  throw new OperationalError('INPUT_REFUSED', {
    message: `${name} was removed and made again since votes were taken from it, so it is not known which of its records were taken`,
    nextStep: 'Let the other system write its votes into a topic with another name; what was taken is not cast twice.',
  });
}
