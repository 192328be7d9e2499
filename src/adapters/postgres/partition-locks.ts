import type pg from 'pg';
import type { BallotSource } from '../../ports/ballot-batch.ts';

/**
 * Who works on a partition is decided by advisory locks of the connection that does the work: when it ends, for whatever reason,
 * they are free.
 */

/** An advisory lock has one 64-bit key: a number of our own, the election, the partition of the log. */
export const partitionLock = (electionNo: number, partition: number): bigint =>
  (0x7a11n << 48n) | (BigInt(electionNo) << 16n) | BigInt(partition);

const sourceLock = (electionNo: number, { name, partition }: BallotSource): string =>
  `tallyroom ${electionNo} ${name} ${partition}`;

/** Takes a partition of the log for this connection. @returns false where another has it. */
export async function tryLock(client: pg.Client, electionNo: number, partition: number): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
    partitionLock(electionNo, partition),
  ]);
  return rows[0]!.taken;
}

export async function waitForSource(client: pg.Client, electionNo: number, source: BallotSource): Promise<void> {
  await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [sourceLock(electionNo, source)]);
}

/** Takes a partition of a source for this connection; null where another has it. */
export async function trySource(
  client: pg.Client,
  electionNo: number,
  source: BallotSource,
): Promise<{ release(): Promise<void> } | null> {
  const key = [sourceLock(electionNo, source)];
  const { rows } = await client.query<{ taken: boolean }>(
    'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS taken',
    key,
  );
  if (!rows[0]!.taken) return null;
  return {
    async release() {
      await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', key);
    },
  };
}

/** Where a source goes on: 0 at first. Asked for after its lock was taken, so that it moves no more. */
export async function readPosition(client: pg.Client, electionNo: number, source: BallotSource): Promise<number> {
  const key = [electionNo, source.name, source.partition];
  await client.query('INSERT INTO source_offsets VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING', key);
  const { rows } = await client.query<{ next_offset: string }>(
    'SELECT next_offset FROM source_offsets WHERE election_no = $1 AND source = $2 AND partition = $3',
    key,
  );
  return Number(rows[0]!.next_offset);
}
