import { type BallotIndex, indexBallots } from '../../src/domain/ballot.ts';
import type { CandidateId, ContestId, Election, ElectionId, LocationId } from '../../src/domain/election.ts';
import { drawPortrait } from '../../src/domain/portrait.ts';
import {
  CHECKPOINT_KEY,
  type CheckpointRecord,
  DEFINITION_KEY,
  type DefinitionRecord,
  LOCATION_KEY_PREFIX,
  locationResult,
  VOTES_END_KEY_PREFIX,
} from '../../src/domain/records.ts';
import { createTally, type Tally } from '../../src/domain/tally.ts';
import type { OutgoingRecord, Topic } from '../../src/ports/log.ts';
import { MemoryLog } from './memory-log.ts';

export interface TestElectionShape {
  readonly name?: string;
  /** The names of the candidates of each contest, each also its party. */
  readonly contests?: readonly (readonly string[])[];
  readonly locations?: number;
  /** Ids are padded to it, for records and frames that are large. */
  readonly location_id_length?: number;
  /** Of each location; null is unknown. */
  readonly registered_voters?: number | null;
}

export function testElection(shape: TestElectionShape = {}): Election {
  const {
    name = 'Council 2026',
    contests = [['Ada', 'Ben', 'Cleo']],
    locations = 3,
    registered_voters = 1_000,
    location_id_length = 0,
  } = shape;
  const names = [...new Set(contests.flat())];
  return {
    id: 'council-2026' as ElectionId,
    name,
    date: '2026-11-23',
    is_test: true,
    source: 'ballots',
    contests: contests.map((_, i) => ({
      id: `contest-${i + 1}` as ContestId,
      name: i === 0 ? 'Mayor' : `Contest ${i + 1}`,
      vote_for: 1,
      seats: 1,
      location_ids: null,
    })),
    parties: names.map((each) => ({ id: `party-${each}`, name: `${each} party` })),
    candidates: contests.flatMap((candidates, i) =>
      candidates.map((each) => ({
        id: each as CandidateId,
        contest_id: `contest-${i + 1}` as ContestId,
        name: each,
        party_id: `party-${each}`,
        aggregate: false,
        biography: null,
        platform: null,
        photo: drawPortrait(each),
      })),
    ),
    locations: Array.from({ length: locations }, (_, i) => ({
      id: `L${String(i + 1).padStart(4, '0')}`.padEnd(location_id_length, '-') as LocationId,
      name: `Ward ${i + 1}`,
      type: 'ward',
      parent_id: 'city' as LocationId,
      registered_voters,
    })),
    parents: [{ id: 'city' as LocationId, name: 'The city', type: 'city', parent_id: null, registered_voters: null }],
  };
}

/** Plays the counter of an election into a log in memory, one partition: casts, then flushes what changed with a checkpoint. */
export class TestCount {
  readonly log = new MemoryLog();
  readonly index: BallotIndex;
  readonly tally: Tally;
  readonly #hash: string;
  readonly #changed = new Set<number>();
  #covers = 0;
  #epoch = 1;

  constructor(election: Election, hash = 'a'.repeat(64)) {
    this.index = indexBallots(election);
    this.tally = createTally(this.index);
    this.#hash = hash;
  }

  define(): void {
    const definition: DefinitionRecord = {
      election: this.index.election,
      hash: this.#hash,
      partitions: 1,
      defined_at: '2026-11-23T08:00:00.000Z',
    };
    this.append('definition', DEFINITION_KEY, definition);
  }

  /** Ballots of a location that choose the same candidate number in each contest (-1 for nobody), for all contests. */
  cast(location: number, choices: readonly number[], ballots: number): void {
    const { first_slot, first_cell, contest_of_slot } = this.index;
    this.tally.ballots[location]! += ballots;
    this.#covers += ballots;
    this.#changed.add(location);
    for (let slot = first_slot[location]!; slot < first_slot[location + 1]!; slot++) {
      const choice = choices[contest_of_slot[slot]!] ?? -1;
      if (choice < 0) this.tally.undervotes[slot]! += ballots;
      else this.tally.votes[first_cell[slot]! + choice]! += ballots;
    }
  }

  /** The records of one flush: the changed locations, then the checkpoint. */
  flushRecords(changes: Partial<CheckpointRecord> = {}): OutgoingRecord[] {
    const covers = [this.#covers];
    const records = [...this.#changed].map((location) => {
      const record = locationResult(this.index, this.tally, location, this.#epoch, covers);
      return outgoing('results-by-location', `${LOCATION_KEY_PREFIX}${record.location_id}`, record);
    });
    this.#changed.clear();
    const as_of = new Date(Date.UTC(2026, 10, 23, 20, 0, 0) + this.#covers).toISOString();
    const checkpoint: CheckpointRecord = {
      epoch: this.#epoch,
      covers,
      as_of,
      offsets: covers,
      heads: [''],
      definition: this.#hash,
      ...changes,
    };
    return [...records, outgoing('results-by-location', CHECKPOINT_KEY, checkpoint)];
  }

  flush(changes: Partial<CheckpointRecord> = {}): void {
    this.log.append(this.flushRecords(changes));
  }

  /** Says that the votes end where they are now. */
  end(seq_end = this.#covers): void {
    this.append('definition', `${VOTES_END_KEY_PREFIX}0`, { partition: 0, seq_end });
  }

  /** As a counter that was started again. */
  nextEpoch(): void {
    this.#epoch++;
  }

  append(topic: Topic, key: string, value: unknown): void {
    this.log.append([outgoing(topic, key, value)]);
  }
}

const outgoing = (topic: Topic, key: string, value: unknown): OutgoingRecord => ({
  topic,
  key,
  value: JSON.stringify(value),
});
