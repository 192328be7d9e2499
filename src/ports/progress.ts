import type { Results } from '../domain/results/results.ts';
import type { Committed } from './ballot-batch.ts';
import type { Gauge } from './counter.ts';

/**
 * Receives reports from the stages of a process about their work, once it is durable. One place
 * sums them and shows them.
 */
export interface Progress {
  /** A line for people. */
  say(line: string): void;
  /** The number of voters that are registered now. */
  registered(voters: number): void;
  /** More votes that are durable, and the number that was refused beside them. */
  cast(committed: Committed): void;
  /** The number of votes that the published results include now. */
  counted(votes: number): void;
  /** The results that viewers see now. */
  shown(results: Results): void;
  /** The current figures of the count, for the metrics. */
  measured(gauges: readonly Gauge[]): void;
}
