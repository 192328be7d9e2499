import type pg from 'pg';
import type { BallotSource } from '../../ports/ballot-batch.ts';

/** The progress in each partition of a source: table `source_offsets`. */

/**
 * The offset at which a source goes on. Makes its row at 0 where there is none. Claim the source
 * first, so that no other process moves it.
 */
export async function ensurePosition(client: pg.Client, electionNo: number, source: BallotSource): Promise<number> {
  const key = [electionNo, source.name, source.partition];
  await client.query('INSERT INTO source_offsets VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING', key);
  const { rows } = await client.query<{ next_offset: string }>(
    'SELECT next_offset FROM source_offsets WHERE election_no = $1 AND source = $2 AND partition = $3',
    key,
  );
  return Number(rows[0]!.next_offset);
}

/** The offsets at which the partitions of a source go on, for those that have a row. */
export async function readPositions(
  client: pg.Client,
  electionNo: number,
  name: BallotSource['name'],
): Promise<Map<number, number>> {
  const { rows } = await client.query<{ partition: number; next_offset: string }>(
    'SELECT partition, next_offset FROM source_offsets WHERE election_no = $1 AND source = $2',
    [electionNo, name],
  );
  return new Map(rows.map(({ partition, next_offset }) => [partition, Number(next_offset)]));
}

/**
 * Moves a source inside the caller's transaction.
 * @throws OperationalError FENCED where its position is not `from`.
 */
export async function advanceSource(
  client: pg.Client,
  electionNo: number,
  source: BallotSource,
  from: number,
  to: number,
): Promise<void> {
  await client.query({
    name: 'advance-source',
    text: 'SELECT advance_source($1, $2, $3, $4, $5)',
    values: [electionNo, source.name, source.partition, from, to],
  });
}

/**
 * Begins a batch of votes inside the caller's transaction: moves the source as
 * {@link advanceSource} does, and keeps the roll as it is until the transaction ends.
 * @returns whether any voter was removed from the roll.
 * @throws OperationalError FENCED where the position of the source is not `from`.
 */
export async function beginBatch(
  client: pg.Client,
  electionNo: number,
  source: BallotSource,
  from: number,
  to: number,
): Promise<boolean> {
  const { rows } = await client.query<{ removals: boolean }>({
    name: 'begin-batch',
    text: 'SELECT begin_batch($1, $2, $3, $4, $5) AS removals',
    values: [electionNo, source.name, source.partition, from, to],
  });
  return rows[0]!.removals;
}
