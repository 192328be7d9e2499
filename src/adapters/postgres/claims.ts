import type pg from 'pg';
import type { BallotSource } from '../../ports/ballot-batch.ts';

/**
 * Claims on partitions are advisory locks of the connection that does the work. When the connection
 * ends, for any reason, its claims end.
 */

/**
 * The 64-bit key of an advisory lock: a number of our own, the election, the partition of the log.
 */
const partitionLock = (electionNo: number, partition: number): bigint =>
  (0x7a11n << 48n) | (BigInt(electionNo) << 16n) | BigInt(partition);

/** Claims a partition of the log for this connection, waiting until it is free. */
export async function claimPartition(client: pg.Client, electionNo: number, partition: number): Promise<void> {
  await client.query('SELECT pg_advisory_lock($1)', [partitionLock(electionNo, partition)]);
}

/** Claims a partition of the log for this connection. @returns false where another has it. */
export async function tryClaimPartition(client: pg.Client, electionNo: number, partition: number): Promise<boolean> {
  const { rows } = await client.query<{ claimed: boolean }>('SELECT pg_try_advisory_lock($1) AS claimed', [
    partitionLock(electionNo, partition),
  ]);
  return rows[0]!.claimed;
}

/**
 * Claims a partition of the log until the end of the transaction. @returns false where another has
 * it.
 */
export async function tryClaimInTransaction(
  client: pg.Client,
  electionNo: number,
  partition: number,
): Promise<boolean> {
  const { rows } = await client.query<{ claimed: boolean }>({
    name: 'try-partition',
    text: 'SELECT pg_try_advisory_xact_lock($1) AS claimed',
    values: [partitionLock(electionNo, partition)],
  });
  return rows[0]!.claimed;
}

const sourceLock = (electionNo: number, { name, partition }: BallotSource): string =>
  `tallyroom ${electionNo} ${name} ${partition}`;

/** Claims a partition of a source for this connection, waiting until it is free. */
export async function claimSource(client: pg.Client, electionNo: number, source: BallotSource): Promise<void> {
  await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [sourceLock(electionNo, source)]);
}

/** Claims a partition of a source for this connection. @returns false where another has it. */
export async function tryClaimSource(client: pg.Client, electionNo: number, source: BallotSource): Promise<boolean> {
  const { rows } = await client.query<{ claimed: boolean }>(
    'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS claimed',
    [sourceLock(electionNo, source)],
  );
  return rows[0]!.claimed;
}

/**
 * Releases a partition of a source, so that other connections can claim it before this one ends.
 */
export async function releaseSource(client: pg.Client, electionNo: number, source: BallotSource): Promise<void> {
  await client.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [sourceLock(electionNo, source)]);
}
