import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { VOTES_END_KEY_PREFIX, type VotesEndRecord } from '../../domain/log/records.ts';
import type { BallotSource } from '../../ports/ballot-batch.ts';
import type { BallotBox, ClaimedPartition, KnownVoter } from '../../ports/ballot-box.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import { appendLog, readLogEnd } from './append.ts';
import { type ClaimedEnd, openBatchWriter } from './batch.ts';
import { type Database, lockOrAbort } from './database.ts';
import { openIntake } from './intake.ts';
import { partitionLock, readPosition, tryLock, trySource, waitForSource } from './partition-locks.ts';
import { openSharing } from './sharing.ts';

export function openBallotBox(database: Database, now: () => Date): BallotBox {
  return {
    claim: (entry, partition, source, signal) => claim(database, now, entry, partition, source, signal),
    tryClaim: (entry, partitions, source) => tryClaim(database, now, entry, partitions, source),
    unasked: ({ election_no }) => unasked(database, election_no),
    share: (entry, source) => openSharing(database, entry.election_no, source),
    openIntake: (entry, source) => openIntake(database, now, entry, source),
    async lookUp(entry, registrationNumbers) {
      const rows = await database.query<{
        registration_number: string;
        voter_id: string;
        location_no: number;
        has_voted: boolean;
      }>(
        `SELECT registration_number, v.voter_id, location_no, p.voter_id IS NOT NULL AS has_voted
         FROM voters v LEFT JOIN participation_${entry.election_no} p ON p.voter_id = v.voter_id
         WHERE v.election_no = $1 AND registration_number = ANY($2)`,
        [entry.election_no, registrationNumbers],
      );
      return new Map<string, KnownVoter>(
        rows.map(({ registration_number, voter_id, location_no, has_voted }) => [
          registration_number,
          { voter_id: Number(voter_id), location: location_no, has_voted },
        ]),
      );
    },
  };
}

async function claim(
  database: Database,
  now: () => Date,
  entry: ElectionEntry,
  wanted: number | 'any',
  source: BallotSource,
  signal: AbortSignal,
): Promise<ClaimedPartition> {
  signal.throwIfAborted();
  const client = await database.connect();
  return lockOrAbort(database, client, signal, async () => {
    // The source first, then the partition: in one order everywhere, so that two processes cannot wait for each other.
    await waitForSource(client, entry.election_no, source);
    const partition = wanted === 'any' ? await claimAny(client, entry) : wanted;
    if (wanted !== 'any')
      await client.query('SELECT pg_advisory_lock($1)', [partitionLock(entry.election_no, partition)]);
    return openPartition(client, now, entry, partition, source);
  });
}

/** Takes a free partition, or waits for the first one. */
async function claimAny(client: pg.Client, entry: ElectionEntry): Promise<number> {
  for (let partition = 0; partition < entry.partitions; partition++)
    if (await tryLock(client, entry.election_no, partition)) return partition;
  await client.query('SELECT pg_advisory_lock($1)', [partitionLock(entry.election_no, 0)]);
  return 0;
}

async function tryClaim(
  database: Database,
  now: () => Date,
  entry: ElectionEntry,
  partitions: readonly number[],
  name: BallotSource['name'],
): Promise<ClaimedPartition | null> {
  const client = await database.connect();
  try {
    for (const partition of partitions) {
      const source = { name, partition };
      const lock = await trySource(client, entry.election_no, source);
      if (lock === null) continue;
      if (await tryLock(client, entry.election_no, partition))
        return await openPartition(client, now, entry, partition, source);
      await lock.release();
    }
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  await client.end().catch(() => {});
  return null;
}

/** An end that is behind the votes is written anew: somebody cast a file into that partition. */
async function unasked(database: Database, electionNo: number): Promise<number[]> {
  const rows = await database.query<{ partition: number }>(
    `SELECT voters.partition FROM log_ends AS voters
     JOIN elections ON elections.election_no = $1
     JOIN log_ends AS votes
       ON votes.election_no = $1 AND votes.topic = 'votes' AND votes.partition = voters.partition
     LEFT JOIN source_offsets AS asked
       ON asked.election_no = $1 AND asked.source = 'voters' AND asked.partition = voters.partition
     LEFT JOIN source_offsets AS ended
       ON ended.election_no = $1 AND ended.source = 'votes-end:' || voters.partition AND ended.partition = 0
     WHERE voters.election_no = $1 AND voters.topic = 'voters'
       AND (voters_total IS NULL OR coalesce(asked.next_offset, 0) < voters.next_offset
         OR ended.next_offset IS DISTINCT FROM votes.next_seq)
     ORDER BY voters.partition`,
    [electionNo],
    'unasked',
  );
  return rows.map(({ partition }) => partition);
}

async function openPartition(
  client: pg.Client,
  now: () => Date,
  entry: ElectionEntry,
  partition: number,
  source: BallotSource,
): Promise<ClaimedPartition> {
  const number = entry.election_no;
  let nextOffset = await readPosition(client, number, source);
  const target: ClaimedEnd = { partition, end: await readLogEnd(client, number, 'votes', partition) };
  const claimEnd = async (): Promise<ClaimedEnd> => target;
  const writer = openBatchWriter(client, now, entry);
  return {
    partition,
    get next_offset() {
      return nextOffset;
    },
    get head() {
      return { next_seq: target.end.next_seq, hash: target.end.hash };
    },
    async commit(batch) {
      const committed = await writer.commit(source, nextOffset, batch, claimEnd);
      nextOffset = batch.next_offset;
      return committed;
    },
    end: () => appendVotesEnd(client, number, { partition, seq_end: target.end.next_seq }),
    async release() {
      await client.end().catch(() => {});
    },
  };
}

/** Says in topic `definition` where the votes of a partition end; only the partition's holder calls it, after its last commit. */
async function appendVotesEnd(client: pg.Client, electionNo: number, record: VotesEndRecord): Promise<void> {
  const source = `votes-end:${record.partition}`;
  try {
    await client.query('BEGIN');
    const { rowCount } = await client.query(
      'INSERT INTO source_offsets VALUES ($1, $2, 0, $3) ON CONFLICT (election_no, source, partition) DO UPDATE SET next_offset = $3 WHERE source_offsets.next_offset <> $3',
      [electionNo, source, record.seq_end],
    );
    if (rowCount === 1) {
      // Both partitions may end at the same moment: the row lock gives them an order.
      const { rows } = await client.query<{ next_offset: string }>(
        "SELECT next_offset FROM log_ends WHERE election_no = $1 AND topic = 'definition' AND partition = 0 FOR UPDATE",
        [electionNo],
      );
      await appendLog(client, {
        election_no: electionNo,
        topic: 'definition',
        partition: 0,
        expected_offset: Number(rows[0]!.next_offset),
        records: 1,
        entries: 0,
        batches: 0,
        hash: null,
        text: `${VOTES_END_KEY_PREFIX}${record.partition}\t${JSON.stringify(record)}\n`,
      });
    }
    crashPoint('votes-end.before-commit');
    await client.query('COMMIT');
    crashPoint('votes-end.after-commit');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
