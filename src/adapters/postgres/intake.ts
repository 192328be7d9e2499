import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OperationalError } from '../../base/errors.ts';
import { createTurns } from '../../base/turns.ts';
import type { BallotSource } from '../../ports/ballot-batch.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import type { ClaimedSource, IdentifiedSource, Intake } from '../../ports/intake.ts';
import { readLogEnd } from './append.ts';
import { BatchWriter, type ClaimedEnd } from './batch.ts';
import { releaseSource, tryClaimInTransaction, tryClaimSource } from './claims.ts';
import type { Connection, Database } from './database.ts';
import type { LostCommits } from './lost-commits.ts';
import { ensurePosition, readPositions } from './sources.ts';

/**
 * Opens an intake. It has one connection for all partitions of the source, even for hundreds of
 * them.
 */
export async function openIntake(
  database: Database,
  now: () => Date,
  entry: ElectionEntry,
  source: IdentifiedSource,
  lost: LostCommits,
): Promise<Intake> {
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await database.connect());
  await assertSame(client, entry.election_no, source);
  opening.move();
  return new PostgresIntake(client, entry, source.name, new BatchWriter(client, now, entry, lost));
}

class PostgresIntake implements Intake {
  readonly #client: Connection;
  readonly #entry: ElectionEntry;
  readonly #name: BallotSource['name'];
  readonly #writer: BatchWriter;
  /** Keeps other queries out of the transaction of a batch. */
  readonly #inTurn = createTurns();
  /**
   * The partition of the last batch is tried first. So a source that is alone fills one partition
   * and wakes one reader.
   */
  #preferred = 0;

  constructor(client: Connection, entry: ElectionEntry, name: BallotSource['name'], writer: BatchWriter) {
    this.#client = client;
    this.#entry = entry;
    this.#name = name;
    this.#writer = writer;
  }

  positions(): Promise<ReadonlyMap<number, number>> {
    return this.#inTurn(() => readPositions(this.#client, this.#entry.election_no, this.#name));
  }

  tryClaim(partitions: readonly number[]): Promise<ClaimedSource | null> {
    return this.#inTurn(async () => {
      for (const partition of partitions) {
        const source = { name: this.#name, partition };
        if (await tryClaimSource(this.#client, this.#entry.election_no, source)) return this.#open(source);
      }
      return null;
    });
  }

  close(): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(source: BallotSource): Promise<ClaimedSource> {
    const client = this.#client;
    const electionNo = this.#entry.election_no;
    let nextOffset = await ensurePosition(client, electionNo, source);
    // A lost connection has already released its locks.
    const release = (): Promise<void> => this.#inTurn(() => releaseSource(client, electionNo, source)).catch(() => {});
    return {
      partition: source.partition,
      get next_offset() {
        return nextOffset;
      },
      commit: (batch, signal) =>
        this.#inTurn(async () => {
          const committed = await this.#writer.commit(source, nextOffset, batch, () => this.#claimEnd(signal));
          nextOffset = batch.next_offset;
          return committed;
        }),
      release,
      [Symbol.asyncDispose]: release,
    };
  }

  async #claimEnd(signal: AbortSignal): Promise<ClaimedEnd> {
    const partition = await claimAnyInTransaction(this.#client, this.#entry, this.#preferred, signal);
    this.#preferred = partition;
    return { partition, end: await readLogEnd(this.#client, this.#entry.election_no, 'votes', partition) };
  }
}

/**
 * The pause between two looks for a free partition. Files and the roll keep a partition for their
 * whole time, so waiting for one partition could take long.
 */
const LOOK_AGAIN_MS = 50;

/**
 * Claims a partition of the log until the end of the transaction: the preferred one, or the first
 * free one.
 */
async function claimAnyInTransaction(
  client: pg.Client,
  { election_no, partitions }: ElectionEntry,
  preferred: number,
  signal: AbortSignal,
): Promise<number> {
  for (;;) {
    for (let i = 0; i < partitions; i++) {
      const partition = (preferred + i) % partitions;
      if (await tryClaimInTransaction(client, election_no, partition)) return partition;
    }
    await sleep(LOOK_AGAIN_MS, undefined, { signal });
  }
}

/**
 * Refuses another source of the same name. The offsets of the first would be wrong in it, and votes
 * would be skipped.
 */
async function assertSame(client: pg.Client, electionNo: number, { name, identity }: IdentifiedSource): Promise<void> {
  const isUntouched = Array.from((await readPositions(client, electionNo, name)).values()).every((next) => next === 0);
  const { rows } = await client.query<{ next_offset: string }>(
    `INSERT INTO source_offsets VALUES ($1, $2, 0, $3) ON CONFLICT (election_no, source, partition)
     DO UPDATE SET next_offset = CASE WHEN $4 THEN $3 ELSE source_offsets.next_offset END RETURNING next_offset`,
    [electionNo, `identity of ${name}`, identity, isUntouched],
  );
  if (Number(rows[0]!.next_offset) === identity) return;
  throw new OperationalError('INPUT_REFUSED', {
    message: `${name} was removed and made again since votes were taken from it, so it is not known which of its records were taken`,
    nextStep: 'Let the other system write its votes into a topic with another name; what was taken is not cast twice.',
  });
}
