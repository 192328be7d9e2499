import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../base/errors.ts';
import { sha256 } from '../../base/sha256.ts';
import { assert } from '../../domain/assert.ts';
import { indexElection } from '../../domain/election/election-index.ts';
import { MicroBatchResults } from '../../domain/results/micro-batch-results.ts';
import { UNKNOWN_PLACE } from '../../domain/results/published-results.ts';
import type { Counter, CountProgress, Gauge } from '../../ports/counter.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import { type ClosableWriter, endOf, type Log, recordsOf } from '../../ports/log.ts';
import { openSparkClient } from './client.ts';
import { beginGeneration, superseded } from './generation.ts';
import { type PlanOptions, planOf } from './plan.ts';
import { openQueryHome, type QueryHome, type RunningQuery } from './query.ts';
import type { SparkRemote } from './remote.ts';
import { followRevisions, takeRevision } from './revision.ts';
import { countStatement, type Description } from './statement.ts';

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
const USER = 'tallyroom';

export interface SparkCounterOptions extends PlanOptions {
  readonly remote: SparkRemote;
  readonly log: Log;
  /** Opens the writer of the result topics, for the zero report and for new names. */
  openWriter(): Promise<ClosableWriter>;
  /**
   * Makes the missing topics of the election, since Spark refuses to read a missing topic.
   * @returns the id that Kafka gave topic `votes`. A topic that was made again has another id.
   */
  prepareTopics(): Promise<string>;
  readonly clock: () => Date;
  say(line: string): void;
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
      const homeOf = (generation: number): QueryHome => {
        const counted = { election: definition, votes_topic_id: votesTopicId, generation };
        return openQueryHome(client, planOf(options, counted), options.remote.user_id ?? USER);
      };
      const run: Run = {
        ...options,
        entry,
        definition_hash,
        description: { election: definition, revision: entry.revision },
        followed: 0,
        home: homeOf(entry.generation),
        async stopEarlier() {
          for (let earlier = 1; earlier < entry.generation; earlier++) await (await homeOf(earlier).find())?.stop();
        },
        results: new MicroBatchResults({
          index: indexElection(definition),
          definition: definition_hash,
          partitions,
          sha256,
        }),
        offset: 0,
        reading: Promise.resolve(),
        catchUp: async () => {
          while (await readResults(run));
        },
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
  readonly definition_hash: string;
  /** The description in force, as far as it is known here. */
  description: Description;
  /** The revision that all records were found to follow. */
  followed: number;
  readonly home: QueryHome;
  /** Stops the queries of the earlier generations. */
  stopEarlier(): Promise<void>;
  readonly results: MicroBatchResults;
  /** The offset up to which `results` include topic `results-by-location`. */
  offset: number;
  /** The last read of the results, which ends before the next begins. */
  reading: Promise<unknown>;
  /** Reads the results up to their end. */
  catchUp(): Promise<void>;
  /** The warnings so far. */
  readonly said: Set<string>;
  readonly progress: CountProgress;
  readonly sparkProgress: SparkProgress;
}

async function countUntil(run: Run, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const parts = [watchQuery(run, running), followResults(run, running), followRevisions(run, running)];
  try {
    await Promise.all(parts);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(parts);
    if (error instanceof OperationalError && (error.code === 'LOG_DAMAGED' || error.code === 'FENCED'))
      await stopQuery(run);
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
      await beginGeneration(run, signal);
      await takeRevision(run, signal);
      if (signal.aborted) return;
      query = await home.start(statementOf(run), 'steady');
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
      await takeRevision(run, signal);
      if (!signal.aborted) await assertWhole(run, query);
    }
    if (signal.aborted) return;
    await query?.assertSound();
    await pause(POLL_MS, signal);
  }
}

/**
 * An idle query has written all its rows. Where they are not a whole state, none will come by
 * itself, so waiting for one would never end.
 * @throws OperationalError LOG_DAMAGED where the results were damaged.
 */
async function assertWhole({ results, log, entry, offset }: Run, query: RunningQuery): Promise<void> {
  if (results.missing === null || !(await query.isIdle())) return;
  // The query was idle before this look, so a row that it wrote is seen here.
  if ((await log.read('results-by-location', 0, offset)).length > 0) return;
  if (results.missing !== null) throw untrusted({ entry }, results.missing);
}

const statementOf = ({ description, definition_hash, entry }: Run): string =>
  countStatement(description, definition_hash, entry.generation);

const describeProgress = ({ batch_id, batch_ms }: SparkProgress, votesPerSecond: number): string =>
  `Spark counts ${votesPerSecond} votes/s; micro-batch ${batch_id} took ${batch_ms} ms.`;

const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal }).catch(() => {});

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

/**
 * Reads on. Two reads at once would take the same records twice.
 * @returns whether there was anything to read.
 */
function readResults(run: Run): Promise<boolean> {
  const read = run.reading.then(() => readNext(run));
  run.reading = read.catch(() => {});
  return read;
}

async function readNext(run: Run): Promise<boolean> {
  const { log, results } = run;
  const batches = await log.read('results-by-location', 0, run.offset);
  for (const batch of batches) {
    for (const { key, damage } of results.take([...recordsOf(batch, run.offset)]))
      if (damage === UNKNOWN_PLACE) throw untrusted(run, `the result record ${key} ${damage}.`);
      else if (damage !== null) warn(run, `The result record ${key} ${damage}.`);
    run.offset = endOf(batch);
    if (results.epoch > run.entry.generation) throw superseded(run.entry);
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

const untrusted = ({ entry }: Pick<Run, 'entry'>, reason: string): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `the results of ${entry.id} cannot be trusted: ${reason}`,
    nextStep:
      'Counting has stopped. Run `tallyroom verify`. Where only the results are damaged, `tallyroom count --recount` replaces them; where the log is, restore it from a backup or begin anew with --fresh.',
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
    await run.catchUp();
    // Where nothing was published, no batch was cut off.
    if (run.offset === 0) return;
    if (run.results.judge().held !== null) await completeBatch(run);
    await takeRevision(run, null);
  } catch (error) {
    if (!(error instanceof OperationalError && error.canRetry)) throw error;
    run.say(`${error.message}. The query may not have stopped; the next count goes on with it.`);
  }
}

async function completeBatch(run: Run): Promise<void> {
  const last = await run.home.start(statementOf(run), 'last');
  while (await last?.isActive()) await sleep(END_POLL_MS);
  await last?.assertSound();
  await run.catchUp();
}

async function stopQuery({ home }: Run): Promise<void> {
  await (await home.find())?.stop();
}
