import { resolve } from 'node:path';
import type pg from 'pg';
import { openForeignTopic } from '../adapters/kafka/foreign.ts';
import type { KafkaSettings } from '../adapters/kafka/settings.ts';
import { countBrokers } from '../adapters/kafka/topics.ts';
import { createLocalCounter } from '../adapters/local/counter.ts';
import { openBallotBox } from '../adapters/postgres/ballot-box.ts';
import { assertDurable, type Database, openDatabase } from '../adapters/postgres/database.ts';
import { assertUniqueVoters, openElections } from '../adapters/postgres/elections.ts';
import { openPostgresLog } from '../adapters/postgres/log.ts';
import { migrate } from '../adapters/postgres/migrate.ts';
import { openRecount } from '../adapters/postgres/recount.ts';
import { openReturns } from '../adapters/postgres/returns.ts';
import { openRoll } from '../adapters/postgres/roll.ts';
import { openPostgresWriter } from '../adapters/postgres/writer.ts';
import { createSparkCounter } from '../adapters/spark/counter.ts';
import { reachSpark } from '../adapters/spark/query.ts';
import type { SparkRemote } from '../adapters/spark/remote.ts';
import { type BundledServer, openBundledServer } from '../bundled-postgres/server.ts';
import { needsKafka } from '../cli/config.ts';
import { assert } from '../domain/assert.ts';
import type { Backend } from '../ports/backend.ts';
import type { Counter } from '../ports/counter.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import type { Log } from '../ports/log.ts';
import { KafkaFeed } from './kafka.ts';
import { kafkaProperties } from './kafka-properties.ts';

export interface BackendOptions {
  readonly dataDir: string;
  readonly databaseUrl: string | null;
  /** The settings of Kafka. Null means that table `log` of the database is the log. */
  readonly kafka: KafkaSettings | null;
  readonly sparkRemote: SparkRemote | null;
  onProgress(line: string): void;
  /** Ends what waits for a server that does not answer. */
  readonly signal?: AbortSignal;
}

/**
 * Makes the ports from the configuration. PostgreSQL is the bundled one or the one that
 * DATABASE_URL names. The log is in it or in Kafka. The counter is in this process or in Spark.
 */
export async function openBackend(options: BackendOptions): Promise<Backend> {
  const source = options.databaseUrl === null ? bundled(options) : external(options.databaseUrl);
  const waiting = { say: options.onProgress, signal: options.signal };
  const database = openDatabase(source.configure, waiting);
  try {
    await migrate(database, waiting);
  } catch (error) {
    // The user sees this failure, and not a later one of the close.
    await source.close().catch((failure: Error) => options.onProgress(failure.message));
    throw error;
  }
  return options.kafka === null
    ? embeddedBackend(database, source)
    : kafkaBackend(database, source, options.kafka, options);
}

interface ConnectionSource {
  configure(): Promise<pg.ClientConfig>;
  describe(): Promise<string[]>;
  close(): Promise<void>;
}

function external(url: string): ConnectionSource {
  return {
    configure: async () => ({ connectionString: url }),
    describe: async () => [`PostgreSQL of DATABASE_URL: ${withoutPassword(url)}`],
    close: async () => {},
  };
}

function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    return parsed.href;
  } catch {
    return 'not a URL';
  }
}

/**
 * Opens the bundled server with the first connection, and again after it has ended while we used
 * it.
 */
function bundled({ dataDir, onProgress, signal }: BackendOptions): ConnectionSource {
  let server: Promise<BundledServer> | null = null;
  // It may be recovering when this process ends, with nobody else to stop it.
  let lost: Promise<BundledServer> | null = null;
  const open = (): Promise<BundledServer> => {
    server ??= openBundledServer({
      dataDir,
      onProgress,
      signal,
      onLost: () => {
        lost = server;
        server = null;
      },
    }).catch((error: unknown) => {
      server = null;
      throw error;
    });
    return server;
  };
  return {
    configure: async () => (await open()).connection,
    async describe() {
      const { home, connection } = await open();
      return [
        `data directory: ${resolve(dataDir)}`,
        `bundled PostgreSQL, in ${home}`,
        `look inside with: psql -h ${connection.host} -p ${connection.port} -U ${connection.user} ${connection.database}`,
      ];
    },
    async close() {
      const opened = server ?? lost;
      server = null;
      lost = null;
      await (await opened)?.close();
    },
  };
}

function embeddedBackend(database: Database, source: ConnectionSource): Backend {
  return {
    ...storeOf(database),
    openLog: (entry) => openPostgresLog(database, entry.election_no),
    async openForeignTopic(name) {
      throw needsKafka(`topic:${name}`);
    },
    settle: async () => {},
    lag: async () => 0,
    createCounter(engine, log, entry) {
      assert(engine === 'local', 'Spark reads the votes from Kafka');
      return createLocalCounter({
        log,
        openWriter: () => openPostgresWriter(database, log, entry.election_no, 'count'),
        clock: () => new Date(),
      });
    },
    assertSafe: (entry) => assertStore(database, entry),
    describe: source.describe,
    async close() {
      await database.close();
      await source.close();
    },
  };
}

/**
 * Stages commit as in the embedded profile. A relay in this process publishes their commits to
 * Kafka, and readers read them there.
 */
function kafkaBackend(
  database: Database,
  source: ConnectionSource,
  settings: KafkaSettings,
  options: BackendOptions,
): Backend {
  const store = storeOf(database);
  const feed = new KafkaFeed(settings, database, options.onProgress);
  return {
    ...store,
    ballotBox: {
      ...store.ballotBox,
      async claim(entry, ...rest) {
        await feed.feed(entry);
        return store.ballotBox.claim(entry, ...rest);
      },
      async share(entry, source) {
        await feed.feed(entry);
        return store.ballotBox.share(entry, source);
      },
    },
    returns: {
      ...store.returns,
      async take(entry, upload) {
        await feed.feed(entry);
        return store.returns.take(entry, upload);
      },
    },
    async openRoll(entry, signal) {
      await feed.feed(entry);
      await feed.assertSafe(entry);
      return store.openRoll(entry, signal);
    },
    openLog: (entry) => feed.openLog(entry),
    openForeignTopic: (name) => openForeignTopic(settings, name),
    settle: (entry, signal) => feed.settle(entry, signal),
    lag: (entry) => feed.lag(entry),
    createCounter: (engine, log, entry) =>
      engine === 'local'
        ? createLocalCounter({ log, openWriter: () => feed.openWriter(entry), clock: () => new Date() })
        : sparkCounter(feed, settings, options, log, entry),
    async assertSafe(entry) {
      await assertStore(database, entry);
      await feed.assertSafe(entry);
    },
    describe: async () => [...(await source.describe()), ...(await describeCluster(settings, options.sparkRemote))],
    async close() {
      try {
        await feed.close();
      } finally {
        await database.close();
        await source.close();
      }
    },
  };
}

function sparkCounter(
  feed: KafkaFeed,
  settings: KafkaSettings,
  { sparkRemote, onProgress }: BackendOptions,
  log: Log,
  entry: ElectionEntry,
): Counter {
  assert(sparkRemote !== null, 'the configuration says where Spark is');
  return createSparkCounter({
    remote: sparkRemote,
    kafka: { brokers: settings.brokers.join(','), properties: kafkaProperties(settings) },
    log,
    openWriter: () => feed.openWriter(entry),
    prepareTopics: () => feed.votesTopicId(entry),
    clock: () => new Date(),
    say: onProgress,
  });
}

/** @throws OperationalError where one of the servers does not answer. */
async function describeCluster(settings: KafkaSettings, sparkRemote: SparkRemote | null): Promise<string[]> {
  const brokers = await countBrokers(settings);
  const kafka = `Kafka of KAFKA_BROKERS answers: ${settings.brokers.join(',')}, brokers: ${brokers}`;
  if (sparkRemote === null) return [kafka];
  await reachSpark(sparkRemote);
  return [kafka, `Spark of SPARK_REMOTE answers: ${sparkRemote.host}:${sparkRemote.port}`];
}

function storeOf(database: Database): Pick<Backend, 'elections' | 'ballotBox' | 'recount' | 'returns' | 'openRoll'> {
  return {
    elections: openElections(database),
    ballotBox: openBallotBox(database, () => new Date()),
    recount: openRecount(database),
    returns: openReturns(database),
    openRoll: (entry, signal) => openRoll(database, entry, signal),
  };
}

async function assertStore(database: Database, entry: ElectionEntry): Promise<void> {
  await assertDurable(database);
  await assertUniqueVoters(database, entry.election_no);
}
