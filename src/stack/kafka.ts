import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Admin } from '@platformatic/kafka';
import { OperationalError } from '../base/errors.ts';
import { withFileErrors } from '../bundled-postgres/places.ts';
import { runProgram } from '../bundled-postgres/programs.ts';
import type { StackPlaces } from './places.ts';
import { javaProcess } from './processes.ts';
import { isListening, LOG_SETTINGS, type Server } from './server.ts';
import { LOOPBACK, type StackState } from './state.ts';

/** The names of its ports in the state. */
export const KAFKA_PORTS = ['kafka', 'kafka-controller'] as const;
/** Enough for a few thousand partitions. Kafka keeps its data in the page cache of the system. */
const MEMORY = ['-Xms128m', '-Xmx512m'];
/** A server on the same machine answers at once. A server that takes longer is not ready. */
const ANSWER_MS_MAX = 2_000;

export interface KafkaPlace {
  readonly java: string;
  readonly jars: string;
}

/** A broker that is its own controller. Its topics are in folder `kafka/data`. */
export function kafkaServer(places: StackPlaces, state: StackState, { java, jars }: KafkaPlace): Server {
  const home = join(places.directory, 'kafka');
  const data = join(home, 'data');
  const [port = 0, controller_port = 0] = KAFKA_PORTS.map((name) => state.ports[name] ?? 0);
  const files = { settings: join(home, 'server.properties'), logging: join(home, 'log4j2.properties') };
  const settings = settingsOf(port, controller_port, data);
  const process = javaProcess(places, {
    name: 'kafka',
    java,
    jars,
    main_class: 'kafka.Kafka',
    options: [...MEMORY, `-Dlog4j2.configurationFile=${files.logging}`, '-Dtallyroom.level=info'],
    args: [files.settings],
    environment: {},
    working_directory: home,
    settings,
  });
  const format = async (): Promise<void> => {
    if (existsSync(join(data, 'meta.properties'))) return;
    const args = ['format', '--ignore-formatted', '-t', state.cluster_id, '-c', files.settings];
    const tool = [...MEMORY, '-cp', join(jars, '*'), 'kafka.tools.StorageTool', ...args];
    const { status, output, failure } = await runProgram(java, tool, { cwd: home });
    if (status === 0) return;
    throw new OperationalError('STACK_FAILED', {
      message: `Kafka could not make its data directory ${data}:\n${(failure?.message ?? output).trim()}`,
      nextStep: 'Correct the cause that it names, then run `stack up` again.',
    });
  };
  return {
    ...process,
    name: 'kafka',
    part: 'kafka',
    address: `${LOOPBACK}:${port}`,
    ports: [port, controller_port],
    async start() {
      await withFileErrors(places.directory, async () => {
        await mkdir(home, { recursive: true });
        await writeFile(files.settings, settings);
        await writeFile(files.logging, LOG_SETTINGS);
      });
      await format();
      await process.start();
    },
    isReady: async () => (await isListening(port)) && (await hasBroker(port)),
  };
}

/**
 * After a broker was killed, its controller takes it for alive until its session ends, and refuses
 * it until then. The default of 9 s is too long for a test of failures.
 */
const SESSION_MS = 4_000;
/** Several heartbeats fit into a session, so a late one does not end it. */
const HEARTBEAT_MS = 1_000;

/**
 * Programs make the topics that they need, with their partitions. Internal topics have one copy,
 * for one broker.
 */
function settingsOf(port: number, controller_port: number, data: string): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@${LOOPBACK}:${controller_port}
listeners=PLAINTEXT://${LOOPBACK}:${port},CONTROLLER://${LOOPBACK}:${controller_port}
advertised.listeners=PLAINTEXT://${LOOPBACK}:${port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=${data}
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=${SESSION_MS}
broker.heartbeat.interval.ms=${HEARTBEAT_MS}
`;
}

/** Whether the broker answers a client that asks for the topics. */
async function hasBroker(port: number): Promise<boolean> {
  const admin = new Admin({
    clientId: 'tallyroom-stack',
    bootstrapBrokers: [`${LOOPBACK}:${port}`],
    retries: 0,
    connectTimeout: ANSWER_MS_MAX,
    requestTimeout: ANSWER_MS_MAX,
  });
  try {
    return (await admin.metadata({ topics: [] })).brokers.size > 0;
  } catch {
    return false;
  } finally {
    await admin.close();
  }
}
