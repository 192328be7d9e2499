import type { RollRoot } from '../../ports/recount.ts';
import { VOTERS_PER_BATCH_MAX } from '../../ports/roll.ts';
import { type Database, lockOrAbort } from './database.ts';

/** A few blocks show the fault. */
const BLOCKS_SHOWN_MAX = 5;

/** The root of the roll made again from table `voters`, block by block, all of one moment. */
export async function recountRoll(database: Database, electionNo: number, signal: AbortSignal): Promise<RollRoot> {
  signal.throwIfAborted();
  await using client = await database.connect();
  return await lockOrAbort(database, client, signal, async () => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    try {
      const { rows: roots } = await client.query<RollRoot['roots'][number]>(
        'SELECT revision, voters::float8, root FROM roll_roots WHERE election_no = $1 ORDER BY revision',
        [electionNo],
      );
      const { rows: now } = await client.query<NonNullable<RollRoot['root']> & { secret: boolean; rest: number }>(
        `SELECT voters::float8, root, root IS NOT NULL AS secret,
           (SELECT count(*)::float8 FROM voters WHERE election_no = $1) - voters::float8 AS rest FROM roll_root($1)`,
        [electionNo],
      );
      const { voters, root, secret, rest } = now[0]!;
      if (!secret)
        return {
          roots,
          root: null,
          blocks: roots.length > 0 ? ['the nonce of the election is not in table nonces any more'] : [],
        };
      const { rows: differing } = await client.query<{ first_voter: string }>(
        `SELECT first_voter FROM roll_blocks AS b, LATERAL roll_block($1, first_voter, first_voter + $2) AS made
         WHERE election_no = $1 AND (made.voters, made.digest) IS DISTINCT FROM (b.voters, b.digest)
         ORDER BY first_voter LIMIT ${BLOCKS_SHOWN_MAX}`,
        [electionNo, VOTERS_PER_BATCH_MAX - 1],
      );
      const blocks = differing.map(
        (row) => `the voters from ${row.first_voter} on are not as they were registered, in table voters`,
      );
      if (rest !== 0) blocks.push(`table voters has ${rest} voters more than its blocks`);
      return { roots, root: { voters, root }, blocks };
    } finally {
      await client.query('ROLLBACK').catch(() => {});
    }
  });
}
