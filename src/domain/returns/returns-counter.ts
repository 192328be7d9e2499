import type { ResultRecord } from '../counting/result-records.ts';
import { ResultRecords } from '../counting/result-records.ts';
import { createTally, type Tally } from '../counting/tally.ts';
import type { Election } from '../election/election.ts';
import type { ElectionIndex } from '../election/election-index.ts';
import { chainStart, type Sha256 } from '../log/box.ts';
import { readReturns } from './return-record.ts';
import { ReturnsFold } from './returns-fold.ts';

/**
 * The count of official returns, one for an election: from records of topic `returns` to the result
 * topics. It is exact by `seq` alone, as the count of boxes is. It begins at the first record each
 * time: returns are few beside votes. No I/O, no clock.
 */
export class ReturnsCounter {
  readonly tally: Tally;
  /** The offset of the next record; topic `returns` has one partition. */
  readonly offsets: [number] = [0];
  readonly fold: ReturnsFold;
  readonly #index: ElectionIndex;
  readonly #definition: string;
  readonly #sha256: Sha256;
  readonly #records: ResultRecords;
  #seq = 0;
  #head: string;

  /**
   * @param definition the hash of the definition
   * @param revision the number of the description in `index`
   * @param generation the generation of the results
   */
  constructor(index: ElectionIndex, definition: string, sha256: Sha256, { revision = 0, generation = 1 } = {}) {
    this.#index = index;
    this.#definition = definition;
    this.#sha256 = sha256;
    this.tally = createTally(index);
    this.fold = new ReturnsFold(index, this.tally);
    this.#records = new ResultRecords(index, this.tally, definition, sha256, { revision, generation });
    this.#head = chainStart(sha256, index.election.id, definition, 0);
  }

  /** The versions counted, in all. */
  get covers(): readonly number[] {
    return [this.#seq];
  }

  get heads(): readonly string[] {
    return [this.#head];
  }

  /**
   * Counts one record of topic `returns`.
   * @returns the versions counted; 0 for a redelivered record.
   * @throws Error that names the fault: a gap, a broken chain, another definition, a damaged
   * record. Nothing is counted then.
   */
  countRecord(value: string): number {
    const { seq, definition, versions, body, hash } = readReturns(this.#index, value);
    if (seq + versions.length <= this.#seq) return 0;
    if (seq !== this.#seq) throw new Error(`expected seq ${this.#seq} and got ${seq}`);
    if (definition !== this.#definition) throw new Error(`seq ${seq} is of another definition (${definition})`);
    if (this.#sha256(this.#head + body) !== hash) throw new Error(`the chain of hashes breaks at seq ${seq}`);
    for (const version of versions) {
      if (this.fold.take(version) === 'same-time') throw new Error(`seq ${seq} has two numbers of one cell and time`);
      this.#records.changed.add(this.fold.locationOf(version.place));
    }
    this.#seq = seq + versions.length;
    this.#head = hash;
    return versions.length;
  }

  /** See {@link ResultRecords.describe}. */
  describe(election: Election, revision: number): void {
    this.#records.describe(election, revision);
  }

  /** Whether there is anything to flush: a change, or the zero report before the first return. */
  get hasChanges(): boolean {
    return this.#records.hasChanges;
  }

  /** The absolute records of all that changed since the last call, the checkpoint last. */
  takeChanges(epoch: number, asOf: string): ResultRecord[] {
    return this.#records.take(epoch, asOf, {
      covers: this.covers,
      offsets: [...this.offsets],
      heads: this.heads,
    });
  }

  /** The records that a flush of everything would publish, without their epoch. */
  everyRecord(): ResultRecord[] {
    return this.#records.every();
  }
}
