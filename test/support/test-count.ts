import { locationResult } from '../../src/domain/counting/location-result.ts';
import { createTally, type Tally } from '../../src/domain/counting/tally.ts';
import type { CandidateId, ContestId, Election, ElectionId, LocationId } from '../../src/domain/election/election.ts';
import {
  cellCandidate,
  cellsOf,
  contestAt,
  type ElectionIndex,
  indexElection,
  slotAt,
  slotContest,
  slotsOf,
  voteForAt,
} from '../../src/domain/election/election-index.ts';
import { drawPortrait } from '../../src/domain/generated/portrait.ts';
import {
  ballotsKey,
  type CellRecord,
  CHECKPOINT_KEY,
  type CheckpointRecord,
  cellKey,
  DEFINITION_KEY,
  type DefinitionRecord,
  LOCATION_KEY_PREFIX,
  type LocationBallotsRecord,
  type OvervotesRecord,
  overvotesKey,
  type ProgressRecord,
  progressKey,
  TOTALS_KEY,
  type TotalsRecord,
  VOTES_END_KEY_PREFIX,
} from '../../src/domain/log/records.ts';
import type { Log, OutgoingRecord, Topic } from '../../src/ports/log.ts';
import { MemoryLog } from './memory-log.ts';

export interface TestElectionShape {
  readonly name?: string;
  /** The names of the candidates of each contest, each also its party. */
  readonly contests?: readonly (readonly string[])[];
  readonly locations?: number;
  /** Ids are padded to this length, for large records and frames. */
  readonly location_id_length?: number;
  /** Of each location; null means unknown. */
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

/** A log that a test writes to. */
export interface AppendableLog extends Log {
  append(records: readonly OutgoingRecord[]): void;
}

/**
 * Plays an election's counter into a log in memory, with one partition. It casts, then flushes the
 * changes with a checkpoint.
 */
export class TestCount {
  readonly log: AppendableLog;
  readonly index: ElectionIndex;
  readonly tally: Tally;
  protected readonly hash: string;
  protected readonly changed = new Set<number>();
  protected covers = 0;
  protected epoch = 1;

  constructor(election: Election, hash = 'a'.repeat(64), log: AppendableLog = new MemoryLog()) {
    this.index = indexElection(election);
    this.tally = createTally(this.index);
    this.hash = hash;
    this.log = log;
  }

  define(made: Pick<DefinitionRecord, 'instance'> = {}): void {
    const definition: DefinitionRecord = {
      ...made,
      election: this.index.election,
      hash: this.hash,
      partitions: 1,
      defined_at: '2026-11-23T08:00:00.000Z',
    };
    this.append('definition', DEFINITION_KEY, definition);
  }

  /**
   * Casts ballots of a location that choose the same candidate number in each contest. -1 means
   * none. For all contests.
   */
  cast(location: number, choices: readonly number[], ballots: number): void {
    this.tally.ballots[location]! += ballots;
    this.covers += ballots;
    this.changed.add(location);
    for (const slot of slotsOf(this.index, location)) {
      const cell = cellsOf(this.index, slot)[choices[contestAt(this.index, slot)] ?? -1];
      if (cell === undefined) this.tally.undervotes[slot]! += ballots;
      else this.tally.votes[cell]! += ballots;
    }
  }

  /** Casts ballots of a location with too many selections in one contest, and none elsewhere. */
  overvote(location: number, contest: number, ballots: number): void {
    const slot = slotAt(this.index, location, contest);
    this.cast(location, [], ballots);
    this.tally.undervotes[slot]! -= ballots * voteForAt(this.index, slot);
    this.tally.overvoted[slot]! += ballots;
  }

  /** The records of one flush: the changed locations, then the checkpoint. */
  flushRecords(changes: Partial<CheckpointRecord> = {}): OutgoingRecord[] {
    const covers = [this.covers];
    const records = [...this.changed].map((location) => {
      const record = locationResult(this.index, this.tally, location, this.epoch, covers);
      return outgoing('results-by-location', `${LOCATION_KEY_PREFIX}${record.location_id}`, record);
    });
    this.changed.clear();
    const as_of = timeOf(this.covers);
    const checkpoint: CheckpointRecord = {
      epoch: this.epoch,
      covers,
      as_of,
      offsets: covers,
      heads: [''],
      definition: this.hash,
      ...changes,
    };
    return [...records, outgoing('results-by-location', CHECKPOINT_KEY, checkpoint)];
  }

  flush(changes: Partial<CheckpointRecord> = {}): void {
    this.log.append(this.flushRecords(changes));
  }

  /** Records that the votes end here. */
  end(seq_end = this.covers): void {
    this.append('definition', `${VOTES_END_KEY_PREFIX}0`, { partition: 0, seq_end });
  }

  /** Goes on as a counter that was started again. */
  nextEpoch(): void {
    this.epoch++;
  }

  append(topic: Topic, key: string, value: unknown): void {
    this.log.append([outgoing(topic, key, value)]);
  }
}

/** A moment of the night for each state. */
const timeOf = (state: number): string => new Date(Date.UTC(2026, 10, 23, 20, 0, 0) + state).toISOString();

/**
 * A test's changes to the rows of a micro-batch: to its totals, and to the progress of partition 0.
 */
export interface MicroBatchChanges {
  readonly totals?: Partial<TotalsRecord>;
  readonly progress?: Partial<ProgressRecord>;
}

/**
 * Plays Spark: a flush is the rows of one micro-batch, in an order that puts the totals in the
 * middle.
 */
export class TestMicroBatchCount extends TestCount {
  #batches = 0;

  override flushRecords(changes: Partial<CheckpointRecord> & MicroBatchChanges = {}): OutgoingRecord[] {
    const stamp = { epoch: this.epoch, as_of: timeOf(++this.#batches * 1_000) };
    const sum = (counts: Float64Array): number => counts.reduce((all, one) => all + one, 0);
    const totals: TotalsRecord = {
      ballots: sum(this.tally.ballots),
      marks: sum(this.tally.votes),
      overvotes: sum(this.tally.overvoted),
      malformed: 0,
      other_definition: 0,
      definition: this.hash,
      ...stamp,
      ...changes.totals,
    };
    const progress: ProgressRecord = {
      partition: 0,
      votes: this.covers,
      seq_end: this.covers,
      is_dense: true,
      ...stamp,
      ...changes.progress,
    };
    const rows = [...this.changed].map((location) => this.#rowsOf(location, stamp));
    this.changed.clear();
    return [
      ...rows.flatMap(([, ...others]) => others),
      outgoing('results-by-location', TOTALS_KEY, totals),
      outgoing('results-by-location', progressKey(0), progress),
      ...rows.flatMap(([ballots]) => ballots!),
    ];
  }

  override flush(changes: Partial<CheckpointRecord> & MicroBatchChanges = {}): void {
    this.log.append(this.flushRecords(changes));
  }

  /** The row of the location's ballots, then a row for each candidate and contest with a count. */
  #rowsOf(location: number, stamp: { epoch: number; as_of: string }): OutgoingRecord[] {
    const location_id = this.index.election.locations[location]!.id;
    const ballots: LocationBallotsRecord = { location_id, ballots_cast: this.tally.ballots[location]!, ...stamp };
    const rows = [outgoing('results-by-location', ballotsKey(location_id), ballots)];
    for (const slot of slotsOf(this.index, location)) {
      const contest_id = slotContest(this.index, slot).id;
      const overvoted_ballots = this.tally.overvoted[slot]!;
      const overvotes: OvervotesRecord = { location_id, contest_id, overvoted_ballots, ...stamp };
      if (overvoted_ballots > 0)
        rows.push(outgoing('results-by-location', overvotesKey(location_id, contest_id), overvotes));
      for (const cell of cellsOf(this.index, slot)) {
        const candidate_id = cellCandidate(this.index, slot, cell).id;
        const row: CellRecord = { location_id, contest_id, candidate_id, votes: this.tally.votes[cell]!, ...stamp };
        if (row.votes > 0)
          rows.push(outgoing('results-by-location', cellKey(location_id, contest_id, candidate_id), row));
      }
    }
    return rows;
  }
}

const outgoing = (topic: Topic, key: string, value: unknown): OutgoingRecord => ({
  topic,
  key,
  value: JSON.stringify(value),
});
