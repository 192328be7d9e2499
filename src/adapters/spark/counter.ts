import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../base/errors.ts';
import { sha256 } from '../../base/sha256.ts';
import { assert } from '../../domain/assert.ts';
import type { Election, ElectionId } from '../../domain/election/election.ts';
import { indexElection } from '../../domain/election/election-index.ts';
import { MicroBatchResults } from '../../domain/results/micro-batch-results.ts';
import { UNKNOWN_PLACE } from '../../domain/results/published-results.ts';
import type { Counter, CountProgress, Gauge } from '../../ports/counter.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import { type ClosableWriter, endOf, type Log, type OutgoingRecord, recordsOf } from '../../ports/log.ts';
import { openSparkClient } from './client.ts';
import { openQueryHome, type QueryHome, type QueryPlan } from './query.ts';
import type { SparkRemote } from './remote.ts';
import { countStatement } from './statement.ts';
import { zeroReport } from './zero-report.ts';

/**
 * The time between two questions about the state of the query. The questions also keep its session
 * alive, which the query by itself does not.
 */
const POLL_MS = 1_000;
/** The same while the counter waits for the last batch, which takes a second or two. */
const END_POLL_MS = 50;
/** The time between two lines about the query for the user. More lines would say nothing more. */
const LINE_MS = 10_000;
/** The most warnings of a run: there may be any number of foreign records. */
const WARNINGS_MAX = 100;
/**
 * The time for another counter that opens its writer at the same moment to publish the zero report.
 */
const ZERO_REPORT_MS_MAX = 5_000;
/** Two counters that start at once fence each other once; a third failure has another cause. */
const ZERO_REPORT_TRIES_MAX = 3;
/**
 * The most boxes of a micro-batch: a million votes, so that a long backlog shows results every few
 * seconds.
 */
const BOXES_PER_BATCH_MAX = 2_000;
/**
 * A state partition costs a task and some files in each micro-batch. One partition is the fastest
 * while it handles its keys in milliseconds.
 */
const CELLS_PER_SHUFFLE_PARTITION = 50_000;
/** A partition is a task in each micro-batch. Tasks beyond the number of cores only wait. */
const SHUFFLE_PARTITIONS_MAX = 16;
/** No command begins a new generation of results yet. */
const GENERATION = 1;
const USER = 'tallyroom';

export interface SparkCounterOptions {
  readonly remote: SparkRemote;
  /**
   * The brokers as Spark reaches them, and the other settings of Kafka's Java client
   * (`security.protocol`, `sasl.mechanism`...).
   */
  readonly kafka: { readonly brokers: string; readonly properties: Readonly<Record<string, string>> };
  readonly log: Log;
  /** Opens the writer of the result topics, for the zero report alone. */
  openWriter(): Promise<ClosableWriter>;
  /**
   * Makes the missing topics of the election, since Spark refuses to read a missing topic.
   * @returns the id that Kafka gave topic `votes`. A topic that was made again has another id.
   */
  prepareTopics(): Promise<string>;
  readonly clock: () => Date;
  say(line: string): void;
  /** The most boxes of a micro-batch. Default {@link BOXES_PER_BATCH_MAX}. */
  readonly boxes_per_batch_max?: number;
}

/** The last known progress of the query, for logs and metrics. */
export interface SparkProgress {
  /** The number of the last micro-batch that is done, from 0; null before it. */
  batch_id: number | null;
  batch_ms: number;
  boxes_per_s: number;
  /** Votes that the published results include. */
  votes: number;
}

export interface SparkCounter extends Counter {
  readonly sparkProgress: Readonly<SparkProgress>;
}

/**
 * Counts by a streaming query on a Spark server. The query keeps its own checkpoint and outlives
 * this process: `run` finds it again or starts it, watches it, and stops it when the signal aborts.
 * Several counters of one election share the query.
 */
export function createSparkCounter(options: SparkCounterOptions): SparkCounter {
  const sparkProgress: SparkProgress = { batch_id: null, batch_ms: 0, boxes_per_s: 0, votes: 0 };
  return {
    engine: 'spark',
    sparkProgress,
    gauges: () => gaugesOf(sparkProgress),
    async run(entry, progress, signal) {
      const { definition, definition_hash, partitions } = entry;
      assert(definition !== null && definition_hash !== null, 'the election is defined');
      const votesTopicId = await options.prepareTopics();
      using client = openSparkClient(options.remote);
      const plan = planOf(options, definition, definition_hash, votesTopicId);
      const run: Run = {
        ...options,
        entry,
        definition,
        definition_hash,
        home: openQueryHome(client, plan, options.remote.user_id ?? USER),
        results: new MicroBatchResults({
          index: indexElection(definition),
          definition: definition_hash,
          partitions,
          sha256,
        }),
        offset: 0,
        said: new Set(),
        progress,
        sparkProgress,
      };
      await countUntil(run, signal);
    },
  };
}

const gaugesOf = ({ batch_id, batch_ms, boxes_per_s, votes }: SparkProgress): Gauge[] => [
  { name: 'tallyroom_spark_batch_id', help: 'The last micro-batch that is done; -1 before it.', value: batch_id ?? -1 },
  { name: 'tallyroom_spark_batch_duration_ms', help: 'How long that micro-batch took.', value: batch_ms },
  { name: 'tallyroom_spark_boxes_per_second', help: 'Boxes of votes it read a second.', value: boxes_per_s },
  { name: 'tallyroom_spark_votes', help: 'Votes that the results which Spark published include.', value: votes },
];

/** The state that the parts of one run share. */
interface Run extends SparkCounterOptions {
  readonly entry: ElectionEntry;
  readonly definition: Election;
  readonly definition_hash: string;
  readonly home: QueryHome;
  readonly results: MicroBatchResults;
  /** The offset up to which `results` include topic `results-by-location`. */
  offset: number;
  /** The warnings so far. */
  readonly said: Set<string>;
  readonly progress: CountProgress;
  readonly sparkProgress: SparkProgress;
}

const TOPIC_ID_DIGITS = 8;

/**
 * The name of the query of an election and of its checkpoint. The offsets of a checkpoint are wrong
 * in a topic that was made again: the query would wait in silence, or skip votes. So each topic has
 * its own checkpoint.
 */
export const queryName = (election: ElectionId, votesTopicId: string): string =>
  `tallyroom-${election}-${votesTopicId.replaceAll('-', '').slice(0, TOPIC_ID_DIGITS)}-${GENERATION}`;

function planOf(
  { kafka, boxes_per_batch_max }: SparkCounterOptions,
  election: Election,
  definitionHash: string,
  votesTopicId: string,
): QueryPlan {
  const kafkaOptions = {
    'kafka.bootstrap.servers': kafka.brokers,
    ...Object.fromEntries(Object.entries(kafka.properties).map(([name, value]) => [`kafka.${name}`, value])),
  };
  const cells = election.candidates.length * election.locations.length;
  const shufflePartitions = Math.min(SHUFFLE_PARTITIONS_MAX, Math.ceil(cells / CELLS_PER_SHUFFLE_PARTITION));
  return {
    name: queryName(election.id, votesTopicId),
    configuration: {
      'spark.sql.session.timeZone': 'UTC',
      'spark.sql.shuffle.partitions': String(shufflePartitions),
      // Spark writes the plan of each batch for its own pages. This form takes some milliseconds
      // less.
      'spark.sql.ui.explainMode': 'simple',
    },
    source: {
      ...kafkaOptions,
      subscribe: `${election.id}.votes`,
      startingOffsets: 'earliest',
      failOnDataLoss: 'true',
      maxOffsetsPerTrigger: String(boxes_per_batch_max ?? BOXES_PER_BATCH_MAX),
      'kafka.isolation.level': 'read_committed',
      'kafka.fetch.max.wait.ms': '10',
    },
    statement: countStatement(election, definitionHash, GENERATION),
    sink: { ...kafkaOptions, 'kafka.compression.type': 'zstd' },
  };
}

async function countUntil(run: Run, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const parts = [watchQuery(run, running), followResults(run, running)];
  try {
    await Promise.all(parts);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(parts);
    if (error instanceof OperationalError && error.code === 'LOG_DAMAGED') await stopQuery(run);
    throw error;
  }
  await endQuery(run);
}

/**
 * Keeps the query running. It finds the query or starts it from its checkpoint, and restarts one
 * that has ended without an error.
 */
async function watchQuery(run: Run, signal: AbortSignal): Promise<void> {
  const { home, say, sparkProgress } = run;
  let line = { at: performance.now(), votes: sparkProgress.votes };
  while (!signal.aborted) {
    let query = await home.find();
    if (query === null) {
      await reportZero(run, signal);
      if (signal.aborted) return;
      query = await home.start('steady');
    }
    while (query !== null && !signal.aborted && (await query.isActive())) {
      const seen = await query.progress();
      if (seen !== null && seen.batch_id !== sparkProgress.batch_id && seen.input_rows > 0)
        Object.assign(sparkProgress, {
          batch_id: seen.batch_id,
          batch_ms: seen.batch_ms,
          boxes_per_s: seen.input_rows_per_s,
        });
      const elapsed = performance.now() - line.at;
      const votes = sparkProgress.votes - line.votes;
      if (elapsed >= LINE_MS) {
        if (votes > 0 && sparkProgress.batch_id !== null)
          say(describeProgress(sparkProgress, Math.round((votes * 1000) / elapsed)));
        line = { at: performance.now(), votes: sparkProgress.votes };
      }
      await pause(POLL_MS, signal);
    }
    if (signal.aborted) return;
    await query?.assertSound();
    await pause(POLL_MS, signal);
  }
}

const describeProgress = ({ batch_id, batch_ms }: SparkProgress, votesPerSecond: number): string =>
  `Spark counts ${votesPerSecond} votes/s; micro-batch ${batch_id} took ${batch_ms} ms.`;

const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => {});

/**
 * Publishes the zero report where nothing was published yet. Zeros are never published over counts:
 * opening the writer fences any counter that looked before us, and a counter starts the query only
 * after this step.
 */
async function reportZero(run: Run, signal: AbortSignal): Promise<void> {
  const { log } = run;
  // The end of the topic does not show that it is empty, since an aborted transaction moves the
  // end, too.
  const isEmpty = async (): Promise<boolean> => (await log.read('results-by-location', 0, 0)).length === 0;
  for (let tries = 1; !signal.aborted && (await isEmpty()); )
    try {
      await using writer = await run.openWriter();
      if (await isEmpty()) await writer.publish(zeroRecords(run));
      return;
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      // Another counter has fenced us in Kafka, and gave way since our epoch is the last one. Now
      // it is our turn.
      if (error.canRetry && tries++ < ZERO_REPORT_TRIES_MAX) continue;
      if (error.code !== 'FENCED') throw error;
      // Aborted records end the wait, too. A counter that retried at once would fence the other
      // again and again.
      const patience = AbortSignal.any([signal, AbortSignal.timeout(ZERO_REPORT_MS_MAX)]);
      while (!patience.aborted && (await isEmpty())) await log.wait('results-by-location', 0, 0, patience);
    }
}

const zeroRecords = ({ definition, definition_hash, entry, clock }: Run): OutgoingRecord[] =>
  zeroReport(definition, {
    definition: definition_hash,
    partitions: entry.partitions,
    epoch: GENERATION,
    as_of: clock().toISOString(),
  });

/**
 * Reads the results that the query publishes and reports its progress.
 * @throws OperationalError LOG_DAMAGED where the counts must not be trusted.
 */
async function followResults(run: Run, signal: AbortSignal): Promise<void> {
  for (let isCaughtUp = false; !signal.aborted; ) {
    if (await readResults(run)) {
      if (run.results.overdue !== null) warn(run, run.results.overdue);
      continue;
    }
    if (!isCaughtUp) run.results.watch();
    isCaughtUp = true;
    await run.log.wait('results-by-location', 0, run.offset, signal);
  }
}

/** @returns whether there was anything to read. */
async function readResults(run: Run): Promise<boolean> {
  const { log, results } = run;
  const batches = await log.read('results-by-location', 0, run.offset);
  for (const batch of batches) {
    for (const { key, damage } of results.take([...recordsOf(batch, run.offset)]))
      if (damage === UNKNOWN_PLACE) throw untrusted(run, `the result record ${key} ${damage}.`);
      else if (damage !== null) warn(run, `The result record ${key} ${damage}.`);
    run.offset = endOf(batch);
  }
  if (batches.length > 0 && results.isDue) publish(run);
  return batches.length > 0;
}

/**
 * Reports a whole state.
 * @throws OperationalError LOG_DAMAGED where its counts must not be trusted.
 */
function publish(run: Run): void {
  const { results, sparkProgress } = run;
  const { covers, foreign_records, held } = results.judge();
  results.changed.clear();
  if (held !== null) throw untrusted(run, held);
  if (foreign_records > 0)
    warn(run, `Topic votes has ${foreign_records} records that are not boxes of votes. They are not counted.`);
  sparkProgress.votes = covers.reduce((sum, seq) => sum + seq, 0);
  run.progress.published(covers);
}

const untrusted = ({ entry }: Run, reason: string): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `the results of ${entry.id} cannot be trusted: ${reason}`,
    nextStep:
      'Counting has stopped; run `tallyroom verify`, then restore the log from a backup or begin anew with --fresh.',
  });

function warn({ said, say }: Run, line: string): void {
  if (said.size >= WARNINGS_MAX || said.has(line)) return;
  said.add(line);
  say(line);
}

/**
 * Stops the query for good. The stop may cut off a batch that has published a part of its rows. A
 * last run then completes the batch, so that a dashboard that starts later has a state to show.
 * Where this fails, the next start does it.
 */
async function endQuery(run: Run): Promise<void> {
  try {
    await stopQuery(run);
    while (await readResults(run));
    // Where nothing was published, no batch was cut off.
    if (run.offset === 0 || run.results.judge().held === null) return;
    const last = await run.home.start('last');
    while (await last?.isActive()) await sleep(END_POLL_MS);
    await last?.assertSound();
    while (await readResults(run));
  } catch (error) {
    if (!(error instanceof OperationalError && error.canRetry)) throw error;
    run.say(`${error.message}. The query may not have stopped; the next count goes on with it.`);
  }
}

async function stopQuery({ home }: Run): Promise<void> {
  await (await home.find())?.stop();
}
