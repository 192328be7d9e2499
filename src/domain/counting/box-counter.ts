import { assert } from '../assert.ts';
import { createVoteColumns, SELECTIONS_PER_VOTE_MAX, type VoteColumns } from '../ballots/vote-columns.ts';
import type { Election } from '../election/election.ts';
import { type ElectionIndex, selectionsMax } from '../election/election-index.ts';
import { type BoxReader, chainStart, createBoxReader, type Sha256, VOTES_PER_BOX_MAX } from '../log/box.ts';
import type { CheckpointRecord } from '../log/records.ts';
import { applyLocationResult } from './location-result.ts';
import { type ResultRecord, ResultRecords } from './result-records.ts';
import { countVote, createTally, type Tally } from './tally.ts';

/**
 * The fold from boxes to totals, one for an election. It knows which votes are counted and which
 * counts have changed since the last flush. It is exact by `seq` alone: a box that is covered is
 * skipped, a gap or a broken chain is an error. No I/O, no clock.
 */
export class BoxCounter {
  readonly tally: Tally;
  readonly offsets: number[];
  readonly #index: ElectionIndex;
  readonly #definition: string;
  readonly #sha256: Sha256;
  readonly #reader: BoxReader;
  readonly #covers: number[];
  readonly #heads: string[];
  readonly #records: ResultRecords;
  readonly #box: VoteColumns;

  /**
   * @param revision the number of the description in `index`
   * @param generation the generation of the results
   */
  constructor(
    index: ElectionIndex,
    definition: string,
    partitions: number,
    sha256: Sha256,
    { revision = 0, generation = 1 } = {},
  ) {
    this.#index = index;
    this.#definition = definition;
    this.#sha256 = sha256;
    this.#reader = createBoxReader(index);
    this.tally = createTally(index);
    this.#records = new ResultRecords(index, this.tally, definition, sha256, { revision, generation });
    const selections = Math.max(SELECTIONS_PER_VOTE_MAX, selectionsMax(index));
    this.#box = createVoteColumns(VOTES_PER_BOX_MAX, VOTES_PER_BOX_MAX * selections);
    this.offsets = new Array<number>(partitions).fill(0);
    this.#covers = new Array<number>(partitions).fill(0);
    this.#heads = this.#covers.map((_, partition) => chainStart(sha256, index.election.id, definition, partition));
  }

  get covers(): readonly number[] {
    return this.#covers;
  }

  get heads(): readonly string[] {
    return this.#heads;
  }

  /**
   * Goes on from the results that an earlier counter published: sound ones, as
   * `CheckpointResults` judges them.
   * @param locations the records of the locations, by key
   */
  restore(checkpoint: CheckpointRecord, locations: Iterable<readonly [key: string, value: string]>): void {
    for (const partition of this.#covers.keys()) {
      this.#covers[partition] = checkpoint.covers[partition]!;
      this.#heads[partition] = checkpoint.heads[partition]!;
      this.offsets[partition] = checkpoint.offsets[partition]!;
    }
    const taken = Array.from(locations, ([key, value]): [number, string, string] => {
      const location = applyLocationResult(this.#index, this.tally, JSON.parse(value));
      assert(location !== -1, 'a location of the election');
      return [location, key, value];
    });
    this.#records.restore(taken);
  }

  /** See {@link ResultRecords.publishEverything}. */
  publishEverything(): void {
    this.#records.publishEverything();
  }

  /** See {@link ResultRecords.describe}. */
  describe(election: Election, revision: number): void {
    this.#records.describe(election, revision);
  }

  /**
   * Counts one record of topic `votes`.
   * @returns the votes counted; 0 for a redelivered box.
   * @throws Error that names the fault: a gap, a broken chain, another definition, a damaged
   * record. Nothing is counted then.
   */
  countBox(partition: number, value: string): number {
    const box = this.#reader.read(value, this.#box);
    const expected = this.#covers[partition]!;
    if (box.seq + box.count <= expected) return 0;
    if (box.seq !== expected) throw new Error(`expected seq ${expected} and got ${box.seq}`);
    if (box.definition !== this.#definition)
      throw new Error(`seq ${box.seq} was cast under another definition (${box.definition})`);
    if (this.#sha256(this.#heads[partition]! + box.body) !== box.hash)
      throw new Error(`the chain of hashes breaks at seq ${box.seq}`);
    const { changed } = this.#records;
    for (let i = 0; i < box.count; i++) {
      countVote(this.#index, this.tally, this.#box, i);
      changed.add(this.#box.locations[i]!);
    }
    this.#covers[partition] = box.seq + box.count;
    this.#heads[partition] = box.hash;
    return box.count;
  }

  get hasChanges(): boolean {
    return this.#records.hasChanges;
  }

  /** The absolute records of all that changed since the last call, the checkpoint last. */
  takeChanges(epoch: number, asOf: string): ResultRecord[] {
    return this.#records.take(epoch, asOf, {
      covers: [...this.#covers],
      offsets: [...this.offsets],
      heads: [...this.#heads],
    });
  }

  /** The records that a flush of everything would publish, without their epoch. */
  everyRecord(): ResultRecord[] {
    return this.#records.every();
  }
}
