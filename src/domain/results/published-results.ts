import type { Tally } from '../counting/tally.ts';
import { type ElectionIndex, slotContest } from '../election/election-index.ts';
import type { Sha256 } from '../log/box.ts';

/** A record of topic `results-by-location`, as it was read. */
export interface PublishedRecord {
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

/** A record with the outcome of reading it. */
export interface TakenRecord extends PublishedRecord {
  /**
   * The fault, worded to follow "the record"; null where there is none. Nothing of a damaged record
   * is counted.
   */
  readonly damage: string | null;
  /** Whether it belongs to a state that newer records have replaced. Nothing of it is counted. */
  readonly isIgnored: boolean;
}

/** A state of the published results, as far as it can be shown. */
export interface PublishedState {
  readonly epoch: number;
  /** The offset of the record that made the state whole. */
  readonly offset: number;
  readonly covers: readonly number[];
  /** ISO 8601: when the engine made it. */
  readonly as_of: string;
  /**
   * Records of topic `votes` that are not boxes and were left out, where the engine counts them.
   */
  readonly foreign_records: number;
  /** Why this state must not be shown, in a sentence; null where it is sound. */
  readonly held: string | null;
}

/**
 * The state of topic `results-by-location` so far, one fold for each engine. It takes records in
 * the order of the log and knows where they add up to a state. No I/O, no clock.
 */
export interface PublishedResults {
  /** The counts so far, complete or not. */
  readonly tally: Tally;
  /** Locations whose counts have changed since the reader last cleared this set. */
  readonly changed: Set<number>;
  /**
   * Takes records that were read together. Some that later ones among them replace are left out.
   */
  take(records: readonly PublishedRecord[]): Iterable<TakenRecord>;
  /** Whether the records taken so far are a state that waits for its judgement. */
  readonly isDue: boolean;
  judge(): PublishedState;
  /** From here on the log is read as it grows, so a state that stays incomplete is reported. */
  watch(): void;
  /**
   * Why no state has become complete for longer than it should take; null while none is overdue.
   */
  readonly overdue: string | null;
  /**
   * Why the records up to the end of the topic hold no state at all, where the engine always ends
   * them with one; null otherwise.
   */
  readonly incomplete: string | null;
}

export interface PublishedShape {
  readonly index: ElectionIndex;
  /** The hash of the definition. */
  readonly definition: string;
  /** The number of partitions of topic `votes`. */
  readonly partitions: number;
  readonly sha256: Sha256;
}

export const UNREADABLE = 'cannot be read';
export const UNKNOWN_PLACE = 'names a location, contest or candidate that the definition lacks';
export const UNKNOWN_KIND = 'is of no known kind';

export const describeOtherDefinition = (counted: string, published: string): string =>
  `The count follows another definition (${counted.slice(0, 12)}) than the one published (${published.slice(0, 12)}).`;

/** A recount covers fewer votes of a partition than the results before it. */
export const describeLostVotes = (partition: number, counted: number, end: number): string =>
  `Partition ${partition} of topic votes holds ${end} votes, and ${counted} of it were counted before. Run \`tallyroom verify\`: the log may have lost votes.`;

/** @returns null where no slot is unbalanced. */
export function describeUnbalanced(index: ElectionIndex, slots: readonly number[]): string | null {
  const [first] = slots;
  if (first === undefined) return null;
  const { id } = slotContest(index, first);
  return `Votes and ballots do not balance in ${slots.length} counts, the first in contest "${id}".`;
}

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** The JSON object that a value is; null for anything else. */
export function parseObject(value: string): Readonly<Record<string, unknown>> | null {
  try {
    const parsed: unknown = JSON.parse(value);
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}
