import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Producer } from '@platformatic/kafka';
import { clientOptions, topicName } from '../src/adapters/kafka/client.ts';
import { openKafkaLog } from '../src/adapters/kafka/log.ts';
import { openPartitionReader } from '../src/adapters/kafka/reader.ts';
import type { KafkaSettings } from '../src/adapters/kafka/settings.ts';
import { ensureTopics, topicId, withAdmin } from '../src/adapters/kafka/topics.ts';
import { openKafkaWriter } from '../src/adapters/kafka/writer.ts';
import { createSparkCounter } from '../src/adapters/spark/counter.ts';
import type { SparkRemote } from '../src/adapters/spark/remote.ts';
import { sha256 } from '../src/base/sha256.ts';
import { createVoteColumns, type VoteColumns } from '../src/domain/ballots/vote-columns.ts';
import { canonicalDefinition } from '../src/domain/election/election.ts';
import { indexElection } from '../src/domain/election/election-index.ts';
import { originOf } from '../src/domain/election/origin.ts';
import { type BoxWriter, chainStart, createBoxWriter } from '../src/domain/log/box.ts';
import type { ElectionEntry } from '../src/ports/elections.ts';
import { kafkaProperties } from '../src/wire/kafka-properties.ts';
import { clusterServers } from './servers.ts';
import { benchmarkElection, conditions, median, print } from './support.ts';

/** The aim for Spark alone on two cores. */
const VOTES_PER_SECOND_TARGET = 300_000;
const PARTITIONS = 2;
const LOCATIONS = 87;
const CANDIDATES = 9;
const BATCH = 20_000;
/** Boxes of a few votes, one after the other. They measure the latency of a micro-batch. */
const TRICKLE_BOXES = 300;
const TRICKLE_VOTES = 10;
const TRICKLE_PAUSE_MS_MAX = 100;

/**
 * Votes a second that Spark counts by itself, from boxes that are in Kafka already. One figure is
 * from the call that starts the query to the last result record. Another is from the first state
 * published to the last. Beside them stands the bare reading of the same topic. The last figure is
 * the time of a single box from its sending to its result record.
 * Options: --votes N, --repeat N.
 */
export async function bench(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: { votes: { type: 'string', default: '3000000' }, repeat: { type: 'string', default: '3' } },
  });
  const { kafka, sparkRemote, close } = await clusterServers(['kafka', 'postgres', 'spark']);
  if (sparkRemote === null) throw new Error('name SPARK_REMOTE, too, or neither it nor KAFKA_BROKERS');
  const votes = Number(values.votes);
  const runs: Figures[] = [];
  try {
    for (let run = 0; run < Number(values.repeat); run++) {
      const figures = await measure(kafka, sparkRemote, votes, run);
      print({ name: 'spark-alone-once', votes, ...figures, ...conditions() });
      runs.push(figures);
    }
  } finally {
    await close();
  }
  const middle = (name: keyof Figures): number => median(runs.map((figures) => figures[name]));
  const votesPerSecond = middle('votes_per_s');
  print({
    name: 'spark-alone',
    votes,
    votes_per_s: votesPerSecond,
    limit: VOTES_PER_SECOND_TARGET,
    ratio: Number((votesPerSecond / VOTES_PER_SECOND_TARGET).toFixed(2)),
    first_votes_per_s: runs[0]!.votes_per_s,
    steady_votes_per_s: middle('steady_votes_per_s'),
    kafka_consume_votes_per_s: middle('kafka_consume_votes_per_s'),
    latency_p50_ms: middle('latency_p50_ms'),
    latency_p99_ms: middle('latency_p99_ms'),
    ...conditions(),
  });
}

interface Figures {
  readonly votes_per_s: number;
  readonly steady_votes_per_s: number;
  readonly kafka_consume_votes_per_s: number;
  readonly latency_p50_ms: number;
  readonly latency_p99_ms: number;
}

async function measure(kafka: KafkaSettings, remote: SparkRemote, votes: number, run: number): Promise<Figures> {
  const entry = makeEntry(`bench-spark-${process.pid}-${run}`);
  await ensureTopics(kafka, entry.id, PARTITIONS);
  const caster = openCaster(kafka, entry);
  const log = openKafkaLog({ settings: kafka, election: entry.id, committedEnd: null, assertFed: () => {} });
  try {
    for (let cast = 0; cast < votes; cast += BATCH) await caster.cast((cast / BATCH) % PARTITIONS, BATCH);
    const consumed = await measureConsume(kafka, entry, votes);
    const watch = createWatch();
    const stop = new AbortController();
    const counter = createSparkCounter({
      remote,
      kafka: { brokers: kafka.brokers.join(), properties: kafkaProperties(kafka) },
      log,
      openWriter: () =>
        openKafkaWriter({
          settings: kafka,
          election: entry.id,
          name: 'count',
          raiseEpoch: async () => 1,
          currentEpoch: async () => 1,
        }),
      prepareTopics: () => topicId(kafka, topicName(entry.id, 'votes')),
      clock: () => new Date(),
      say: (line) => process.stderr.write(`${line}\n`),
    });
    const begun = performance.now();
    const counting = counter.run(entry, { published: watch.published, say() {} }, stop.signal);
    await Promise.race([watch.until(votes), counting]);
    const wall = performance.now() - begun;
    const steady = watch.rate();
    const latencies = await Promise.race([measureLatency(caster, watch, votes), counting]);
    stop.abort();
    await counting;
    if (latencies === undefined) throw new Error('the counter ended before the work was done');
    return {
      votes_per_s: Math.round((votes * 1000) / wall),
      steady_votes_per_s: steady,
      kafka_consume_votes_per_s: consumed,
      latency_p50_ms: Math.round(latencies[Math.floor(latencies.length * 0.5)]!),
      latency_p99_ms: Math.round(latencies[Math.floor(latencies.length * 0.99)]!),
    };
  } finally {
    await caster.close();
    await log.close();
    await withAdmin(kafka, async (admin) => {
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${entry.id}.`));
      await admin.deleteTopics({ topics });
    });
  }
}

/** Remembers the moment of each state and its votes. */
interface Watch {
  published(covers: readonly number[]): void;
  until(votes: number): Promise<void>;
  /** Votes a second between the first and the last state published. */
  rate(): number;
}

function createWatch(): Watch {
  const states: { votes: number; at: number }[] = [];
  let waiting: { votes: number; resolve: () => void } | null = null;
  return {
    published(covers) {
      const votes = covers.reduce((sum, seq) => sum + seq, 0);
      if (votes > 0) states.push({ votes, at: performance.now() });
      if (waiting !== null && votes >= waiting.votes) waiting.resolve();
    },
    until(votes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting = { votes, resolve };
      return promise;
    },
    rate() {
      const [first, last] = [states[0]!, states.at(-1)!];
      return first.at === last.at ? 0 : Math.round(((last.votes - first.votes) * 1000) / (last.at - first.at));
    },
  };
}

/**
 * @returns the milliseconds from sending a box to reading the results that include it, ascending.
 */
async function measureLatency(caster: Caster, watch: Watch, votes: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let box = 0; box < TRICKLE_BOXES; box++) {
    await sleep(Math.random() * TRICKLE_PAUSE_MS_MAX);
    const counted = watch.until(votes + (box + 1) * TRICKLE_VOTES);
    const begun = performance.now();
    await caster.cast(box % PARTITIONS, TRICKLE_VOTES);
    await counted;
    latencies.push(performance.now() - begun);
  }
  return latencies.toSorted((a, b) => a - b);
}

/** The same topic, read and converted to text by this process alone. */
async function measureConsume(kafka: KafkaSettings, { id }: ElectionEntry, votes: number): Promise<number> {
  const begun = performance.now();
  let characters = 0;
  for (let partition = 0; partition < PARTITIONS; partition++) {
    await using reader = openPartitionReader(kafka, topicName(id, 'votes'), partition);
    for (let at = 0; ; ) {
      const { records, next, end } = await reader.fetch(at, 0);
      for (const { value } of records) characters += value!.toString('utf8').length;
      at = next;
      if (at >= end) break;
    }
  }
  if (characters < votes) throw new Error('the topic does not hold what was cast');
  return Math.round((votes * 1000) / (performance.now() - begun));
}

interface Caster {
  cast(partition: number, votes: number): Promise<void>;
  close(): Promise<void>;
}

/** Casts into Kafka as the relay does: boxes of 500, numbered by their keys, compressed. */
function openCaster(kafka: KafkaSettings, { id, definition, definition_hash }: ElectionEntry): Caster {
  const writer: BoxWriter = createBoxWriter(indexElection(definition!), definition_hash!, sha256);
  const producer = new Producer({ ...clientOptions(kafka), compression: 'zstd' });
  const columns = createVoteColumns(BATCH, BATCH);
  const ends = Array.from({ length: PARTITIONS }, (_, partition) => ({
    seq: 0,
    boxes: 0,
    head: chainStart(sha256, id, definition_hash!, partition),
  }));
  return {
    async cast(partition, votes) {
      const end = ends[partition]!;
      const { text, hash: head } = writer.write(draw(columns, votes), end.seq, end.head);
      const values = text.split('\n').flatMap((line) => (line === '' ? [] : [line.slice(1)]));
      const messages = values.map((value, i) => ({
        topic: topicName(id, 'votes'),
        partition,
        key: Buffer.from(String(end.boxes + i)),
        value: Buffer.from(value),
      }));
      Object.assign(end, { seq: end.seq + votes, boxes: end.boxes + values.length, head });
      await producer.send({ messages, acks: -1 });
    },
    close: () => producer.close(),
  };
}

/** Locations of very unequal size; two of the candidates get nearly all votes. */
function draw(columns: VoteColumns, votes: number): VoteColumns {
  columns.count = votes;
  for (let i = 0; i < votes; i++) {
    const chance = Math.random();
    columns.locations[i] = Math.floor(Math.random() ** 3 * LOCATIONS);
    columns.starts[i] = i;
    columns.selections[i] = chance < 0.95 ? (chance < 0.48 ? 0 : 1) : 2 + Math.floor(Math.random() * (CANDIDATES - 2));
  }
  columns.starts[votes] = votes;
  return columns;
}

function makeEntry(name: string): ElectionEntry {
  const id = name as ElectionEntry['id'];
  const names = Array.from({ length: CANDIDATES }, (_, i) => `Candidate ${i + 1} and Running Mate ${i + 1}`);
  const definition = benchmarkElection(id, names, new Array(LOCATIONS).fill(null));
  return {
    election_no: 1,
    id,
    name,
    arguments: originOf({ kind: 'generated' }),
    seed: '1',
    partitions: PARTITIONS,
    definition,
    definition_hash: sha256(canonicalDefinition(definition)),
    format: 2,
    revision: 0,
    generation: 1,
    voters_total: null,
  };
}
