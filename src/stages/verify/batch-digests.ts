import type { BatchSeal } from '../../domain/log/box.ts';
import type { BatchEntry } from '../../ports/recount.ts';
import { type Check, noneOf } from './check.ts';

/** Compares the digests of batches: in the chain, in table `batches`, and made again. */
export class BatchDigests {
  /** Batches cast before digests, which have none. */
  notCovered = 0;
  readonly #differences: string[] = [];
  /** By partition: a batch was sealed with digests, so each later one is too. */
  readonly #sealed = new Set<number>();

  /**
   * @param seal the digests in the last box of the batch
   * @param ballots the SHA-256 of its ballots in the log
   */
  compare(partition: number, row: BatchEntry, seal: BatchSeal | null, ballots: string): void {
    const tell = (what: string): unknown => this.#differences.push(`batch ${row.batch_no} ${what}`);
    if (row.digest !== (seal?.digest ?? null)) tell('has another digest in table batches than in the chain');
    if (row.participation !== (seal?.participation ?? null))
      tell('has another digest of participants in table batches than in the chain');
    if (seal !== null) {
      if (seal.digest !== ballots) tell('has other ballots than its digest says');
      this.#sealed.add(partition);
    } else if (this.#sealed.has(partition)) tell('has no digest, and a batch before it has one');
    else this.notCovered++;
  }

  check(): Check {
    return noneOf('ballots of each batch = its digest', this.#differences);
  }
}
