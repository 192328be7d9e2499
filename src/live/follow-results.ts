import { setTimeout as pause } from 'node:timers/promises';
import { indexElection } from '../domain/election/election-index.ts';
import {
  DEFINITION_KEY,
  type DefinitionRecord,
  VOTES_END_KEY_PREFIX,
  type VotesEndRecord,
} from '../domain/log/records.ts';
import { createPublishedResults } from '../domain/results/engines.ts';
import {
  type PublishedResults,
  type PublishedShape,
  type PublishedState,
  sumOf,
  UNKNOWN_KIND,
} from '../domain/results/published-results.ts';
import {
  createRunningResults,
  type ResultMoment,
  type ResultStatus,
  type Results,
  type RunningResults,
  updateResults,
} from '../domain/results/results.ts';
import { type Log, type LogRecord, recordsOf, type Topic } from '../ports/log.ts';

/** The latest complete state of an election, as a dashboard shows it. */
export interface DashboardState {
  readonly definition: DefinitionRecord;
  /** Entries that did not change are the same objects as in the state before. */
  readonly results: Results;
  /** The counter's epoch; 0 before its first state. */
  readonly epoch: number;
  /** Records of topic `votes` that are no boxes and were left out, where the engine counts them. */
  readonly foreign_records: number;
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
 * records up to a checkpoint say, or what a micro-batch of Spark left, if it balances and covers every vote exactly. Which engine
 * counts is told by the keys. Otherwise the last good state stays, with the reason in `held`. Votes are never read.
 * Memory: two tallies and one document, whatever the length of the log.
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
 * Nor does one after which more waits than it read: a reader that falls behind would show older and older states.
 */
const CORE_SHARE_MAX = 0.1;
const CHEAP_ROUND_MS = 5;
const PAUSE_MS_MAX = 500;

const FOLLOWED = ['definition', 'results-by-location'] as const satisfies readonly Topic[];
type Followed = (typeof FOLLOWED)[number];

/** What is known under one definition; another definition starts another. */
interface KnownResults {
  readonly definition: DefinitionRecord;
  readonly shape: PublishedShape;
  /** What the records say so far, complete or not; null before the first record that tells which engine counts. */
  published: PublishedResults | null;
  /** Records that cannot be counted, by key, with what is wrong; a good record of the same key mends it. */
  readonly damaged: Map<string, string>;
  readonly running: RunningResults;
  /**
   * Read up to here before anything is shown: what lies before it are older states. Behind it a compacted topic may lack records
   * that newer ones replaced; a state is complete only where none is missing, so such a one is held or passed over meanwhile.
   */
  readonly catch_up_to: number;
  is_caught_up: boolean;
  /** The newest state that was good: the one on show. */
  shown: PublishedState | null;
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
  #count: KnownResults | null = null;
  /** Time spent on the records of this round, without the waiting for them; and how many results were among them. */
  #busy_ms = 0;
  #resultsRead = 0;

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
        this.#resultsRead = 0;
        for (const topic of FOLLOWED) if (!this.#waits.has(topic)) isNews = (await this.#take(topic, signal)) || isNews;
        if (isNews) this.#show();
        if (this.#busy_ms > CHEAP_ROUND_MS && this.#count?.is_caught_up && !(await this.#isFallingBehind())) {
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

  async #isFallingBehind(): Promise<boolean> {
    const end = await this.#log.end('results-by-location', 0);
    return end - this.#next['results-by-location'] > this.#resultsRead;
  }

  /** Applies the next records of a topic, or begins to wait for one. @returns whether there were any. */
  async #take(topic: Followed, signal: AbortSignal): Promise<boolean> {
    // Results mean nothing without their definition: until it is there, both wait for it.
    if (topic === 'results-by-location' && this.#count === null) return this.#wait(topic, 'definition', signal);
    const from = this.#next[topic];
    const batches = await this.#log.read(topic, 0, from);
    const startedAt = performance.now();
    const records = batches.flatMap((batch) => [...recordsOf(batch, from)]);
    const last = records.at(-1);
    if (last === undefined) return this.#wait(topic, topic, signal);
    this.#next[topic] = last.offset + 1;
    if (topic === 'definition') for (const record of records) await this.#define(record);
    else {
      this.#resultsRead = records.length;
      applyRecords(this.#count!, records);
    }
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
    // A log may end before its end: behind the last record there may be a marker that no reader sees.
    return topic !== 'definition' && this.#count !== null && catchUp(this.#count);
  }

  async #define(record: LogRecord): Promise<void> {
    if (record.key.startsWith(VOTES_END_KEY_PREFIX)) {
      const end: VotesEndRecord = JSON.parse(record.value);
      this.#votesEnd.set(end.partition, end.seq_end);
    }
    if (record.key !== DEFINITION_KEY) return;
    const definition: DefinitionRecord = JSON.parse(record.value);
    if (definition.hash === this.#count?.definition.hash) return;
    const index = indexElection(definition.election);
    // Another definition numbers its locations anew: its results are read from their beginning.
    this.#next['results-by-location'] = 0;
    this.#waits.delete('results-by-location');
    this.#count = {
      definition,
      shape: { index, definition: definition.hash, partitions: definition.partitions },
      published: null,
      damaged: new Map(),
      running: createRunningResults(index, { status: 'pre-election', as_of: definition.defined_at, sequence: 0 }),
      catch_up_to: await this.#log.end('results-by-location', 0),
      is_caught_up: false,
      shown: null,
      held: null,
    };
  }

  /** Makes the state of what was read and tells the listeners. */
  #show(): void {
    const count = this.#count;
    if (count === null) return;
    if (this.#next['results-by-location'] >= count.catch_up_to) catchUp(count);
    if (!count.is_caught_up) return;
    count.held ??= count.published?.overdue ?? null;
    // Records without a state among them: what they say is not nothing, but it is not known yet.
    if (count.published !== null && count.shown === null && count.held === null) return;
    const { definition, running, held, shown } = count;
    const moment = { ...momentOf(count), status: this.#status(count) };
    if (moment.status !== running.results.election.status) updateResults(running, running.counted, [], moment);
    const { results } = running;
    if (this.state?.definition === definition && this.state.results === results && this.state.held === held) return;
    const foreign_records = shown?.foreign_records ?? 0;
    this.state = { definition, results, epoch: shown?.epoch ?? 0, foreign_records, held };
    for (const listener of this.listeners) listener();
  }

  /** Complete when every partition has said where its votes end, and the counts on show cover all of them. */
  #status(count: KnownResults): ResultStatus {
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

const momentOf = ({ shown, definition, running }: KnownResults): ResultMoment => ({
  status: running.results.election.status,
  as_of: shown?.as_of ?? definition.defined_at,
  sequence: sumOf(shown?.covers ?? []),
});

/** @returns whether it was behind until now. */
function catchUp(count: KnownResults): boolean {
  if (count.is_caught_up) return false;
  count.is_caught_up = true;
  count.published?.watch();
  return true;
}

function applyRecords(count: KnownResults, records: readonly LogRecord[]): void {
  if (count.published === null) {
    count.published = createPublishedResults(records, count.shape);
    if (count.is_caught_up) count.published?.watch();
  }
  const taken =
    count.published?.take(records) ?? records.map((record) => ({ ...record, damage: UNKNOWN_KIND, isIgnored: false }));
  for (const { key, offset, damage, isIgnored } of taken) {
    if (damage !== null) noteDamage(count, key, `Record ${offset} of results-by-location (${key}) ${damage}.`);
    else if (!isIgnored) count.damaged.delete(key);
    if (count.published?.isDue) judge(count, count.published);
  }
}

function noteDamage(count: KnownResults, key: string, damage: string): void {
  if (count.damaged.size < DAMAGED_KEYS_MAX) count.damaged.set(key, damage);
  count.held ??= damage;
}

/** Shows the state that the records add up to, or holds the last good one and says why. */
function judge(count: KnownResults, published: PublishedResults): void {
  const state = published.judge();
  const [damage] = count.damaged.values();
  count.held = damage ?? state.held;
  if (count.held !== null) return;
  count.shown = state;
  updateResults(count.running, published.tally, published.changed, momentOf(count));
  published.changed.clear();
}
