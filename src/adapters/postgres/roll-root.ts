import { createHash } from 'node:crypto';
import type pg from 'pg';
import { ROLL_KEY_PREFIX, type RollRecord } from '../../domain/log/records.ts';
import { rollText } from '../../domain/log/roll-text.ts';
import { VOTERS_PER_BATCH_MAX } from '../../ports/roll.ts';
import { appendDefinition } from './append.ts';
import { keyFor, type Nonce } from './nonce.ts';

/**
 * The root of the roll: a hash over the digests of its blocks, each made once in the transaction
 * that registers its voters. So a late addition needs the digest of its own block alone.
 */

type BlockText = Parameters<typeof rollText>;

/** Stores the digest of a block whose voters this process has in hand. */
export async function storeBlockDigest(client: pg.Client, electionNo: number, nonce: Nonce, ...block: BlockText) {
  const [ids, , count] = block;
  const digest = createHash('sha256')
    .update(keyFor(nonce, 'roll'))
    .update(rollText(...block))
    .digest('hex');
  await client.query({
    name: 'insert-roll-block',
    text: 'INSERT INTO roll_blocks VALUES ($1, $2, $3, $4)',
    values: [electionNo, ids[0], count, digest],
  });
}

/** Stores the digest of the voters that table `voters` holds of a block. */
export async function storeBlockOfTable(client: pg.Client, electionNo: number, first: number): Promise<void> {
  await client.query({
    name: 'insert-roll-block-of-table',
    text: `INSERT INTO roll_blocks SELECT $1, $2, voters, digest FROM roll_block($1, $2, $3)
           WHERE voters > 0 AND digest IS NOT NULL`,
    values: [electionNo, first, first + VOTERS_PER_BATCH_MAX - 1],
  });
}

/**
 * Records the root under this revision, in table and topic, inside the caller's transaction. An
 * election made before digests has none; a root that is recorded stays.
 */
export async function recordRollRoot(client: pg.Client, electionNo: number, revision: number): Promise<void> {
  const { rows } = await client.query<{ voters: string; root: string }>(
    `INSERT INTO roll_roots SELECT $1, $2, voters, root FROM roll_root($1) WHERE root IS NOT NULL
     ON CONFLICT DO NOTHING RETURNING voters, root`,
    [electionNo, revision],
  );
  const [row] = rows;
  if (row === undefined) return;
  const record: RollRecord = { revision, voters: Number(row.voters), root: row.root };
  await appendDefinition(client, electionNo, [{ key: `${ROLL_KEY_PREFIX}${revision}`, value: JSON.stringify(record) }]);
}
