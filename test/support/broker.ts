import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Admin } from '@platformatic/kafka';
import { ensureJars, findJava } from '../../src/stack/java.ts';
import { LOG_SETTINGS } from '../../src/stack/server.ts';
import { freePort } from './ports.ts';
import { JARS } from './stack.ts';
import { temporaryDirectory } from './tallyroom.ts';

/** A broker of one test, with settings of the test's own. */
export interface Broker {
  /** A directory beside its data, for certificates and other files. */
  readonly directory: string;
  /** The port of the broker's own listener, without a proxy and without a password. */
  readonly port: number;
  /** Starts it again, and waits until it answers. */
  start(): Promise<void>;
  /** Kills it, as when the machine ends the process. */
  kill(): Promise<void>;
  /** Stops its process (SIGSTOP): it keeps its connections and answers nothing. */
  pause(): void;
  resume(): void;
}

export interface BrokerOptions {
  /**
   * Listeners besides its own, by the name of a protocol: the port, and the port that clients are
   * told to use, such as that of a proxy.
   */
  readonly listeners?: Readonly<Record<string, { readonly port: number; readonly advertised: number }>>;
  /** Lines for server.properties. */
  readonly properties?: readonly string[];
  /** Users, in the form of `--add-scram` of the storage tool. */
  readonly scram?: readonly string[];
  readonly directory?: { readonly path: string; remove(): void };
}

interface Owner {
  after(work: () => Promise<void>): void;
}

const MEMORY = ['-Xms128m', '-Xmx512m'];
const CLUSTER_ID = 'abcdefghijklmnopqrstug';
const POLL_MS = 100;

/** Starts a broker that is its own controller. It is gone when the test has ended. */
export async function startBroker(owner: Owner, options: BrokerOptions = {}): Promise<Broker> {
  const { path, remove } = options.directory ?? temporaryDirectory();
  const [port, controllerPort] = [await freePort(), await freePort()];
  const [java, jars] = [await findJava(), await ensureJars(JARS, 'kafka', () => {})];
  const settings = join(path, 'server.properties');
  const logging = join(path, 'log4j2.properties');
  writeFileSync(settings, propertiesOf(options, { port, controllerPort, data: join(path, 'data') }));
  writeFileSync(logging, LOG_SETTINGS);
  const classes = ['-cp', join(jars, '*')];
  const users = (options.scram ?? []).flatMap((user) => ['--add-scram', user]);
  const format = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', settings, ...users];
  await promisify(execFile)(java, [...MEMORY, ...classes, ...format]);

  const log = join(path, 'broker.log');
  let child: ChildProcess | null = null;
  const start = async (): Promise<void> => {
    const output = openSync(log, 'a');
    const level = [`-Dlog4j2.configurationFile=${logging}`, '-Dtallyroom.level=warn'];
    child = spawn(java, [...MEMORY, ...level, ...classes, 'kafka.Kafka', settings], {
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    while (!(await answers(port))) {
      if (child.exitCode !== null) throw new Error(`the broker has ended:\n${readFileSync(log, 'utf8')}`);
      await delay(POLL_MS);
    }
  };
  const kill = async (): Promise<void> => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  owner.after(async () => {
    await kill();
    remove();
  });
  await start();
  return {
    directory: path,
    port,
    start,
    kill,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  };
}

function propertiesOf(
  { listeners = {}, properties = [] }: BrokerOptions,
  { port, controllerPort, data }: { port: number; controllerPort: number; data: string },
): string {
  const own = `INTERNAL://127.0.0.1:${port}`;
  const others = Object.entries(listeners);
  const at = (name: string, each: number): string => `${name}://127.0.0.1:${each}`;
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=${[own, at('CONTROLLER', controllerPort), ...others.map(([name, each]) => at(name, each.port))].join()}
advertised.listeners=${[own, ...others.map(([name, each]) => at(name, each.advertised))].join()}
listener.security.protocol.map=INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=INTERNAL
controller.listener.names=CONTROLLER
log.dirs=${data}
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
${properties.join('\n')}
`;
}

/** Whether the broker tells a client its address. */
async function answers(port: number): Promise<boolean> {
  const admin = new Admin({
    clientId: 'tallyroom-test',
    bootstrapBrokers: [`127.0.0.1:${port}`],
    retries: 0,
    connectTimeout: 2_000,
    requestTimeout: 2_000,
  });
  try {
    return (await admin.metadata({ topics: [] })).brokers.size > 0;
  } catch {
    return false;
  } finally {
    await admin.close();
  }
}
