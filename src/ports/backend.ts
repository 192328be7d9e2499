import type { BallotBox } from './ballot-box.ts';
import type { Counter, Engine } from './counter.ts';
import type { ElectionEntry, Elections } from './elections.ts';
import type { ForeignTopic } from './foreign-topic.ts';
import type { Log } from './log.ts';
import type { Recount } from './recount.ts';
import type { Returns } from './returns.ts';
import type { Roll } from './roll.ts';

/**
 * All the ports that stages work with, in either profile. `src/wire` makes it from the
 * configuration.
 */
export interface Backend {
  readonly elections: Elections;
  readonly ballotBox: BallotBox;
  readonly recount: Recount;
  readonly returns: Returns;
  /**
   * Opens the roll once no other process has it open.
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
  /** The engine `spark` needs the log in Kafka; the configuration checks that. */
  createCounter(engine: Engine, log: Log, entry: ElectionEntry): Counter;
  /**
   * @throws OperationalError DATABASE_UNSAFE where a committed vote could be lost, or counted
   * twice.
   */
  assertSafe(entry: ElectionEntry): Promise<void>;
  /**
   * The places of the data, one line each, for `doctor`.
   * @throws OperationalError where one of the servers does not answer.
   */
  describe(): Promise<string[]>;
  /** Releases everything, and stops the servers that were started for this process alone. */
  close(): Promise<void>;
}

/** A log that is open. Closing it never throws. */
export interface ClosableLog extends Log, AsyncDisposable {
  close(): Promise<void>;
}
