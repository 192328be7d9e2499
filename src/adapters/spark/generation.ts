import { OperationalError } from '../../base/errors.ts';
import { progressKey, RECOUNT_KEY, REMOVED } from '../../domain/log/records.ts';
import { describeLostVotes, parseObject } from '../../domain/results/published-results.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import {
  type ClosableWriter,
  type Log,
  latestRecords,
  type OutgoingRecord,
  recordsFrom,
  seqEnd,
} from '../../ports/log.ts';
import type { Description } from './statement.ts';
import { zeroReport } from './zero-report.ts';

/** The time for another counter that opens its writer at the same moment to publish a report. */
const REPORT_MS_MAX = 5_000;
/** Two counters that start at once fence each other once; a third failure has another cause. */
const REPORT_TRIES_MAX = 3;

const RESULT_TOPICS = ['results-by-location', 'votes-per-candidate', 'turnout-by-location'] as const;
const FIRST_GENERATION = 1;

/** The parts of a counter that begin a generation of results. */
export interface Beginning {
  readonly log: Log;
  readonly entry: ElectionEntry;
  readonly description: Description;
  readonly definition_hash: string;
  readonly clock: () => Date;
  openWriter(): Promise<ClosableWriter>;
  /** Stops the queries of the earlier generations. */
  stopEarlier(): Promise<void>;
  say(line: string): void;
}

/**
 * Publishes the zero report where this generation has published nothing yet. Zeros are never
 * published over counts: opening the writer fences any counter that looked before us, and a counter
 * starts the query only after this step.
 */
export async function beginGeneration(beginning: Beginning, signal: AbortSignal): Promise<void> {
  const { log, entry } = beginning;
  const report: Report = {
    isThere: () => isBegun(log, entry),
    startsAt: entry.generation === FIRST_GENERATION ? 0 : null,
    async publish(writer) {
      // A query of an earlier generation would write its rows over those of this one.
      await beginning.stopEarlier();
      await writer.publish(await firstRecords(beginning));
      // Until it has read these records, a counter of an earlier generation starts its query again.
      await beginning.stopEarlier();
    },
  };
  await publishOnce(beginning, report, signal);
}

/** Records that one of several counters publishes. */
export interface Report {
  /** Whether they are there, whoever has published them. */
  isThere(): Promise<boolean>;
  /** The offset of results-by-location where they begin; null where that is its end. */
  readonly startsAt: number | null;
  publish(writer: ClosableWriter): Promise<void>;
}

/** Publishes a report where no other counter does so first. */
export async function publishOnce(
  { log, openWriter }: Pick<Beginning, 'log' | 'openWriter'>,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  for (let tries = 1; !signal.aborted && !(await report.isThere()); )
    try {
      await using writer = await openWriter();
      if (!(await report.isThere())) await report.publish(writer);
      return;
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      // Another counter has fenced us in Kafka, and gave way since our epoch is the last one. Now
      // it is our turn.
      if (error.canRetry && tries++ < REPORT_TRIES_MAX) continue;
      if (error.code !== 'FENCED') throw error;
      // Aborted records end the wait, too. A counter that retried at once would fence the other
      // again and again.
      const patience = AbortSignal.any([signal, AbortSignal.timeout(REPORT_MS_MAX)]);
      const startsAt = report.startsAt ?? (await log.end('results-by-location', 0));
      while (!patience.aborted && !(await report.isThere()))
        await log.wait('results-by-location', 0, startsAt, patience);
    }
}

/** The error of a counter that finds a later generation in the results. */
export const superseded = (entry: ElectionEntry): OperationalError =>
  new OperationalError('FENCED', {
    message: `a recount of ${entry.id} has begun, and this counter is of the results before it`,
    nextStep: 'Nothing: the process that began the recount counts on. To join it, start `tallyroom count` again.',
  });

/** Whether this generation has published anything. */
async function isBegun(log: Log, { generation }: ElectionEntry): Promise<boolean> {
  // The end of the topic does not show that it is empty, since an aborted transaction moves the
  // end, too.
  if (generation === FIRST_GENERATION) return (await log.read('results-by-location', 0, 0)).length > 0;
  for await (const { value } of recordsFrom(log, 'results-by-location', 0, 0))
    if (Number(parseObject(value)?.epoch) >= generation) return true;
  return false;
}

/**
 * The zero report. In a later generation it replaces every record of the one before, takes out the
 * keys that it does not write, and says which votes the recount must reach.
 */
async function firstRecords(beginning: Beginning): Promise<OutgoingRecord[]> {
  const { log, description, definition_hash, entry, clock } = beginning;
  const { generation: epoch, partitions } = entry;
  const as_of = clock().toISOString();
  const report = zeroReport(description, { definition: definition_hash, partitions, epoch, as_of });
  if (epoch === FIRST_GENERATION) return report;
  const until = await Promise.all(Array.from({ length: partitions }, (_, partition) => seqEnd(log, partition)));
  const value = JSON.stringify({ until, epoch, as_of });
  const records: OutgoingRecord[] = [{ topic: 'results-by-location', key: RECOUNT_KEY, value }, ...report];
  const written = new Set(records.map(({ topic, key }) => `${topic} ${key}`));
  for (const topic of RESULT_TOPICS) {
    const published = await latestRecords(log, topic);
    for (const key of published.keys())
      if (!written.has(`${topic} ${key}`)) records.push({ topic, key, value: REMOVED });
    if (topic !== 'results-by-location') continue;
    for (const [partition, end] of until.entries()) {
      const counted = Number(parseObject(published.get(progressKey(partition))?.value ?? '')?.seq_end);
      if (counted > end) beginning.say(describeLostVotes(partition, counted, end));
    }
  }
  beginning.say(`Counting again from the first vote: generation ${epoch} of the results.`);
  return records;
}
