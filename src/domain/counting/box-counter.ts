import { assert } from '../assert.ts';
import { createVoteColumns, SELECTIONS_PER_VOTE_MAX, type VoteColumns } from '../ballots/vote-columns.ts';
import { fractionOf } from '../counts.ts';
import type { Candidate, Election } from '../election/election.ts';
import { candidateKey, partyNames } from '../election/election.ts';
import { candidateAt, cellsOf, type ElectionIndex, selectionsMax, slotsOf } from '../election/election-index.ts';
import { type BoxReader, chainStart, createBoxReader, type Sha256, VOTES_PER_BOX_MAX } from '../log/box.ts';
import {
  type CandidateResultRecord,
  CHECKPOINT_KEY,
  type CheckpointRecord,
  LOCATION_KEY_PREFIX,
  type TurnoutRecord,
} from '../log/records.ts';
import { applyLocationResult, locationResult } from './location-result.ts';
import { RecordDigest } from './record-digest.ts';
import { carryOver, countVote, createTally, type Tally } from './tally.ts';

/** A record for one of the result topics. */
export interface ResultRecord {
  readonly topic: 'results-by-location' | 'votes-per-candidate' | 'turnout-by-location';
  readonly key: string;
  readonly value: string;
}

/**
 * The fold from boxes to totals, one for an election. It knows which votes are counted and which
 * counts have changed since the last flush. It is exact by `seq` alone: a box that is covered is
 * skipped, a gap or a broken chain is an error. No I/O, no clock.
 */
export class BoxCounter {
  readonly tally: Tally;
  readonly offsets: number[];
  #index: ElectionIndex;
  #revision: number;
  readonly #generation: number;
  readonly #definition: string;
  readonly #sha256: Sha256;
  #partyOf: (candidate: Candidate) => string | null;
  readonly #reader: BoxReader;
  readonly #covers: number[];
  readonly #heads: string[];
  readonly #changed = new Set<number>();
  readonly #candidateTotals: Float64Array;
  /** The votes that `#candidateTotals` include, by cell. */
  readonly #totalled: Float64Array;
  /** Of the location records as they stand in the topic. */
  readonly #digest: RecordDigest;
  readonly #box: VoteColumns;
  #everything = true;

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
    this.#revision = revision;
    this.#generation = generation;
    this.#digest = new RecordDigest(index.election.locations.length, sha256);
    this.#definition = definition;
    this.#sha256 = sha256;
    this.#partyOf = partyNames(index.election);
    this.#reader = createBoxReader(index);
    this.tally = createTally(index);
    const selections = Math.max(SELECTIONS_PER_VOTE_MAX, selectionsMax(index));
    this.#box = createVoteColumns(VOTES_PER_BOX_MAX, VOTES_PER_BOX_MAX * selections);
    this.offsets = new Array<number>(partitions).fill(0);
    this.#covers = new Array<number>(partitions).fill(0);
    this.#heads = this.#covers.map((_, partition) => chainStart(sha256, index.election.id, definition, partition));
    this.#candidateTotals = new Float64Array(index.election.candidates.length);
    this.#totalled = new Float64Array(this.tally.votes.length);
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
    for (const [key, value] of locations) {
      const location = applyLocationResult(this.#index, this.tally, JSON.parse(value));
      assert(location !== -1, 'a location of the election');
      this.#digest.set(location, key, value);
    }
    this.#everything = false;
    for (let location = 0; location < this.tally.ballots.length; location++) this.#totalCandidates(location);
  }

  /** The next flush publishes every record once more. */
  publishEverything(): void {
    this.#everything = true;
  }

  /**
   * Takes a later revision of the description. Its numbers are the same, because its counting
   * definition is. The next flush publishes every record with the new names and electorates.
   */
  describe(election: Election, revision: number): void {
    if (revision <= this.#revision) return;
    this.#index = { ...this.#index, election };
    this.#revision = revision;
    this.#partyOf = partyNames(election);
    this.#everything = true;
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
    for (let i = 0; i < box.count; i++) {
      countVote(this.#index, this.tally, this.#box, i);
      this.#changed.add(this.#box.locations[i]!);
    }
    this.#covers[partition] = box.seq + box.count;
    this.#heads[partition] = box.hash;
    return box.count;
  }

  /** Whether there is anything to flush: a change, or the zero report before the first vote. */
  get hasChanges(): boolean {
    return this.#everything || this.#changed.size > 0;
  }

  /** The absolute records of all that changed since the last call, the checkpoint last. */
  takeChanges(epoch: number, asOf: string): ResultRecord[] {
    const covers = [...this.#covers];
    const changed = this.#everything ? this.tally.ballots.keys() : this.#changed;
    const candidates = new Set<number>(this.#everything ? this.#candidateTotals.keys() : []);
    const records: ResultRecord[] = [];
    for (const location of changed) {
      this.#totalCandidates(location, candidates);
      const record = this.#locationRecord(location, epoch, covers);
      this.#digest.set(location, record.key, record.value);
      records.push(record, this.#turnoutRecord(location, epoch, covers));
    }
    for (const candidate of candidates) records.push(this.#candidateRecord(candidate, epoch, covers));
    const checkpoint: CheckpointRecord = {
      epoch,
      covers,
      offsets: [...this.offsets],
      heads: [...this.#heads],
      as_of: asOf,
      definition: this.#definition,
      revision: this.#revision,
      generation: this.#generation,
      digest: `${this.#digest}`,
    };
    records.push({ topic: 'results-by-location', key: CHECKPOINT_KEY, value: JSON.stringify(checkpoint) });
    this.#everything = false;
    this.#changed.clear();
    return records;
  }

  /** The records that a flush of everything would publish, without their epoch. */
  everyRecord(): ResultRecord[] {
    const records: ResultRecord[] = [{ topic: 'results-by-location', key: CHECKPOINT_KEY, value: '{}' }];
    for (const location of this.tally.ballots.keys())
      records.push(this.#locationRecord(location, 0, []), this.#turnoutRecord(location, 0, []));
    for (const candidate of this.#candidateTotals.keys()) records.push(this.#candidateRecord(candidate, 0, []));
    return records;
  }

  #locationRecord(location: number, epoch: number, covers: readonly number[]): ResultRecord {
    const result = locationResult(this.#index, this.tally, location, epoch, covers);
    return {
      topic: 'results-by-location',
      key: LOCATION_KEY_PREFIX + result.location_id,
      value: JSON.stringify(result),
    };
  }

  #totalCandidates(location: number, changed?: Set<number>): void {
    for (const slot of slotsOf(this.#index, location))
      for (const cell of cellsOf(this.#index, slot)) {
        const candidate = candidateAt(this.#index, slot, cell);
        if (carryOver(this.tally.votes, this.#totalled, cell, this.#candidateTotals, candidate))
          changed?.add(candidate);
      }
  }

  #turnoutRecord(location: number, epoch: number, covers: readonly number[]): ResultRecord {
    const { id, name, registered_voters } = this.#index.election.locations[location]!;
    const ballots_cast = this.tally.ballots[location]!;
    const turnout = fractionOf(ballots_cast, registered_voters);
    const revision = this.#revision;
    const record: TurnoutRecord = {
      location_id: id,
      name,
      registered_voters,
      ballots_cast,
      turnout,
      epoch,
      covers,
      revision,
    };
    return { topic: 'turnout-by-location', key: id, value: JSON.stringify(record) };
  }

  #candidateRecord(number: number, epoch: number, covers: readonly number[]): ResultRecord {
    const candidate = this.#index.election.candidates[number]!;
    const { contest_id, id, name } = candidate;
    const party = this.#partyOf(candidate);
    const votes = this.#candidateTotals[number]!;
    const revision = this.#revision;
    const record: CandidateResultRecord = { contest_id, candidate_id: id, name, party, votes, epoch, covers, revision };
    return { topic: 'votes-per-candidate', key: candidateKey(contest_id, id), value: JSON.stringify(record) };
  }
}
