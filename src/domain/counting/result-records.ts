import { fractionOf } from '../counts.ts';
import type { Candidate, Election } from '../election/election.ts';
import { candidateKey, partyNames } from '../election/election.ts';
import { candidateAt, cellsOf, type ElectionIndex, slotsOf } from '../election/election-index.ts';
import type { Sha256 } from '../log/box.ts';
import {
  type CandidateResultRecord,
  CHECKPOINT_KEY,
  type CheckpointRecord,
  LOCATION_KEY_PREFIX,
  type TurnoutRecord,
} from '../log/records.ts';
import { locationResult } from './location-result.ts';
import { RecordDigest } from './record-digest.ts';
import { carryOver, knownCount, type Tally } from './tally.ts';

/** A record for one of the result topics. */
export interface ResultRecord {
  readonly topic: 'results-by-location' | 'votes-per-candidate' | 'turnout-by-location';
  readonly key: string;
  readonly value: string;
}

/** The facts of a checkpoint that the count itself knows. */
export type CountedPlace = Pick<CheckpointRecord, 'covers' | 'offsets' | 'heads'>;

/**
 * The records of the three result topics, as they follow from a tally. It knows which counts have
 * changed since the last flush. No I/O, no clock.
 */
export class ResultRecords {
  readonly changed = new Set<number>();
  readonly #tally: Tally;
  readonly #definition: string;
  readonly #generation: number;
  #index: ElectionIndex;
  #revision: number;
  #partyOf: (candidate: Candidate) => string | null;
  readonly #candidateTotals: Float64Array;
  /** The votes that `#candidateTotals` include, by cell. */
  readonly #totalled: Float64Array;
  /** Of the location records as they stand in the topic. */
  readonly #digest: RecordDigest;
  #everything = true;

  /**
   * @param definition the hash of the definition
   * @param revision the number of the description in `index`
   * @param generation the generation of the results
   */
  constructor(
    index: ElectionIndex,
    tally: Tally,
    definition: string,
    sha256: Sha256,
    { revision = 0, generation = 1 } = {},
  ) {
    this.#index = index;
    this.#tally = tally;
    this.#definition = definition;
    this.#revision = revision;
    this.#generation = generation;
    this.#partyOf = partyNames(index.election);
    this.#digest = new RecordDigest(index.election.locations.length, sha256);
    this.#candidateTotals = new Float64Array(index.election.candidates.length);
    this.#totalled = new Float64Array(tally.votes.length);
  }

  /** Takes over the records of locations that stand in the topic, and their counts in the tally. */
  restore(locations: Iterable<readonly [location: number, key: string, value: string]>): void {
    for (const [location, key, value] of locations) this.#digest.set(location, key, value);
    this.#everything = false;
    for (let location = 0; location < this.#tally.ballots.length; location++) this.#totalCandidates(location);
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

  /** Whether there is anything to flush: a change, or the zero report before the first count. */
  get hasChanges(): boolean {
    return this.#everything || this.changed.size > 0;
  }

  /** The absolute records of all that changed since the last call, the checkpoint last. */
  take(epoch: number, asOf: string, place: CountedPlace): ResultRecord[] {
    const { covers, offsets, heads } = place;
    const changed = this.#everything ? this.#tally.ballots.keys() : this.changed;
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
      offsets,
      heads,
      as_of: asOf,
      definition: this.#definition,
      revision: this.#revision,
      generation: this.#generation,
      digest: `${this.#digest}`,
    };
    records.push({ topic: 'results-by-location', key: CHECKPOINT_KEY, value: JSON.stringify(checkpoint) });
    this.#everything = false;
    this.changed.clear();
    return records;
  }

  /** The records that a flush of everything would publish, without their epoch. */
  every(): ResultRecord[] {
    const records: ResultRecord[] = [{ topic: 'results-by-location', key: CHECKPOINT_KEY, value: '{}' }];
    for (const location of this.#tally.ballots.keys())
      records.push(this.#locationRecord(location, 0, []), this.#turnoutRecord(location, 0, []));
    for (const candidate of this.#candidateTotals.keys()) records.push(this.#candidateRecord(candidate, 0, []));
    return records;
  }

  #locationRecord(location: number, epoch: number, covers: readonly number[]): ResultRecord {
    const result = locationResult(this.#index, this.#tally, location, epoch, covers);
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
        if (carryOver(this.#tally.votes, this.#totalled, cell, this.#candidateTotals, candidate))
          changed?.add(candidate);
      }
  }

  #turnoutRecord(location: number, epoch: number, covers: readonly number[]): ResultRecord {
    const { id, name, registered_voters } = this.#index.election.locations[location]!;
    const ballots_cast = knownCount(this.#tally.ballots[location]!);
    const turnout = ballots_cast === null ? null : fractionOf(ballots_cast, registered_voters);
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
