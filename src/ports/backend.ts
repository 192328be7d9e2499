import type { BallotBox } from './ballot-box.ts';
import type { Counter, Engine } from './counter.ts';
import type { ElectionEntry, Elections } from './elections.ts';
import type { ForeignTopic } from './foreign-topic.ts';
import type { Log } from './log.ts';
import type { Recount } from './recount.ts';
import type { Roll } from './roll.ts';

/**
 * Everything the stages work with, of whichever profile: `src/wire` makes it from the
 * configuration.
 */
export interface Backend {
  readonly elections: Elections;
  readonly ballotBox: BallotBox;
  readonly recount: Recount;
  /**
   * Waits until no other process has the roll.
   * @throws the signal's reason when it aborts first.
   */
  openRoll(entry: ElectionEntry, signal?: AbortSignal): Promise<Roll>;
  openLog(entry: ElectionEntry): Promise<ClosableLog>;
  /**
   * @throws OperationalError INPUT_REFUSED where there is no such topic; USAGE where there is no
   * Kafka.
   */
  openForeignTopic(name: string): Promise<ForeignTopic>;
  /**
   * Waits until readers of the log see all that is committed to it now, or until the signal aborts.
   */
  settle(entry: ElectionEntry, signal: AbortSignal): Promise<void>;
  /**
   * Committed batches that readers of the log may not see yet: 0 where the log is in the database.
   */
  lag(entry: ElectionEntry): Promise<number>;
  /** `spark` only where the log is in Kafka, as the configuration sees to. */
  createCounter(engine: Engine, log: Log, entry: ElectionEntry): Counter;
  /**
   * @throws OperationalError DATABASE_UNSAFE where a committed vote could be lost, or counted
   * twice.
   */
  assertSafe(entry: ElectionEntry): Promise<void>;
  /**
   * What `doctor` tells about where data is, one line each.
   * @throws OperationalError where a server of them does not answer.
   */
  describe(): Promise<string[]>;
  /** Releases everything, and stops what was started for this process alone. */
  close(): Promise<void>;
}

/** A log that is open. Closing it never throws. */
export interface ClosableLog extends Log, AsyncDisposable {
  close(): Promise<void>;
}
