import type { Counter, Engine } from './counter.ts';
import type { Log } from './log.ts';
import type { BallotBox, ElectionEntry, Elections, Recount, Roll } from './store.ts';

/** Everything the stages work with, of whichever profile: `wire.ts` makes it from the configuration. */
export interface Backend {
  readonly elections: Elections;
  readonly ballot_box: BallotBox;
  readonly recount: Recount;
  /** Waits until no other process has the roll. @throws the signal's reason when it aborts first. */
  openRoll(entry: ElectionEntry, signal?: AbortSignal): Promise<Roll>;
  openLog(entry: ElectionEntry): Promise<ClosableLog>;
  /** @throws OperationalError USAGE when this program has no such engine. */
  createCounter(engine: Engine, log: Log, entry: ElectionEntry): Counter;
  /** @throws OperationalError DATABASE_UNSAFE where a committed vote could be lost, or counted twice. */
  assertSafe(entry: ElectionEntry): Promise<void>;
  /** What `doctor` tells about where data is, one line each. */
  describe(): Promise<string[]>;
  /** Lets go of everything; stops what was started for this process alone. */
  close(): Promise<void>;
}

export interface ClosableLog extends Log {
  close(): Promise<void>;
}
