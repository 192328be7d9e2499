import { readSql } from '../../base/resources.ts';
import { assert } from '../../domain/assert.ts';
import { createTally, deriveUndervotes } from '../../domain/counting/tally.ts';
import { cellAt, indexElection, slotAt } from '../../domain/election/election-index.ts';
import type { BatchEntry, Recount } from '../../ports/recount.ts';
import type { Database } from './database.ts';

/**
 * Batches are read in pages of this size, so that the memory of `verify` does not grow with them.
 */
const BATCHES_PER_PAGE = 1_000;

export function openRecount(database: Database): Recount {
  return {
    async tally(entry) {
      assert(entry.definition !== null, 'the election is defined');
      const index = indexElection(entry.definition);
      const tally = createTally(index);
      const sql = readSql('postgres/recount.sql');
      const rows = await database.query<{
        kind: 'ballots' | 'overvoted' | 'votes';
        location_no: number;
        contest_no: number;
        candidate_no: number;
        n: string;
      }>(sql, [entry.election_no]);
      let offBallot = 0;
      for (const { kind, location_no, contest_no, candidate_no, n } of rows) {
        let at = location_no;
        if (kind === 'overvoted') at = slotAt(index, location_no, contest_no);
        // A candidate of another contest than the definition's is on no ballot.
        if (kind === 'votes')
          at = index.contestOfCandidate[candidate_no] === contest_no ? cellAt(index, location_no, candidate_no) : -1;
        if (tally[kind][at] === undefined) offBallot += Number(n);
        else tally[kind][at] = Number(n);
      }
      // The table has no rows for undervotes.
      deriveUndervotes(index, tally, tally.ballots.keys());
      return { tally, offBallot };
    },
    participation: ({ election_no }) => recountParticipation(database, election_no),
    batches: ({ election_no }, partition) => readBatches(database, election_no, partition),
    async rejections(entry) {
      const rows = await database.query<{ reason: string; n: string }>(
        'SELECT reason, count(*) AS n FROM rejections WHERE election_no = $1 GROUP BY reason ORDER BY reason',
        [entry.election_no],
      );
      return new Map(rows.map((row) => [row.reason, Number(row.n)]));
    },
  };
}

async function recountParticipation(
  database: Database,
  electionNo: number,
): Promise<{ voters: number; notRegistered: number }> {
  const [row] = await database.query<{ voters: string; not_registered: string }>(
    `SELECT count(*) AS voters, count(*) FILTER (WHERE v.voter_id IS NULL) AS not_registered
     FROM participation p LEFT JOIN voters v ON v.voter_id = p.voter_id AND v.election_no = p.election_no
     WHERE p.election_no = $1`,
    [electionNo],
  );
  return { voters: Number(row!.voters), notRegistered: Number(row!.not_registered) };
}

async function* readBatches(database: Database, electionNo: number, partition: number): AsyncGenerator<BatchEntry> {
  for (let after = -1; ; ) {
    const rows = await database.query<Omit<BatchEntry, 'first_seq'> & { first_seq: string }>(
      `SELECT batch_no, first_seq, votes, definition_hash, hash FROM batches
       WHERE election_no = $1 AND partition = $2 AND first_seq > $3 ORDER BY first_seq LIMIT ${BATCHES_PER_PAGE}`,
      [electionNo, partition, after],
    );
    for (const row of rows) yield { ...row, first_seq: Number(row.first_seq) };
    if (rows.length === 0) return;
    after = Number(rows.at(-1)!.first_seq);
  }
}
