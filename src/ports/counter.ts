import type { ElectionEntry } from './elections.ts';

export type Engine = 'local' | 'spark';

/**
 * Counts the votes in the log into the result topics, going on from where the last counter of the
 * election left off.
 */
export interface Counter {
  readonly engine: Engine;
  /**
   * Counts until the signal aborts, then flushes what it has counted.
   * @throws OperationalError LOG_DAMAGED (stop, alarm), FENCED (a later counter took over: never
   * start again), or a lost connection.
   */
  run(entry: ElectionEntry, progress: CountProgress, signal: AbortSignal): Promise<void>;
  /** What the engine can say about its work, for metrics. */
  gauges?(): readonly Gauge[];
}

/** A figure of now, as metrics name it. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly value: number;
}

export interface CountProgress {
  /** Told after each checkpoint how many votes the published results include, by partition. */
  published(covers: readonly number[]): void;
}
