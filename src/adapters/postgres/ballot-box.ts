import type pg from 'pg';
import { crashPoint } from '../../crash-points.ts';
import { VOTES_END_KEY_PREFIX, type VotesEndRecord } from '../../domain/records.ts';
import type {
  BallotBox,
  BallotSource,
  CastBatch,
  ChainHead,
  ClaimedPartition,
  Committed,
  ElectionEntry,
  KnownVoter,
  Rejection,
  SealedVotes,
} from '../../ports/store.ts';
import { appendLog, readLogEnd } from './append.ts';
import { copyIn, participationRows, RowBuffer, voteRows } from './copy.ts';
import { type Database, isConnectionLost, lockOrAbort, sqlState } from './database.ts';

const UNIQUE_VIOLATION = '23505';
const DEADLOCK = '40P01';
/** Two processes that insert the same voters in the same order cannot deadlock for long; this many times is a defect. */
const DEADLOCK_RETRIES_MAX = 10;
const MINUTE_MS = 60_000;

export function openBallotBox(database: Database, now: () => Date): BallotBox {
  return {
    claim: (entry, partition, source, signal) => claim(database, now, entry, partition, source, signal),
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

/** Advisory locks have one 64-bit key: a number of our own, the election, the partition (65535: a source). */
const lockKey = (electionNo: number, partition: number): bigint =>
  (0x7a11n << 48n) | (BigInt(electionNo) << 16n) | BigInt(partition);

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
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [
      `tallyroom ${entry.election_no} ${source.name} ${source.partition}`,
    ]);
    const partition = wanted === 'any' ? await takeAny(client, entry) : wanted;
    if (wanted !== 'any') await client.query('SELECT pg_advisory_lock($1)', [lockKey(entry.election_no, partition)]);
    await client.query('INSERT INTO source_offsets VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING', [
      entry.election_no,
      source.name,
      source.partition,
    ]);
    return openPartition(client, now, entry, partition, source);
  });
}

/** Takes a free partition, or waits for the first one. */
async function takeAny(client: pg.Client, entry: ElectionEntry): Promise<number> {
  for (let partition = 0; partition < entry.partitions; partition++) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
      lockKey(entry.election_no, partition),
    ]);
    if (rows[0]!.taken) return partition;
  }
  await client.query('SELECT pg_advisory_lock($1)', [lockKey(entry.election_no, 0)]);
  return 0;
}

async function openPartition(
  client: pg.Client,
  now: () => Date,
  entry: ElectionEntry,
  partition: number,
  source: BallotSource,
): Promise<ClaimedPartition> {
  const number = entry.election_no;
  const { rows } = await client.query<{ next_offset: string }>(
    'SELECT next_offset FROM source_offsets WHERE election_no = $1 AND source = $2 AND partition = $3',
    [number, source.name, source.partition],
  );
  let nextOffset = Number(rows[0]!.next_offset);
  let end = await readLogEnd(client, number, 'votes', partition);
  const participation = new RowBuffer();
  const voteBuffer = new RowBuffer();

  const storeVotes = async (sealed: SealedVotes, castAt: Date): Promise<void> => {
    const batchNo = end.next_batch * entry.partitions + partition;
    await copyIn(
      client,
      `COPY votes_${number} (batch_no, location_no, selections) FROM STDIN (FORMAT binary)`,
      voteRows(voteBuffer, sealed.votes, batchNo),
    );
    await client.query({
      name: 'insert-batch',
      text: 'INSERT INTO batches VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)',
      values: [
        number,
        batchNo,
        partition,
        source.name,
        end.next_seq,
        sealed.votes.count,
        entry.definition_hash,
        sealed.records.hash,
        castAt,
      ],
    });
    crashPoint('vote.before-log-append');
    await appendLog(client, {
      election_no: number,
      topic: 'votes',
      partition,
      expected_offset: end.next_offset,
      records: sealed.records.boxes,
      entries: sealed.votes.count,
      batches: 1,
      hash: sealed.records.hash,
      text: sealed.records.text,
    });
    crashPoint('vote.after-log-append');
  };

  /** One transaction. @returns null where COPY met a voter who has voted: then once more, voter by voter. */
  const attempt = async (batch: CastBatch, byVoter: boolean): Promise<Committed | null> => {
    const rejections = [...batch.rejections];
    let sealed: SealedVotes | null = null;
    await client.query('BEGIN');
    await client.query({
      name: 'advance-source',
      text: 'SELECT advance_source($1, $2, $3, $4, $5)',
      values: [number, source.name, source.partition, nextOffset, batch.next_offset],
    });
    if (batch.voters.length > 0) {
      const accepted = byVoter ? await insertParticipation(client, number, batch, rejections) : null;
      sealed = accepted?.size === 0 ? null : batch.seal(accepted);
      if (!byVoter && !(await copyParticipation(client, number, participationRows(participation, batch.voters))))
        return null;
    }
    if (sealed !== null) await storeVotes(sealed, new Date(Math.floor(now().getTime() / MINUTE_MS) * MINUTE_MS));
    if (rejections.length > 0) await insertRejections(client, number, source, rejections, now());
    crashPoint('vote.before-commit');
    await client.query('COMMIT');
    crashPoint('vote.after-commit');
    nextOffset = batch.next_offset;
    if (sealed !== null)
      end = {
        next_offset: end.next_offset + sealed.records.boxes,
        next_seq: end.next_seq + sealed.votes.count,
        next_batch: end.next_batch + 1,
        hash: sealed.records.hash,
      };
    return { votes: sealed?.votes.count ?? 0, rejected: rejections.length };
  };

  return {
    partition,
    get next_offset() {
      return nextOffset;
    },
    get head(): ChainHead {
      return { next_seq: end.next_seq, hash: end.hash };
    },
    async commit(batch) {
      for (let tries = 0, byVoter = false; ; tries++) {
        try {
          const committed = await attempt(batch, byVoter);
          if (committed !== null) return committed;
          byVoter = true;
        } catch (error) {
          if (!isConnectionLost(error)) await client.query('ROLLBACK').catch(() => {});
          if (sqlState(error) !== DEADLOCK || tries >= DEADLOCK_RETRIES_MAX) throw error;
        }
      }
    },
    end: () => appendVotesEnd(client, number, { partition, seq_end: end.next_seq }),
    async release() {
      await client.end().catch(() => {});
    },
  };
}

/** @returns false, with the transaction rolled back, where a voter of the rows has voted before. */
async function copyParticipation(client: pg.Client, electionNo: number, rows: Buffer): Promise<boolean> {
  try {
    await copyIn(client, `COPY participation_${electionNo} (voter_id) FROM STDIN (FORMAT binary)`, rows);
    return true;
  } catch (cause) {
    if (sqlState(cause) !== UNIQUE_VIOLATION) throw cause;
    await client.query('ROLLBACK');
    return false;
  }
}

/** @returns the positions of the voters who had not voted; the others are added to `rejections`. */
async function insertParticipation(
  client: pg.Client,
  electionNo: number,
  batch: CastBatch,
  rejections: Rejection[],
): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ voter_id: string }>(
    `INSERT INTO participation_${electionNo} (voter_id) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING RETURNING voter_id`,
    [Array.from(batch.voters)],
  );
  const inserted = new Set(rows.map((row) => Number(row.voter_id)));
  const accepted = new Set<number>();
  for (const [position, voter] of batch.voters.entries())
    if (inserted.has(voter)) accepted.add(position);
    else rejections.push({ source_offset: batch.voter_offsets[position]!, reason: 'already-voted' });
  return accepted;
}

async function insertRejections(
  client: pg.Client,
  electionNo: number,
  source: BallotSource,
  rejections: readonly Rejection[],
  now: Date,
): Promise<void> {
  await client.query(
    `INSERT INTO rejections SELECT $1, $2, $3, o, r, $6 FROM unnest($4::bigint[], $5::text[]) AS refused (o, r)`,
    [
      electionNo,
      source.name,
      source.partition,
      rejections.map((r) => r.source_offset),
      rejections.map((r) => r.reason),
      now,
    ],
  );
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
