import type { BallotSource, Committed } from '../../ports/ballot-batch.ts';
import type { Database } from './database.ts';

/** A batch whose COMMIT got no answer. PostgreSQL may have stored it, or not. */
export interface LostCommit {
  readonly election_no: number;
  readonly source: BallotSource;
  /** The position of the source before the batch. */
  readonly from: number;
  readonly committed: Committed;
  /** The place and the hash of its votes; null where all of its votes were refused. */
  readonly votes: { readonly partition: number; readonly first_seq: number; readonly hash: string } | null;
  /** One of its rejections, with its time; null where none was refused. */
  readonly rejection: { readonly source_offset: number; readonly rejected_at: Date } | null;
}

/**
 * The batches of this process whose fate is unknown. The source offset tells the next try where to
 * go on, but not who moved it: another process may have cast the same voters meanwhile. So a batch
 * is found again by what is its own: its hash, or the time of its rejections.
 */
export class LostCommits {
  readonly #database: Database;
  readonly #unknown = new Set<LostCommit>();

  constructor(database: Database) {
    this.#database = database;
  }

  add(lost: LostCommit): void {
    if (lost.votes !== null || lost.rejection !== null) this.#unknown.add(lost);
  }

  /**
   * Looks for the batches. A batch that is neither stored nor overtaken may still commit, so it
   * stays for the next call.
   * @returns the sums of those that are stored, each of them once.
   */
  async settle(): Promise<Committed> {
    const fates = new Map<LostCommit, Fate>();
    for (const lost of this.#unknown) fates.set(lost, await this.#fateOf(lost));
    const sums = { votes: 0, rejected: 0 };
    for (const [lost, { is_stored, is_over }] of fates) {
      if ((is_stored || is_over) && this.#unknown.delete(lost) && is_stored) {
        sums.votes += lost.committed.votes;
        sums.rejected += lost.committed.rejected;
      }
    }
    return sums;
  }

  /** One statement, and so one snapshot: a batch cannot commit between its two questions. */
  async #fateOf({ election_no, source, from, votes, rejection }: LostCommit): Promise<Fate> {
    const [fate] = await this.#database.query<Fate>(
      `SELECT
         EXISTS (SELECT 1 FROM batches
           WHERE election_no = $1 AND partition = $5 AND first_seq = $6 AND hash = $7)
         OR $5::integer IS NULL AND EXISTS (SELECT 1 FROM rejections
           WHERE election_no = $1 AND source = $2 AND partition = $3 AND source_offset = $8 AND rejected_at = $9)
         AS is_stored,
         EXISTS (SELECT 1 FROM source_offsets
           WHERE election_no = $1 AND source = $2 AND partition = $3 AND next_offset <> $4) AS is_over`,
      [
        election_no,
        source.name,
        source.partition,
        from,
        votes?.partition ?? null,
        votes?.first_seq ?? null,
        votes?.hash ?? null,
        rejection?.source_offset ?? null,
        rejection?.rejected_at ?? null,
      ],
    );
    return fate!;
  }
}

interface Fate {
  readonly is_stored: boolean;
  /** The source has moved past the batch, so no COMMIT of it can succeed any more. */
  readonly is_over: boolean;
}
