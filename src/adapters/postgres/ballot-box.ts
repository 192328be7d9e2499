import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { VOTES_END_KEY_PREFIX, type VotesEndRecord } from '../../domain/log/records.ts';
import type { BallotSource } from '../../ports/ballot-batch.ts';
import type { BallotBox, ClaimedPartition } from '../../ports/ballot-box.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import { appendDefinition, readLogEnd } from './append.ts';
import { BatchWriter, type ClaimedEnd } from './batch.ts';
import { claimPartition, claimSource, releaseSource, tryClaimPartition, tryClaimSource } from './claims.ts';
import { type Connection, type Database, inTransaction, lockOrAbort } from './database.ts';
import { openIntake } from './intake.ts';
import { LostCommits } from './lost-commits.ts';
import { assertConnections, openSharing } from './sharing.ts';
import { ensurePosition } from './sources.ts';
import { findVoters } from './voter-lookup.ts';

interface Store {
  readonly database: Database;
  readonly now: () => Date;
  readonly lost: LostCommits;
}

export function openBallotBox(database: Database, now: () => Date): BallotBox {
  const lost = new LostCommits(database);
  const store: Store = { database, now, lost };
  return {
    claim: (entry, partition, source, signal) => claim(store, entry, partition, source, signal),
    tryClaim: (entry, partitions, source) => tryClaim(store, entry, partitions, source),
    unasked: ({ election_no }) => unasked(database, election_no),
    async share(entry, source) {
      await assertConnections(database, entry.partitions);
      return openSharing(database, entry.election_no, source);
    },
    openIntake: (entry, source) => openIntake(database, now, entry, source, lost),
    recovered: () => lost.settle(),
    lookUp: ({ election_no }, numbers) =>
      findVoters((sql, values) => database.query(sql, values), election_no, numbers),
  };
}

async function claim(
  store: Store,
  entry: ElectionEntry,
  wanted: number | 'any',
  source: BallotSource,
  signal: AbortSignal,
): Promise<ClaimedPartition> {
  signal.throwIfAborted();
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await store.database.connect());
  const claimed = await lockOrAbort(store.database, client, signal, async () => {
    // Claim the source first, then the partition. The order is the same everywhere, so two
    // processes cannot wait for each other.
    await claimSource(client, entry.election_no, source);
    const partition = await claimWanted(client, entry, wanted);
    return openPartition(client, store, entry, partition, source);
  });
  opening.move();
  return claimed;
}

/**
 * Claims a partition. With `any` it claims the first free one, and waits for partition 0 where none
 * is free.
 * @returns the number of the partition.
 */
async function claimWanted(
  client: pg.Client,
  { election_no, partitions }: ElectionEntry,
  wanted: number | 'any',
): Promise<number> {
  if (wanted === 'any')
    for (let partition = 0; partition < partitions; partition++)
      if (await tryClaimPartition(client, election_no, partition)) return partition;
  const partition = wanted === 'any' ? 0 : wanted;
  await claimPartition(client, election_no, partition);
  return partition;
}

async function tryClaim(
  store: Store,
  entry: ElectionEntry,
  partitions: readonly number[],
  name: BallotSource['name'],
): Promise<ClaimedPartition | null> {
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await store.database.connect());
  for (const partition of partitions) {
    const source = { name, partition };
    if (!(await tryClaimSource(client, entry.election_no, source))) continue;
    if (await tryClaimPartition(client, entry.election_no, partition)) {
      const claimed = await openPartition(client, store, entry, partition, source);
      opening.move();
      return claimed;
    }
    await releaseSource(client, entry.election_no, source);
  }
  return null;
}

/**
 * The partitions with voters left to ask, or without their end. An end that is behind the votes
 * counts as missing, since a file was cast into that partition later.
 */
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

/**
 * Opens a partition after it and its source are claimed, so only this process moves their
 * positions. Owns the connection.
 */
async function openPartition(
  client: Connection,
  { now, lost }: Store,
  entry: ElectionEntry,
  partition: number,
  source: BallotSource,
): Promise<ClaimedPartition> {
  const number = entry.election_no;
  let nextOffset = await ensurePosition(client, number, source);
  const claimed: ClaimedEnd = { partition, end: await readLogEnd(client, number, 'votes', partition) };
  const writer = new BatchWriter(client, now, entry, lost);
  const release = (): Promise<void> => client[Symbol.asyncDispose]();
  return {
    partition,
    get next_offset() {
      return nextOffset;
    },
    get head() {
      return { next_seq: claimed.end.next_seq, hash: claimed.end.hash };
    },
    async commit(batch) {
      const committed = await writer.commit(source, nextOffset, batch, async () => claimed);
      nextOffset = batch.next_offset;
      return committed;
    },
    end: () => appendVotesEnd(client, number, { partition, seq_end: claimed.end.next_seq }),
    release,
    [Symbol.asyncDispose]: release,
  };
}

/**
 * Appends the end of the votes of a partition to topic `definition`. Only the process with the
 * claim calls it, after the last commit.
 */
async function appendVotesEnd(client: pg.Client, electionNo: number, record: VotesEndRecord): Promise<void> {
  const name = `${VOTES_END_KEY_PREFIX}${record.partition}`;
  await inTransaction(client, async () => {
    const { rowCount } = await client.query(
      'INSERT INTO source_offsets VALUES ($1, $2, 0, $3) ON CONFLICT (election_no, source, partition) DO UPDATE SET next_offset = $3 WHERE source_offsets.next_offset <> $3',
      [electionNo, name, record.seq_end],
    );
    if (rowCount === 1) await appendDefinition(client, electionNo, [{ key: name, value: JSON.stringify(record) }]);
    crashPoint('votes-end.before-commit');
  });
  crashPoint('votes-end.after-commit');
}
