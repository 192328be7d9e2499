import type pg from 'pg';
import { NO_PARTICIPANTS, type ParticipationDigest } from '../../domain/log/participation-digest.ts';
import type { Participation } from '../../ports/recount.ts';
import { type Database, lockOrAbort } from './database.ts';
import { participationDigest, readNonce } from './nonce.ts';

/** 400 KB at a time. Memory does not grow with the participants. */
const PARTICIPANTS_PER_PAGE = 50_000;

/** The digest of table `participation` made again, beside what the last batches carry. */
export async function recountParticipation(
  database: Database,
  electionNo: number,
  signal: AbortSignal,
): Promise<Participation> {
  signal.throwIfAborted();
  await using client = await database.connect();
  return await lockOrAbort(database, client, signal, async () => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    try {
      const { rows: batches } = await client.query<Participation['batches'][number]>(
        `SELECT DISTINCT ON (partition) partition, participation FROM batches WHERE election_no = $1
         ORDER BY partition, first_seq DESC`,
        [electionNo],
      );
      const nonce = await readNonce(client, electionNo);
      const sum = nonce === null ? null : await sumOf(client, electionNo, participationDigest(nonce), signal);
      return { sum, batches };
    } finally {
      await client.query('ROLLBACK').catch(() => {});
    }
  });
}

async function sumOf(
  client: pg.Client,
  electionNo: number,
  digest: ParticipationDigest,
  signal: AbortSignal,
): Promise<string> {
  let sum = NO_PARTICIPANTS;
  for (let last = '-1'; ; ) {
    signal.throwIfAborted();
    const { rows } = await client.query<{ ids: Buffer | null; last: string }>({
      name: 'read-participants',
      text: `SELECT string_agg(int8send(voter_id), ''::bytea) AS ids, max(voter_id) AS last FROM (
               SELECT voter_id FROM participation_${electionNo} WHERE voter_id > $1 ORDER BY voter_id LIMIT ${PARTICIPANTS_PER_PAGE}
             ) AS page`,
      values: [last],
    });
    const { ids, last: reached } = rows[0]!;
    if (ids === null) return sum;
    const voters = new Float64Array(ids.length / 8);
    for (let i = 0; i < voters.length; i++)
      voters[i] = ids.readUInt32BE(8 * i) * 0x1_0000_0000 + ids.readUInt32BE(8 * i + 4);
    sum = digest.add(sum, voters);
    last = reached;
  }
}
