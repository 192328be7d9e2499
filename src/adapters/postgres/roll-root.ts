import { hash } from 'node:crypto';
import type pg from 'pg';
import { readSql } from '../../base/resources.ts';
import { sha256 } from '../../base/sha256.ts';
import type { VoterPerson } from '../../domain/election/voter.ts';
import { type RollRecord, rollKey } from '../../domain/log/records.ts';
import { type RemovedVoter, type RollBlock, rollRootText } from '../../domain/log/roll-root.ts';
import type { RollBlockCount } from '../../ports/recount.ts';
import { VOTERS_PER_BATCH_MAX } from '../../ports/roll.ts';
import { appendDefinition } from './append.ts';
import type { Database } from './database.ts';
import { readNonce, rollDigest } from './nonce.ts';
import { RollText } from './roll-text.ts';

/** Voters that were given ids of one block, and are stored. */
export interface StoredBlock {
  readonly ids: Float64Array;
  readonly locations: Int32Array;
  readonly count: number;
  /** Person `i` is that of voter `i`; null where voters are not persons. */
  readonly people: readonly VoterPerson[] | null;
}

/** Writes the digests of the blocks of one election's roll. */
export class RollDigests {
  readonly #client: pg.Client;
  readonly #number: number;
  readonly #text = new RollText();
  /** Read with the first block; null in an election made before digests. */
  #digest: ReturnType<typeof rollDigest> | null | undefined;

  constructor(client: pg.Client, electionNo: number) {
    this.#client = client;
    this.#number = electionNo;
  }

  /**
   * Inside the caller's transaction.
   * @param revision 0 before the roll is complete; later null, which stands for the revision that
   * the transaction makes.
   */
  async store(revision: 0 | null, { ids, locations, count, people }: StoredBlock): Promise<void> {
    if (this.#digest === undefined) {
      const nonce = await readNonce(this.#client, this.#number);
      this.#digest = nonce === null ? null : rollDigest(nonce);
    }
    if (this.#digest === null || count === 0) return;
    const block = Math.floor(ids[0]! / VOTERS_PER_BATCH_MAX);
    const first = block * VOTERS_PER_BATCH_MAX;
    for (let i = 0; i < count; i++) this.#text.add(ids[i]! - first, locations[i]!, people === null ? null : people[i]!);
    const digest = this.#digest(hash('sha256', this.#text.take(), 'buffer'));
    await this.#client.query({
      name: 'insert-roll-block',
      text: 'INSERT INTO roll_blocks VALUES ($1, $2, $3, $4, $5)',
      values: [this.#number, block, revision, count, digest],
    });
  }
}

/**
 * Records the root of the roll as it stands, in table and topic, inside the caller's transaction,
 * which holds the row of the election. An election made before digests gets none.
 * @param revision that of the change of the roll; 0 when registration ends.
 */
export async function recordRollRoot(client: pg.Client, electionNo: number, revision: number): Promise<void> {
  if ((await readNonce(client, electionNo)) === null) return;
  await client.query('UPDATE roll_blocks SET revision = $2 WHERE election_no = $1 AND revision IS NULL', [
    electionNo,
    revision,
  ]);
  const { rows: blocks } = await client.query<RollBlock>(
    `SELECT block::float8, revision, voters, digest FROM roll_blocks
     WHERE election_no = $1 ORDER BY roll_blocks.block`,
    [electionNo],
  );
  const { rows: removals } = await client.query<RemovedVoter>(
    `SELECT voter_id::float8, removed_in AS revision, removal_reason AS reason FROM voters
     WHERE election_no = $1 AND removed_in IS NOT NULL ORDER BY voters.voter_id`,
    [electionNo],
  );
  const record: RollRecord = { revision, root: sha256(rollRootText(revision, blocks, removals)) };
  await client.query('INSERT INTO roll_roots VALUES ($1, $2, $3)', [electionNo, revision, record.root]);
  await appendDefinition(client, electionNo, [{ key: rollKey(revision), value: JSON.stringify(record) }]);
}

/** Makes blocks of the roll again, each by one query: the memory does not grow with the voters. */
export async function* recountRoll(
  database: Database,
  electionNo: number,
  blocks: readonly number[],
  signal: AbortSignal,
): AsyncGenerator<RollBlockCount> {
  signal.throwIfAborted();
  await using client = await database.connect();
  const nonce = await readNonce(client, electionNo);
  if (nonce === null) return;
  const digest = rollDigest(nonce);
  const text = readSql('postgres/roll-block.sql');
  for (const block of blocks) {
    signal.throwIfAborted();
    const first = block * VOTERS_PER_BATCH_MAX;
    const { rows } = await client.query<{ voters: number; hash: Buffer | null }>({
      name: 'recount-roll-block',
      text,
      values: [electionNo, first, first + VOTERS_PER_BATCH_MAX - 1],
    });
    const { voters, hash: counted } = rows[0]!;
    yield { voters, digest: counted === null ? null : digest(counted) };
  }
}
