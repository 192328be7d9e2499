import { setTimeout as pause } from 'node:timers/promises';
import { type BallotIndex, indexBallots } from '../domain/ballot.ts';
import {
  applyLocationResult,
  CHECKPOINT_KEY,
  type CheckpointRecord,
  DEFINITION_KEY,
  type DefinitionRecord,
  LOCATION_KEY_PREFIX,
  type LocationResultRecord,
  VOTES_END_KEY_PREFIX,
  type VotesEndRecord,
} from '../domain/records.ts';
import {
  type ResultMoment,
  type ResultStatus,
  type Results,
  type RunningResults,
  startResults,
  updateResults,
} from '../domain/results.ts';
import { createTally, type Tally, unbalancedSlots } from '../domain/tally.ts';
import { type Log, type LogRecord, recordsOf, type Topic } from '../ports/log.ts';

/** The latest complete state of an election, as a dashboard shows it. */
export interface DashboardState {
  readonly definition: DefinitionRecord;
  /** Entries that did not change are the same objects as in the state before. */
  readonly results: Results;
  /** The counter's epoch; 0 before its first checkpoint. */
  readonly epoch: number;
  /** Why a newer state is not shown, in a sentence; null while the newest one is. */
  readonly held: string | null;
}

/** The state and the news of it; every listener is called after each change, until it unsubscribes. */
export interface ResultsFeed {
  /** Null while waiting: no definition yet, or its results are still being read. */
  state(): DashboardState | null;
  subscribe(listener: () => void): () => void;
}

/**
 * Follows the topics `definition` and `results-by-location` of an election and keeps the latest complete state: what the
 * records up to a checkpoint say, if it balances and covers every vote exactly. Otherwise the last good state stays, with the
 * reason in `held`. Votes are never read. Memory: two tallies and one document, whatever the length of the log.
 * `done` resolves when the signal aborts and rejects when the log fails or nothing can be shown any more.
 */
export function followResults(log: Log, signal: AbortSignal): ResultsFeed & { readonly done: Promise<void> } {
  const follower = new Follower(log, signal);
  return {
    state: () => follower.state,
    subscribe: (listener) => {
      follower.listeners.add(listener);
      return () => follower.listeners.delete(listener);
    },
    done: follower.run(),
  };
}

/** So many records that cannot be read are remembered by key; the first one already holds the state. */
const DAMAGED_KEYS_MAX = 1_000;

/**
 * Reading takes at most this part of a core (3,143 counties that all changed take 18 ms): after a costly round it pauses, and
 * what was flushed meanwhile is read at once, each location only in its newest record. A round of less than 5 ms needs no pause.
 */
const CORE_SHARE_MAX = 0.1;
const CHEAP_ROUND_MS = 5;
const PAUSE_MS_MAX = 500;

const FOLLOWED = ['definition', 'results-by-location'] as const satisfies readonly Topic[];
type Followed = (typeof FOLLOWED)[number];

/** What is known under one definition; another definition starts another. */
interface Count {
  readonly definition: DefinitionRecord;
  readonly index: BallotIndex;
  /** What the records say so far, complete or not. */
  readonly tally: Tally;
  /** Locations whose records are newer than the state on show. */
  readonly changed: Set<number>;
  /** Records that cannot be counted, by key, with what is wrong; a good record of the same key mends it. */
  readonly damaged: Map<string, string>;
  readonly running: RunningResults;
  /**
   * Read up to here before the first state is shown: behind it a compacted topic may lack records that newer ones replaced,
   * so an older checkpoint would show a state that never was.
   */
  readonly catch_up_to: number;
  is_caught_up: boolean;
  /** The newest checkpoint, and the newest that was good: the one on show. */
  newest: CheckpointRecord | null;
  shown: CheckpointRecord | null;
  held: string | null;
}

class Follower {
  state: DashboardState | null = null;
  readonly listeners = new Set<() => void>();
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #next: Record<Followed, number> = { definition: 0, 'results-by-location': 0 };
  /** The topics read to their end, each with what resolves when it has grown. */
  readonly #waits = new Map<Followed, Promise<void>>();
  /** The end of the votes of each partition, as far as it is known. */
  readonly #votesEnd = new Map<number, number>();
  #count: Count | null = null;
  /** Time spent on the records of this round, without the waiting for them. */
  #busy_ms = 0;

  constructor(log: Log, signal: AbortSignal) {
    this.#log = log;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const stopped = new AbortController();
    const signal = AbortSignal.any([this.#signal, stopped.signal]);
    try {
      while (!signal.aborted) {
        let isNews = false;
        this.#busy_ms = 0;
        for (const topic of FOLLOWED) if (!this.#waits.has(topic)) isNews = (await this.#take(topic, signal)) || isNews;
        if (isNews) this.#show();
        if (this.#busy_ms > CHEAP_ROUND_MS && this.#count?.is_caught_up) {
          const pause_ms = Math.min(PAUSE_MS_MAX, this.#busy_ms / CORE_SHARE_MAX);
          // It rejects only when the signal aborts, which the loop sees by itself.
          await pause(pause_ms, undefined, { signal }).catch(() => {});
        }
        if (this.#waits.size === FOLLOWED.length) await Promise.race(this.#waits.values());
      }
    } finally {
      stopped.abort();
    }
  }

  /** Applies the next records of a topic, or begins to wait for one. @returns whether there were any. */
  async #take(topic: Followed, signal: AbortSignal): Promise<boolean> {
    // Results mean nothing without their definition: until it is there, both wait for it.
    if (topic === 'results-by-location' && this.#count === null) return this.#wait(topic, 'definition', signal);
    const from = this.#next[topic];
    const batches = await this.#log.read(topic, 0, from);
    const startedAt = performance.now();
    const records = batches.flatMap((batch) => [...recordsOf(batch)]).filter(({ offset }) => offset >= from);
    const last = records.at(-1);
    if (last === undefined) return this.#wait(topic, topic, signal);
    this.#next[topic] = last.offset + 1;
    if (topic === 'definition') for (const record of records) await this.#define(record);
    else for (const record of newestRecords(this.#count!, records)) applyRecord(this.#count!, record);
    this.#busy_ms += performance.now() - startedAt;
    return true;
  }

  /** Leaves a topic alone until another (or itself) has grown. @returns whether its end was reached for the first time. */
  #wait(topic: Followed, awaited: Followed, signal: AbortSignal): boolean {
    const wait = this.#log.wait(awaited, 0, this.#next[awaited], signal).then(() => {
      if (this.#waits.get(topic) === wait) this.#waits.delete(topic);
    });
    // A failed wait is thrown by the race in `run`; until that starts it must not count as unhandled.
    wait.catch(() => {});
    this.#waits.set(topic, wait);
    if (topic === 'definition' || this.#count === null || this.#count.is_caught_up) return false;
    this.#count.is_caught_up = true;
    return true;
  }

  async #define(record: LogRecord): Promise<void> {
    if (record.key.startsWith(VOTES_END_KEY_PREFIX)) {
      const end: VotesEndRecord = JSON.parse(record.value);
      this.#votesEnd.set(end.partition, end.seq_end);
    }
    if (record.key !== DEFINITION_KEY) return;
    const definition: DefinitionRecord = JSON.parse(record.value);
    if (definition.hash === this.#count?.definition.hash) return;
    const index = indexBallots(definition.election);
    // Another definition numbers its locations anew: its results are read from their beginning.
    this.#next['results-by-location'] = 0;
    this.#waits.delete('results-by-location');
    this.#count = {
      definition,
      index,
      tally: createTally(index),
      changed: new Set(),
      damaged: new Map(),
      running: startResults(index, { status: 'pre-election', as_of: definition.defined_at, sequence: 0 }),
      catch_up_to: await this.#log.end('results-by-location', 0),
      is_caught_up: false,
      newest: null,
      shown: null,
      held: null,
    };
  }

  /** Makes the state of what was read and tells the listeners. */
  #show(): void {
    const count = this.#count;
    if (count === null) return;
    count.is_caught_up ||= this.#next['results-by-location'] >= count.catch_up_to;
    if (!count.is_caught_up) return;
    const moment = { ...momentOf(count), status: this.#status(count) };
    if (moment.status !== count.running.results.election.status) updateResults(count.running, count.tally, [], moment);
    const { definition, held, shown } = count;
    this.state = { definition, results: count.running.results, epoch: shown?.epoch ?? 0, held };
    for (const listener of this.listeners) listener();
  }

  /** Complete when every partition has said where its votes end, and the counts on show cover all of them. */
  #status(count: Count): ResultStatus {
    const covers = count.shown?.covers ?? [];
    let isComplete = true;
    for (let partition = 0; partition < count.definition.partitions; partition++) {
      const end = this.#votesEnd.get(partition);
      isComplete &&= end !== undefined && (covers[partition] ?? 0) >= end;
    }
    if (isComplete) return 'unofficial-complete';
    return count.running.ballots_cast > 0 ? 'unofficial-partial' : 'pre-election';
  }
}

const momentOf = ({ shown, definition, running }: Count): ResultMoment => ({
  status: running.results.election.status,
  as_of: shown?.as_of ?? definition.defined_at,
  sequence: sumOf(shown?.covers ?? []),
});

const sumOf = (numbers: Iterable<number>): number => {
  let sum = 0;
  for (const number of numbers) sum += number;
  return sum;
};

interface ReadRecord {
  readonly key: string;
  readonly offset: number;
  /** Null where the value cannot be read. */
  readonly record: LocationResultRecord | CheckpointRecord | null;
}

const readRecord = ({ key, offset, value }: LogRecord): ReadRecord => ({ key, offset, record: parseRecord(value) });

/**
 * Leaves out of what is read at once the records that newer ones replace before the last checkpoint: the state there is the
 * same. Only while one epoch counts, so that a record that will be ignored replaces none.
 */
function newestRecords(count: Count, records: readonly LogRecord[]): readonly ReadRecord[] {
  const checkpoints = records.filter(({ key }) => key === CHECKPOINT_KEY).map(readRecord);
  const epoch = count.newest?.epoch;
  if (checkpoints.length < 2 || checkpoints.some(({ record }) => record?.epoch !== epoch))
    return records.map(readRecord);
  const end = checkpoints.at(-1)!.offset;
  const known = new Set<string>();
  const newest: ReadRecord[] = [];
  for (const record of records.toReversed()) {
    if (known.has(record.key)) continue;
    const read = readRecord(record);
    newest.push(read);
    if (record.offset <= end && read.record?.epoch === epoch) known.add(record.key);
  }
  return newest.reverse();
}

/** One record of `results-by-location`. A counter that was fenced may leave records of its older epoch behind: they are ignored. */
function applyRecord(count: Count, { key, offset, record }: ReadRecord): void {
  const damage = record === null ? 'cannot be read' : takeRecord(count, key, record);
  if (damage === null) count.damaged.delete(key);
  else if (count.damaged.size < DAMAGED_KEYS_MAX)
    count.damaged.set(key, `Record ${offset} of results-by-location (${key}) ${damage}.`);
  if (key === CHECKPOINT_KEY) judge(count);
}

/** @returns what is wrong with the record, or null. */
function takeRecord(count: Count, key: string, record: LocationResultRecord | CheckpointRecord): string | null {
  if (record.epoch < (count.newest?.epoch ?? 0)) return null;
  if (key === CHECKPOINT_KEY && 'as_of' in record) count.newest = record;
  else if (key.startsWith(LOCATION_KEY_PREFIX) && 'ballots_cast' in record) {
    const location = applyLocationResult(count.index, count.tally, record);
    if (location === -1) return 'names a location, contest or candidate that the definition lacks';
    count.changed.add(location);
  } else return 'is of no known kind';
  return null;
}

/** Shows what was read up to a checkpoint, or holds the last good state and says why. */
function judge(count: Count): void {
  count.held = reasonToHold(count);
  if (count.held !== null) return;
  count.shown = count.newest;
  updateResults(count.running, count.tally, count.changed, momentOf(count));
  count.changed.clear();
}

function reasonToHold({ newest, definition, damaged, index, tally }: Count): string | null {
  const [damage] = damaged.values();
  if (damage !== undefined) return damage;
  if (newest === null) return null;
  if (newest.definition !== definition.hash)
    return `The count follows another definition (${newest.definition.slice(0, 12)}) than the one published (${definition.hash.slice(0, 12)}).`;
  const unbalanced = unbalancedSlots(index, tally);
  if (unbalanced.length > 0) {
    const contest = definition.election.contests[index.contest_of_slot[unbalanced[0]!]!]!;
    return `Votes and ballots do not balance in ${unbalanced.length} counts, the first in contest "${contest.id}".`;
  }
  const ballots = sumOf(tally.ballots);
  const covered = sumOf(newest.covers);
  // Each ballot has one seq, so what a count of ballots covers is what it counted.
  if (definition.election.source === 'ballots' && ballots !== covered)
    return `The count covers ${covered} ballots but its locations add up to ${ballots}.`;
  return null;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** A location's result or a checkpoint with every count a whole number from 0; null for anything else. */
function parseRecord(text: string): LocationResultRecord | CheckpointRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value) || !isCount(value.epoch) || !Array.isArray(value.covers) || !value.covers.every(isCount))
    return null;
  return isCheckpoint(value) || isLocationResult(value) ? value : null;
}

const isCheckpoint = (value: object): value is CheckpointRecord =>
  'as_of' in value && typeof value.as_of === 'string' && 'definition' in value && typeof value.definition === 'string';

const isLocationResult = (value: object): value is LocationResultRecord =>
  'location_id' in value &&
  typeof value.location_id === 'string' &&
  'ballots_cast' in value &&
  isCount(value.ballots_cast) &&
  'contests' in value &&
  isObject(value.contests) &&
  Object.values(value.contests).every(
    (slot) =>
      isObject(slot) &&
      isCount(slot.undervotes) &&
      isCount(slot.overvoted_ballots) &&
      isObject(slot.votes) &&
      Object.values(slot.votes).every(isCount),
  );
