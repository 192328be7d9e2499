import type { ElectionIndex } from '../../domain/election/election-index.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import type { Log, LogRecord } from '../../ports/log.ts';
import type { Moment, Recount } from '../../ports/recount.ts';

/**
 * One comparison of the reconciliation. `differences` names the first few differences between the
 * two sides.
 */
export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly left: number;
  readonly right: number;
  readonly differences: readonly string[];
}

/** The parts that each group of checks works with. */
export interface Verification {
  readonly entry: ElectionEntry;
  readonly index: ElectionIndex;
  readonly log: Log;
  readonly recount: Recount;
  /** The tables as they were when the recount began: log and tables are compared up to it. */
  readonly moment: Moment;
  readonly signal: AbortSignal;
}

/**
 * Topic `definition`, read before and after the moment of the tables. Records from before must be
 * in the tables, and the rows of the tables must be in the topic afterwards.
 */
export interface DefinitionTopic {
  readonly before: ReadonlyMap<string, LogRecord>;
  readonly after: ReadonlyMap<string, LogRecord>;
}

/** A few differences show the fault. A list of all might have a line for each vote. */
export const DIFFERENCES_SHOWN_MAX = 5;

/** Clocks of machines may differ by this much. */
export const CLOCKS_MS_MAX = 60_000;

/** Two numbers that must be equal, and what else differs. */
export const check = (name: string, left: number, right: number, differences: readonly string[] = []): Check => ({
  name,
  passed: left === right && differences.length === 0,
  left,
  right,
  differences:
    left === right || differences.length > 0
      ? differences.slice(0, DIFFERENCES_SHOWN_MAX)
      : [`${left} on the left, ${right} on the right`],
});

/** A list of differences that must be empty. */
export const noneOf = (name: string, differences: readonly string[]): Check =>
  check(name, 0, differences.length, differences);
