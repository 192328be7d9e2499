import type { ElectionEntry } from './elections.ts';

export type Engine = 'local' | 'spark';

/**
 * Counts the votes in the log into the result topics. It goes on where the last counter of the
 * election stopped.
 */
export interface Counter {
  readonly engine: Engine;
  /**
   * Counts until the signal aborts, then flushes its counts.
   * @throws OperationalError LOG_DAMAGED (stop, alarm), FENCED (a later counter took over: never
   * start again), or a lost connection.
   */
  run(entry: ElectionEntry, progress: CountProgress, signal: AbortSignal): Promise<void>;
  /** Figures of the engine about its work, for metrics. */
  gauges?(): readonly Gauge[];
}

/** A current figure, as metrics name it. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly value: number;
}

export interface CountProgress {
  /**
   * Called after each checkpoint. @param covers how many votes the published results include, by
   * partition
   */
  published(covers: readonly number[]): void;
  /** A line for the user, where the counter does not simply go on. */
  say(line: string): void;
}
