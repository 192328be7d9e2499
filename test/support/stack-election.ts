import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import pg from 'pg';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { withAdmin } from '../../src/adapters/kafka/topics.ts';
import { serversOf } from '../../src/cli/config.ts';
import { TOPICS } from '../../src/ports/log.ts';
import type { Ended, Started } from './tallyroom.ts';
import { openWorkspace } from './workspace.ts';

/** An election of one test on the real servers. Its topics are removed with the test. */
export interface StackElection {
  readonly id: string;
  readonly kafka: KafkaSettings;
  readonly databaseUrl: string;
  file(name: string, content: string): string;
  /** Starts a command on the election. */
  start(args: readonly string[], environment?: NodeJS.ProcessEnv): Started;
  run(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended>;
  /** A connection to the database that ends with the test. */
  connect(): Promise<pg.Client>;
}

/**
 * @param servers names that replace those of the environment, for a test with a server of its own
 * @throws if KAFKA_BROKERS and DATABASE_URL do not name servers
 */
export function openStackElection(context: TestContext, servers: NodeJS.ProcessEnv = {}): StackElection {
  const { kafka, databaseUrl } = serversOf({ ...process.env, ...servers });
  if (kafka === null || databaseUrl === null) throw new Error('KAFKA_BROKERS and DATABASE_URL name the servers');
  const id = `test-${randomBytes(6).toString('hex')}`;
  const workspace = openWorkspace(context);
  context.after(() => removeTopics(kafka, id));
  const start: StackElection['start'] = (args, environment) =>
    workspace.start([...args, '--id', id], {
      DATABASE_URL: databaseUrl,
      KAFKA_BROKERS: process.env.KAFKA_BROKERS,
      SPARK_REMOTE: process.env.SPARK_REMOTE,
      ...servers,
      ...environment,
    });
  return {
    id,
    kafka,
    databaseUrl,
    file: workspace.file,
    start,
    run: (args, environment) => start(args, environment).ended,
    async connect() {
      const client = new pg.Client(databaseUrl);
      await client.connect();
      context.after(() => client.end());
      return client;
    },
  };
}

/** Removes an election's topics from Kafka. */
export function removeTopics(kafka: KafkaSettings, id: string): Promise<void> {
  const ours = new Set(TOPICS.map((topic) => `${id}.${topic}`));
  return withAdmin(kafka, async (admin) => {
    const topics = (await admin.listTopics()).filter((name) => ours.has(name));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  });
}
