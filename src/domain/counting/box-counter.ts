import { createVoteColumns, SELECTIONS_PER_VOTE_MAX, type VoteColumns } from '../ballots/vote-columns.ts';
import { fractionOf } from '../counts.ts';
import type { Candidate } from '../election/election.ts';
import { candidateKey, partyNames } from '../election/election.ts';
import { candidateAt, cellsOf, type ElectionIndex, selectionsMax, slotsOf } from '../election/election-index.ts';
import { type BoxReader, chainStart, createBoxReader, type Sha256, VOTES_PER_BOX_MAX } from '../log/box.ts';
import {
  type CandidateResultRecord,
  CHECKPOINT_KEY,
  type CheckpointRecord,
  LOCATION_KEY_PREFIX,
  type LocationResultRecord,
  type TurnoutRecord,
} from '../log/records.ts';
import { applyLocationResult, locationResult } from './location-result.ts';
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
  readonly #index: ElectionIndex;
  readonly #definition: string;
  readonly #sha256: Sha256;
  readonly #partyOf: (candidate: Candidate) => string | null;
  readonly #reader: BoxReader;
  readonly #covers: number[];
  readonly #heads: string[];
  readonly #changed = new Set<number>();
  readonly #candidateTotals: Float64Array;
  /** The votes that `#candidateTotals` include, by cell. */
  readonly #totalled: Float64Array;
  /**
   * Locations whose record in the topic is newer than the checkpoint, with what they cover: votes
   * below it are counted there already. Only a reader that sees uncommitted records meets them.
   * Elsewhere a flush and its checkpoint are one transaction.
   */
  readonly #ahead = new Map<number, readonly number[]>();
  readonly #box: VoteColumns;
  #everything = true;

  constructor(index: ElectionIndex, definition: string, partitions: number, sha256: Sha256) {
    this.#index = index;
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
   * Goes on from the results that an earlier counter published: the last record of each key of
   * `results-by-location`.
   * @throws Error where the records are of another definition.
   */
  restore(checkpoint: CheckpointRecord, locations: Iterable<LocationResultRecord>): void {
    if (checkpoint.definition !== this.#definition)
      throw new Error(`the published results are of another definition (${checkpoint.definition})`);
    for (const partition of this.#covers.keys()) {
      this.#covers[partition] = checkpoint.covers[partition]!;
      this.#heads[partition] = checkpoint.heads[partition]!;
      this.offsets[partition] = checkpoint.offsets[partition]!;
    }
    for (const record of locations) {
      const location = applyLocationResult(this.#index, this.tally, record);
      if (location === -1)
        throw new Error(`the published results name "${record.location_id}", which the definition lacks`);
      if (record.covers.some((seq, partition) => seq > this.#covers[partition]!))
        this.#ahead.set(location, record.covers);
    }
    // A location that is ahead is ahead of the other topics too: everything is published once more.
    this.#everything = this.#ahead.size > 0;
    for (let location = 0; location < this.tally.ballots.length; location++) this.#totalCandidates(location);
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
      const location = this.#box.locations[i]!;
      if (this.#ahead.size > 0 && box.seq + i < (this.#ahead.get(location)?.[partition] ?? 0)) continue;
      countVote(this.#index, this.tally, this.#box, i);
      this.#changed.add(location);
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
      const result = locationResult(this.#index, this.tally, location, epoch, covers);
      records.push({
        topic: 'results-by-location',
        key: LOCATION_KEY_PREFIX + result.location_id,
        value: JSON.stringify(result),
      });
      records.push({
        topic: 'turnout-by-location',
        key: result.location_id,
        value: JSON.stringify(this.#turnout(location, epoch, covers)),
      });
    }
    for (const candidate of candidates) records.push(this.#candidateRecord(candidate, epoch, covers));
    const checkpoint: CheckpointRecord = {
      epoch,
      covers,
      offsets: [...this.offsets],
      heads: [...this.#heads],
      as_of: asOf,
      definition: this.#definition,
    };
    records.push({ topic: 'results-by-location', key: CHECKPOINT_KEY, value: JSON.stringify(checkpoint) });
    this.#everything = false;
    this.#changed.clear();
    return records;
  }

  #totalCandidates(location: number, changed?: Set<number>): void {
    for (const slot of slotsOf(this.#index, location))
      for (const cell of cellsOf(this.#index, slot)) {
        const candidate = candidateAt(this.#index, slot, cell);
        if (carryOver(this.tally.votes, this.#totalled, cell, this.#candidateTotals, candidate))
          changed?.add(candidate);
      }
  }

  #turnout(location: number, epoch: number, covers: readonly number[]): TurnoutRecord {
    const { id, name, registered_voters } = this.#index.election.locations[location]!;
    const ballots_cast = this.tally.ballots[location]!;
    const turnout = fractionOf(ballots_cast, registered_voters);
    return { location_id: id, name, registered_voters, ballots_cast, turnout, epoch, covers };
  }

  #candidateRecord(number: number, epoch: number, covers: readonly number[]): ResultRecord {
    const candidate = this.#index.election.candidates[number]!;
    const { contest_id, id, name } = candidate;
    const party = this.#partyOf(candidate);
    const votes = this.#candidateTotals[number]!;
    const record: CandidateResultRecord = { contest_id, candidate_id: id, name, party, votes, epoch, covers };
    return { topic: 'votes-per-candidate', key: candidateKey(contest_id, id), value: JSON.stringify(record) };
  }
}
