import { sha256 } from '../base/sha256.ts';
import { sumOf } from '../domain/counts.ts';
import { canonicalDefinition } from '../domain/election/election.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { type DefinitionRecord, REMOVED, type RevisionRecord } from '../domain/log/records.ts';
import { createPublishedResults } from '../domain/results/engine-folds.ts';
import {
  type PublishedResults,
  type PublishedShape,
  type PublishedState,
  UNKNOWN_KIND,
} from '../domain/results/published-results.ts';
import type { ResultMoment, ResultStatus, Results } from '../domain/results/results.ts';
import { createRunningResults, type RunningResults, updateResults } from '../domain/results/running-results.ts';
import { formatStateId } from '../domain/results/state-id.ts';
import type { LogRecord } from '../ports/log.ts';

/** The definition of an election with its description as last revised. */
export interface DefinitionInForce extends DefinitionRecord {
  readonly instance: string;
  readonly revision: number;
  /**
   * 32 hex digits that stand for this instance and this text: another name, number or picture has
   * another tag.
   */
  readonly tag: string;
}

/** The definition of a record, with the description of a later revision where one is given. */
export function definitionInForce(
  record: DefinitionRecord,
  revised: Pick<RevisionRecord, 'revision' | 'election'> = { revision: 0, election: record.election },
): DefinitionInForce {
  // Elections of earlier versions have no instance. This stand-in is the same in every process.
  const instance = record.instance ?? short(sha256(`tallyroom instance ${record.hash} ${record.defined_at}`));
  const tag = short(sha256(`${instance} ${canonicalDefinition(revised.election)}`));
  return { ...record, ...revised, instance, tag };
}

const short = (hash: string): string => hash.slice(0, 32);

/** The latest complete state of an election, as a dashboard shows it. */
export interface DashboardState {
  readonly definition: DefinitionInForce;
  /** See {@link formatStateId}. `results.held` is not a part of it. */
  readonly id: string;
  /** Entries that did not change are the same objects as in the state before. */
  readonly results: Results;
  /** The counter's epoch; 0 before its first state. */
  readonly epoch: number;
  /**
   * Records of topic `votes` that are not boxes and were left out, where the engine counts them.
   */
  readonly foreign_records: number;
}

/** The news for viewers: a state, or the reason why there is none; neither while it is read. */
export interface Shown {
  readonly state: DashboardState | null;
  /** Why results are there and none of them is a sound state, in a sentence. */
  readonly trouble: string | null;
}

const NOTHING: Shown = { state: null, trouble: null };

/**
 * This many records that cannot be read are remembered by key; the first one already holds the
 * state.
 */
const DAMAGED_KEYS_MAX = 1_000;

/**
 * Builds states from the result records of one definition; another definition needs a builder of
 * its own. A state is what the records up to a checkpoint say, or what a micro-batch of Spark left,
 * if it balances and covers every vote exactly. Where it does not, the last good state stays, with
 * the reason in `results.held`. The keys tell which engine counts.
 *
 * Memory: two tallies and one document, whatever the number of records.
 */
export class StateBuilder {
  readonly definition: DefinitionInForce;
  /**
   * Nothing is shown before the records up to this offset are read: they tell of older states.
   * Beyond it a compacted topic may still lack records that newer ones replaced. A state there is
   * incomplete, so it is held or passed over.
   */
  readonly catchUpTo: number;
  readonly #shape: PublishedShape;
  readonly #running: RunningResults;
  /**
   * What the records say so far, complete or not; null before the first record that tells which
   * engine counts.
   */
  #published: PublishedResults | null = null;
  /**
   * Records that cannot be counted, by key, with what is wrong. A good record of the same key mends
   * it.
   */
  readonly #damaged = new Map<string, string>();
  #isCaughtUp = false;
  /** Whether every record of the topic is taken. */
  #isAtEnd = false;
  /** The newest state that was good: the one on show. */
  #good: PublishedState | null = null;
  #held: string | null = null;
  #state: DashboardState | null = null;

  constructor(definition: DefinitionInForce, catchUpTo: number) {
    const index = indexElection(definition.election);
    this.definition = definition;
    this.catchUpTo = catchUpTo;
    this.#shape = { index, definition: definition.hash, partitions: definition.partitions, sha256 };
    this.#running = createRunningResults(index, {
      status: 'pre-election',
      as_of: definition.defined_at,
      sequence: 0,
      is_counted: false,
    });
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  /** From now on states are shown. @returns whether it was behind until now. */
  catchUp(): boolean {
    if (this.#isCaughtUp) return false;
    this.#isCaughtUp = true;
    this.#published?.watch();
    return true;
  }

  /** No further record is in the topic now. */
  end(): void {
    this.#isAtEnd = true;
  }

  /** Takes the next records of topic `results-by-location`. */
  take(records: readonly LogRecord[]): void {
    this.#isAtEnd = false;
    if (this.#published === null) {
      this.#published = createPublishedResults(records, this.#shape);
      if (this.#isCaughtUp) this.#published?.watch();
    }
    const taken =
      this.#published?.take(records) ??
      records.map((record) => ({
        ...record,
        damage: record.value === REMOVED ? null : UNKNOWN_KIND,
        isIgnored: false,
      }));
    for (const { key, offset, damage, isIgnored } of taken) {
      if (damage !== null) this.#note(key, `Record ${offset} of results-by-location (${key}) ${damage}.`);
      else if (!isIgnored) this.#damaged.delete(key);
      if (this.#published?.isDue) this.#judge(this.#published);
    }
  }

  /**
   * @param definitionOffset one past the last record of topic `definition` that a state follows
   * @param votesEnd where the votes of each partition end, as far as that is known.
   * @returns what to show; the same state while nothing has changed.
   */
  build(definitionOffset: number, votesEnd: ReadonlyMap<number, number>): Shown {
    if (!this.#isCaughtUp) return NOTHING;
    const held = this.#held ?? this.#published?.overdue ?? null;
    // There are records, and no sound state among them: zeros would be a wrong number.
    if (this.#published !== null && this.#good === null) {
      const trouble = held ?? (this.#isAtEnd ? this.#published.incomplete : null);
      return { state: null, trouble };
    }
    const running = this.#running;
    const moment = { ...this.#moment(), status: this.#status(votesEnd), held };
    const { election, held: wasHeld } = running.results;
    if (moment.status !== election.status || held !== wasHeld) updateResults(running, running.counted, [], moment);
    const { results } = running;
    const id = formatStateId({
      instance: this.definition.instance,
      epoch: this.#good?.epoch ?? 0,
      definition_offset: definitionOffset,
      results_offset: (this.#good?.offset ?? -1) + 1,
    });
    if (this.#state === null || this.#state.results !== results || this.#state.id !== id) {
      const { epoch, foreign_records } = this.#good ?? { epoch: 0, foreign_records: 0 };
      this.#state = { definition: this.definition, id, results, epoch, foreign_records };
    }
    return { state: this.#state, trouble: null };
  }

  #note(key: string, damage: string): void {
    if (this.#damaged.size < DAMAGED_KEYS_MAX) this.#damaged.set(key, damage);
    this.#held ??= damage;
  }

  /** Takes the state that the records add up to, or holds the last good one and says why. */
  #judge(published: PublishedResults): void {
    const state = published.judge();
    const [damage] = this.#damaged.values();
    this.#held = damage ?? state.held;
    if (this.#held !== null) return;
    this.#good = state;
    updateResults(this.#running, published.tally, published.changed, this.#moment());
    published.changed.clear();
  }

  #moment(): ResultMoment {
    return {
      status: this.#running.results.election.status,
      as_of: this.#good?.as_of ?? this.definition.defined_at,
      sequence: sumOf(this.#good?.covers ?? []),
      is_counted: this.#good !== null,
      held: this.#running.results.held,
    };
  }

  /**
   * Complete when every partition has said where its votes end, and the counts on show end there.
   * Counts beyond an end are of votes that came later, so the end is not known yet.
   */
  #status(votesEnd: ReadonlyMap<number, number>): ResultStatus {
    const covers = this.#good?.covers ?? [];
    let isComplete = true;
    for (let partition = 0; partition < this.definition.partitions; partition++) {
      const end = votesEnd.get(partition);
      isComplete &&= end !== undefined && (covers[partition] ?? 0) === end;
    }
    if (isComplete) return 'unofficial-complete';
    return this.#running.locationsReporting > 0 ? 'unofficial-partial' : 'pre-election';
  }
}
