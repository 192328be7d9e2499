import { crashPoint } from '../../base/crash-points.ts';
import { REVISION_KEY_PREFIX, type RevisionRecord } from '../../domain/log/records.ts';
import type { Counter } from '../../ports/counter.ts';
import { definitionOf, type ElectionEntry } from '../../ports/elections.ts';
import {
  type ClosableWriter,
  followBatches,
  type Log,
  type LogWriter,
  type OutgoingRecord,
  recordsOf,
} from '../../ports/log.ts';
import { damaged } from './damaged.ts';
import { type Counting, restoreReturns, restoreVotes } from './restore.ts';

/**
 * The least time between two flushes. With the tick of the dashboard, the aim is that 99 of 100
 * votes are on the screen within 100 ms of their commit. Measured: p99 112 ms at 20,000 votes a
 * second (docs/benchmarks.md).
 */
const FLUSH_SPACING_MS_MIN = 25;
/**
 * The pause after a flush is this many times as long as the flush itself, so that on a busy machine
 * publishing gives way to counting.
 */
const FLUSH_PAUSE_RATIO = 0.5;

export interface LocalCounterOptions {
  readonly log: Log;
  /** Opens the writer of the result topics, which fences an earlier counter. */
  openWriter(): Promise<ClosableWriter>;
  readonly clock: () => Date;
}

const NOTHING: readonly number[] = [];

/** The ends of the counted topic now, by partition. */
const endsOf = (log: Log, { topic, offsets }: Counting): Promise<number[]> =>
  Promise.all(offsets.map((_, partition) => log.end(topic, partition)));

const restore = (log: Log, entry: ElectionEntry) =>
  definitionOf(entry).source === 'returns' ? restoreReturns(log, entry) : restoreVotes(log, entry);

/**
 * The in-process counter: an incremental fold over the log. It restarts from its own published
 * results where they are sound, and otherwise counts again from the first vote.
 */
export function createLocalCounter({ log, openWriter, clock }: LocalCounterOptions): Counter {
  return {
    engine: 'local',
    async run(entry, progress, signal) {
      await using writer = await openWriter();
      const { count, beginsAnew, recounted, removals } = await restore(log, entry);
      if (recounted !== null) progress.say(`Counting again from the first vote. ${recounted}`);
      const until = beginsAnew ? await endsOf(log, count) : NOTHING;
      if (!count.hasChanges) progress.published(count.covers);
      const flusher = startFlusher({ count, writer, clock, published: progress.published, until, removals });
      const stop = new AbortController();
      const running = AbortSignal.any([signal, stop.signal]);
      const parts = count.offsets.map((_, partition) => countPartition(log, count, partition, flusher, running));
      parts.push(followRevisions(log, count, flusher, running));
      try {
        flusher.changed();
        await Promise.race([Promise.all(parts), flusher.failed]);
      } finally {
        stop.abort();
        await Promise.allSettled(parts);
        await flusher.stop();
      }
    },
  };
}

/**
 * Follows the revisions of the description. The new names and electorates are published with the
 * next flush.
 */
async function followRevisions(log: Log, count: Counting, flusher: Flusher, signal: AbortSignal): Promise<void> {
  for await (const batch of followBatches(log, 'definition', 0, 0, signal))
    for (const { key, value } of recordsOf(batch)) {
      if (!key.startsWith(REVISION_KEY_PREFIX)) continue;
      const { election, revision }: RevisionRecord = JSON.parse(value);
      count.describe(election, revision);
      if (count.hasChanges) flusher.changed();
    }
}

async function countPartition(
  log: Log,
  count: Counting,
  partition: number,
  flusher: Flusher,
  signal: AbortSignal,
): Promise<void> {
  for await (const batch of followBatches(log, count.topic, partition, count.offsets[partition]!, signal)) {
    for (const record of recordsOf(batch, count.offsets[partition])) {
      try {
        count.count(partition, record.value);
      } catch (cause) {
        throw damaged(count.topic, partition, cause);
      }
      count.offsets[partition] = record.offset + 1;
    }
    flusher.changed();
  }
}

interface Flusher {
  changed(): void;
  /** Rejects when a flush fails; never resolves. */
  readonly failed: Promise<never>;
  /** Flushes the rest and stops. */
  stop(): Promise<void>;
}

interface Flushing {
  readonly count: Counting;
  readonly writer: LogWriter;
  readonly clock: () => Date;
  readonly published: (covers: readonly number[]) => void;
  /** Nothing is published before the count has reached these offsets of its topic. */
  readonly until: readonly number[];
  /** Goes out with the first flush. */
  readonly removals: readonly OutgoingRecord[];
}

/** Publishes changes as they come, one flush at a time. Counting goes on during a flush. */
function startFlusher({ count, writer, clock, published, until, removals }: Flushing): Flusher {
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  let flushing: Promise<void> = Promise.resolve();
  let broken = false;
  let scheduled: NodeJS.Timeout | null = null;
  let earliest = 0;

  let outgoing = removals;
  const isDue = (): boolean => count.hasChanges && until.every((end, partition) => count.offsets[partition]! >= end);

  const flush = async (): Promise<void> => {
    if (broken || !isDue()) return;
    const begun = performance.now();
    const covers = [...count.covers];
    const records = [...outgoing, ...count.takeChanges(writer.epoch, clock().toISOString())];
    outgoing = [];
    try {
      crashPoint('count.before-flush');
      await writer.publish(records);
    } catch (error) {
      broken = true;
      failure.reject(error);
      return;
    }
    const ended = performance.now();
    earliest = Math.max(begun + FLUSH_SPACING_MS_MIN, ended + FLUSH_PAUSE_RATIO * (ended - begun));
    published(covers);
  };
  const schedule = (): void => {
    if (scheduled !== null) return;
    scheduled = setTimeout(
      () => {
        flushing = flush().finally(() => {
          scheduled = null;
          if (isDue() && !broken) schedule();
        });
      },
      Math.max(0, earliest - performance.now()),
    );
  };

  return {
    changed: schedule,
    failed: failure.promise,
    async stop() {
      if (scheduled !== null) clearTimeout(scheduled);
      scheduled = null;
      await flushing;
      if (scheduled !== null) clearTimeout(scheduled);
      await flush();
    },
  };
}
