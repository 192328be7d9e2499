import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { NO_PARTICIPANTS, type ParticipationDigest } from '../../domain/log/participation-digest.ts';
import { VOTES_END_KEY_PREFIX, type VotesEndRecord } from '../../domain/log/records.ts';
import type { BallotSource, CastBatch, Committed, Rejection, SealedVotes } from '../../ports/ballot-batch.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import { appendDefinition, appendLog, type LogEnd } from './append.ts';
import { copyIn, participationRows, RowBuffer, voteRows } from './copy.ts';
import { isConnectionLost, sqlState } from './explain.ts';
import type { LostCommit, LostCommits } from './lost-commits.ts';
import { participationDigest, readNonce } from './nonce.ts';
import { beginBatch } from './sources.ts';

const UNIQUE_VIOLATION = '23505';
const DEADLOCK = '40P01';
/**
 * Two processes that insert the same voters in the same order cannot deadlock for long, so this
 * many retries show a defect.
 */
const DEADLOCK_RETRIES_MAX = 10;
const MINUTE_MS = 60_000;

/**
 * The end of a partition of topic `votes`. No other process appends to it during the transaction.
 */
export interface ClaimedEnd {
  readonly partition: number;
  /** The end. A commit moves it. */
  end: LogEnd;
}

/** Commits batches of cast votes, one at a time, on one connection. */
export class BatchWriter {
  readonly #client: pg.Client;
  readonly #now: () => Date;
  readonly #entry: ElectionEntry;
  readonly #lost: LostCommits;
  readonly #participation = new RowBuffer();
  readonly #votes = new RowBuffer();
  /** Made with the first batch; null in an election made before digests. */
  #digest: ParticipationDigest | null | undefined;

  constructor(client: pg.Client, now: () => Date, entry: ElectionEntry, lost: LostCommits) {
    this.#client = client;
    this.#now = now;
    this.#entry = entry;
    this.#lost = lost;
  }

  /**
   * Commits a batch in one transaction, with a retry where a voter had voted or two processes met.
   * A failure leaves nothing of it.
   * @param from the expected position of the source
   * @param claimEnd gives the end that the votes go to; it is the first call inside the transaction
   * @throws OperationalError FENCED where another process has moved the source or the end.
   */
  async commit(
    source: BallotSource,
    from: number,
    batch: CastBatch,
    claimEnd: () => Promise<ClaimedEnd>,
  ): Promise<Committed> {
    if (this.#digest === undefined) {
      const nonce = await readNonce(this.#client, this.#entry.election_no);
      this.#digest = nonce === null ? null : participationDigest(nonce);
    }
    for (let tries = 0, byVoter = false; ; tries++) {
      try {
        const committed = await this.#attempt(source, from, batch, claimEnd, byVoter);
        if (committed !== null) return committed;
        byVoter = true;
      } catch (error) {
        if (!isConnectionLost(error)) await this.#client.query('ROLLBACK').catch(() => {});
        if (sqlState(error) !== DEADLOCK || tries >= DEADLOCK_RETRIES_MAX) throw error;
      }
    }
  }

  /**
   * @returns null where COPY met a voter who has voted. The next attempt then inserts voter by
   * voter.
   */
  async #attempt(
    source: BallotSource,
    from: number,
    batch: CastBatch,
    claimEnd: () => Promise<ClaimedEnd>,
    byVoter: boolean,
  ): Promise<Committed | null> {
    const client = this.#client;
    const number = this.#entry.election_no;
    const rejections = [...batch.rejections];
    let sealed: SealedVotes | null = null;
    let participation: string | null = null;
    await client.query('BEGIN');
    const claimed = batch.voters.length > 0 ? await claimEnd() : null;
    const removals = await beginBatch(client, number, source, from, batch.next_offset);
    if (claimed !== null) {
      const removed = removals ? await removedVoters(client, number, batch.voters) : NOBODY;
      const one = byVoter || removed.size > 0;
      const accepted = one ? await insertParticipation(client, number, batch, removed, rejections) : null;
      const { partition, end: head } = claimed;
      participation = this.#participationAfter(head, batch, accepted);
      sealed = accepted?.size === 0 ? null : batch.seal(accepted, { partition, head, participation });
      const rows = one ? null : participationRows(this.#participation, batch.voters);
      if (rows !== null && !(await copyParticipation(client, number, rows))) return null;
      if (sealed !== null) await this.#storeVotes(source, claimed, sealed, participation);
    }
    const rejectedAt = this.#now();
    if (rejections.length > 0) await insertRejections(client, number, source, rejections, rejectedAt);
    crashPoint('vote.before-commit');
    const committed = { votes: sealed?.votes.count ?? 0, rejected: rejections.length };
    await this.#commit({
      election_no: number,
      source,
      from,
      committed,
      votes:
        claimed === null || sealed === null
          ? null
          : { partition: claimed.partition, first_seq: claimed.end.next_seq, hash: sealed.records.hash },
      rejection:
        rejections.length === 0 ? null : { source_offset: rejections[0]!.source_offset, rejected_at: rejectedAt },
    });
    crashPoint('vote.after-commit');
    if (claimed !== null && sealed !== null) claimed.end = endAfter(claimed.end, sealed, participation);
    return committed;
  }

  /** Remembers the batch where nobody says whether it was stored. */
  async #commit(batch: LostCommit): Promise<void> {
    try {
      await this.#client.query('COMMIT');
    } catch (error) {
      if (isConnectionLost(error)) this.#lost.add(batch);
      throw error;
    }
  }

  /** The sum over the participants of the partition, with the accepted voters of the batch. */
  #participationAfter(end: LogEnd, { voters }: CastBatch, accepted: ReadonlySet<number> | null): string | null {
    if (!this.#digest) return null;
    const added = accepted === null ? voters : voters.filter((_, position) => accepted.has(position));
    return this.#digest.add(end.participation ?? NO_PARTICIPANTS, added);
  }

  async #storeVotes(
    source: BallotSource,
    { partition, end }: ClaimedEnd,
    sealed: SealedVotes,
    participation: string | null,
  ): Promise<void> {
    const client = this.#client;
    const { election_no: number, partitions, definition_hash } = this.#entry;
    const batchNo = end.next_batch * partitions + partition;
    await copyIn(
      client,
      `COPY votes_${number} (batch_no, location_no, selections) FROM STDIN (FORMAT binary)`,
      voteRows(this.#votes, sealed.votes, batchNo),
    );
    await client.query({
      name: 'insert-batch',
      text: 'INSERT INTO batches VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)',
      values: [
        number,
        batchNo,
        partition,
        source.name,
        end.next_seq,
        sealed.votes.count,
        definition_hash,
        sealed.records.hash,
        new Date(Math.floor(this.#now().getTime() / MINUTE_MS) * MINUTE_MS),
        sealed.digest,
        participation,
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
      participation,
      text: sealed.records.text,
    });
    crashPoint('vote.after-log-append');
    await reopenVotesEnd(client, number, partition, end.next_seq);
  }
}

/**
 * A batch that follows the end of its partition opens that end again, in the same transaction. So
 * nothing is complete by an end that more votes follow.
 */
async function reopenVotesEnd(client: pg.Client, electionNo: number, partition: number, seqEnd: number): Promise<void> {
  const key = `${VOTES_END_KEY_PREFIX}${partition}`;
  const { rowCount } = await client.query({
    name: 'reopen-votes-end',
    text: 'DELETE FROM source_offsets WHERE election_no = $1 AND source = $2 AND partition = 0 AND next_offset = $3',
    values: [electionNo, key, seqEnd],
  });
  if (rowCount === 0) return;
  const record: VotesEndRecord = { partition, seq_end: null };
  await appendDefinition(client, electionNo, [{ key, value: JSON.stringify(record) }]);
}

const endAfter = (end: LogEnd, { votes, records }: SealedVotes, participation: string | null): LogEnd => ({
  next_offset: end.next_offset + records.boxes,
  next_seq: end.next_seq + votes.count,
  next_batch: end.next_batch + 1,
  hash: records.hash,
  participation,
});

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

const NOBODY: ReadonlySet<number> = new Set();

/** The voters of a batch who were removed from the roll. */
async function removedVoters(
  client: pg.Client,
  electionNo: number,
  voters: Float64Array,
): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ voter_id: string }>(
    'SELECT voter_id FROM voters WHERE election_no = $1 AND removed_in IS NOT NULL AND voter_id = ANY($2)',
    [electionNo, Array.from(voters)],
  );
  return new Set(rows.map((row) => Number(row.voter_id)));
}

/**
 * @param removed voters who are on the roll no more
 * @returns the positions of the voters who had not voted; the others are added to `rejections`.
 */
async function insertParticipation(
  client: pg.Client,
  electionNo: number,
  batch: CastBatch,
  removed: ReadonlySet<number>,
  rejections: Rejection[],
): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ voter_id: string }>(
    `INSERT INTO participation_${electionNo} (voter_id) SELECT unnest($1::bigint[]) ON CONFLICT DO NOTHING RETURNING voter_id`,
    [Array.from(batch.voters).filter((voter) => !removed.has(voter))],
  );
  const inserted = new Set(rows.map((row) => Number(row.voter_id)));
  const accepted = new Set<number>();
  for (const [position, voter] of batch.voters.entries()) {
    if (inserted.has(voter)) accepted.add(position);
    else
      rejections.push({
        source_offset: batch.voter_offsets[position]!,
        reason: removed.has(voter) ? 'unknown-voter' : 'already-voted',
      });
  }
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
