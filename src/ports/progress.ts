import type { Results } from '../domain/results/results.ts';
import type { Committed } from './ballot-batch.ts';
import type { Gauge } from './counter.ts';

/**
 * What the stages of a process tell about their work, once it is durable. One place sums it and
 * shows it.
 */
export interface Progress {
  /** A line for people. */
  say(line: string): void;
  /** How many voters are registered now. */
  registered(voters: number): void;
  /** What one more commit took and what it refused. */
  cast(committed: Committed): void;
  /** How many votes the published results include now. */
  counted(votes: number): void;
  /** The results that viewers see now. */
  shown(results: Results): void;
  /** What the count measures now, for the metrics. */
  measured(gauges: readonly Gauge[]): void;
}
