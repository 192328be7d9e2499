import { setTimeout as pause } from 'node:timers/promises';
import {
  DEFINITION_KEY,
  REVISION_KEY_PREFIX,
  type RevisionRecord,
  VOTES_END_KEY_PREFIX,
  type VotesEndRecord,
} from '../domain/log/records.ts';
import { type Log, type LogRecord, recordsOf, type Topic } from '../ports/log.ts';
import { type DefinitionInForce, definitionInForce, type Shown, StateBuilder } from './state-builder.ts';

/**
 * Follows the topics `definition` and `results-by-location` of an election and shows each new state
 * that they add up to, or the reason why they add up to none. Votes are never read. Resolves when
 * the signal aborts.
 * @throws when the log fails, or nothing can be shown any more.
 */
export function followLog(log: Log, show: (shown: Shown) => void, signal: AbortSignal): Promise<void> {
  return new Follower(log, show).run(signal);
}

/**
 * Reading takes at most this part of a core (3,143 counties that all changed take 18 ms): after a
 * costly round it pauses, and what was flushed meanwhile is read at once, each location only in its
 * newest record. A round of less than 5 ms needs no pause. Nor does one after which more waits than
 * it read: a reader that falls behind would show older and older states.
 */
const CORE_SHARE_MAX = 0.1;
/** A shorter round needs no pause after it. */
const CHEAP_ROUND_MS = 5;
/** A page that is older than this is not live. */
const PAUSE_MS_MAX = 500;

const FOLLOWED = ['definition', 'results-by-location'] as const satisfies readonly Topic[];
type Followed = (typeof FOLLOWED)[number];

class Follower {
  readonly #log: Log;
  readonly #show: (shown: Shown) => void;
  readonly #next: Record<Followed, number> = { definition: 0, 'results-by-location': 0 };
  /** The topics read to their end, each with what resolves when it has grown. */
  readonly #waits = new Map<Followed, Promise<void>>();
  /** The end of the votes of each partition, as far as it is known. */
  readonly #votesEnd = new Map<number, number>();
  /** Null before the definition is read. */
  #builder: StateBuilder | null = null;
  #shown: Shown = { state: null, trouble: null };
  /** One past the last record of topic `definition` that a state follows. */
  #definitionOffset = 0;
  /**
   * Time spent on the records of this round, without the waiting for them; and how many results
   * were among them.
   */
  #busyMs = 0;
  #resultsRead = 0;

  constructor(log: Log, show: (shown: Shown) => void) {
    this.#log = log;
    this.#show = show;
  }

  async run(ended: AbortSignal): Promise<void> {
    const stopped = new AbortController();
    const signal = AbortSignal.any([ended, stopped.signal]);
    try {
      while (!signal.aborted) {
        let isNews = false;
        this.#busyMs = 0;
        this.#resultsRead = 0;
        for (const topic of FOLLOWED) if (!this.#waits.has(topic)) isNews = (await this.#take(topic, signal)) || isNews;
        if (isNews) this.#showNews();
        if (this.#busyMs > CHEAP_ROUND_MS && this.#builder?.isCaughtUp && !(await this.#isFallingBehind())) {
          const pause_ms = Math.min(PAUSE_MS_MAX, this.#busyMs / CORE_SHARE_MAX);
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

  /**
   * Applies the next records of a topic, or begins to wait for one.
   * @returns whether there is news.
   */
  async #take(topic: Followed, signal: AbortSignal): Promise<boolean> {
    // Results mean nothing without their definition: until it is there, both wait for it.
    if (topic === 'results-by-location' && this.#builder === null) return this.#wait(topic, 'definition', signal);
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
      this.#builder!.take(records);
    }
    this.#busyMs += performance.now() - startedAt;
    return true;
  }

  /**
   * Leaves a topic alone until another (or itself) has grown.
   * @returns whether its end was reached for the first time.
   */
  #wait(topic: Followed, awaited: Followed, signal: AbortSignal): boolean {
    const wait = this.#log.wait(awaited, 0, this.#next[awaited], signal).then(() => {
      if (this.#waits.get(topic) === wait) this.#waits.delete(topic);
    });
    // A failed wait is thrown by the race in `run`; until that starts it must not count as
    // unhandled.
    wait.catch(() => {});
    this.#waits.set(topic, wait);
    if (topic === 'definition' || this.#builder === null) return false;
    // A log may end before its end: behind the last record there may be a marker that no reader
    // sees.
    this.#builder.end();
    return this.#builder.catchUp() || this.#shown.state === null;
  }

  async #define({ key, value, offset }: LogRecord): Promise<void> {
    const inForce = this.#builder?.definition;
    if (key.startsWith(VOTES_END_KEY_PREFIX)) {
      const { partition, seq_end }: VotesEndRecord = JSON.parse(value);
      if (seq_end === null) this.#votesEnd.delete(partition);
      else this.#votesEnd.set(partition, seq_end);
    } else if (key === DEFINITION_KEY) {
      const definition = definitionInForce(JSON.parse(value));
      if (definition.instance === inForce?.instance) return;
      this.#votesEnd.clear();
      await this.#begin(definition);
    } else if (key.startsWith(REVISION_KEY_PREFIX) && inForce !== undefined) {
      const revision: RevisionRecord = JSON.parse(value);
      if (revision.revision <= inForce.revision) return;
      await this.#begin(definitionInForce(inForce, revision));
    } else return;
    this.#definitionOffset = offset + 1;
  }

  /** Another definition has other names or numbers: its results are read from their beginning. */
  async #begin(definition: DefinitionInForce): Promise<void> {
    this.#next['results-by-location'] = 0;
    this.#waits.delete('results-by-location');
    this.#builder = new StateBuilder(definition, await this.#log.end('results-by-location', 0));
  }

  /** A count that was shown stays, with the reason why there is none now. */
  #keepState(shown: Shown): Shown {
    const before = this.#shown.state;
    if (shown.trouble === null || before === null || !before.results.is_counted) return shown;
    if (before.definition.instance !== this.#builder?.definition.instance) return shown;
    if (before.results.held === shown.trouble) return this.#shown;
    return { state: { ...before, results: { ...before.results, held: shown.trouble } }, trouble: null };
  }

  #showNews(): void {
    const builder = this.#builder;
    if (builder === null) return;
    if (this.#next['results-by-location'] >= builder.catchUpTo) builder.catchUp();
    const shown = this.#keepState(builder.build(this.#definitionOffset, this.#votesEnd));
    if (shown.state === null && shown.trouble === null) return;
    if (shown.state === this.#shown.state && shown.trouble === this.#shown.trouble) return;
    this.#shown = shown;
    this.#show(shown);
  }
}
