import { mkdir, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withFileErrors } from '../bundled-postgres/places.ts';
import type { StackPlaces } from './places.ts';
import { javaProcess } from './processes.ts';
import { isListening, LOG_SETTINGS, type Server } from './server.ts';
import { LOOPBACK, type StackState } from './state.ts';

export interface SparkPlace {
  readonly java: string;
  readonly jars: string;
}

/** The servers of Spark: the Connect server alone, or with a cluster behind it. */
export interface SparkServers {
  readonly connect: Server;
  readonly master: Server;
  readonly workers: readonly Server[];
}

/** The Connect server runs the whole of Spark where there are no workers. */
const DRIVER_MEMORY = ['-Xms1g', '-Xmx1g'];
/**
 * A master and a worker only pass messages. Executors, which are processes of their own, do the
 * work.
 */
const DAEMON_MEMORY = ['-Xms64m', '-Xmx256m'];
const EXECUTOR_MEMORY = '1g';
const EXECUTOR_CORES = 1;
/** A server on the same machine answers at once. A server that takes longer is not ready. */
const ANSWER_MS_MAX = 2_000;

/** The packages of Java 17 that Spark needs access to. Its own launcher opens the same ones. */
const OPENED = [
  ...[
    'lang',
    'lang.invoke',
    'lang.reflect',
    'io',
    'net',
    'nio',
    'util',
    'util.concurrent',
    'util.concurrent.atomic',
  ].map((name) => `java.base/java.${name}`),
  'java.base/jdk.internal.ref',
  ...['nio.ch', 'nio.cs', 'security.action', 'util.calendar'].map((name) => `java.base/sun.${name}`),
  'java.security.jgss/sun.security.krb5',
];
const JAVA_OPTIONS = [
  '-XX:+IgnoreUnrecognizedVMOptions',
  '--add-modules=jdk.incubator.vector',
  '-Dio.netty.tryReflectionSetAccessible=true',
  ...OPENED.map((each) => `--add-opens=${each}=ALL-UNNAMED`),
];

/**
 * Options that make micro-batches shorter on a machine with few cores. The garbage collector does
 * not run beside them, and Java starts processes by one call instead of by a helper.
 */
const SHORT_BATCH_OPTIONS = ['-XX:+UseParallelGC', '-Djdk.lang.Process.launchMechanism=VFORK'];

export const workerName = (number: number): string => `spark-worker-${number}`;

/** The names of the ports in the state of a stack with this number of workers. */
export function sparkPorts(workers: number): string[] {
  if (workers === 0) return ['spark'];
  return ['spark', 'spark-master', 'spark-master-ui', ...numbersTo(workers).map(workerName)];
}

/** The most workers that the stack ever had: each has its port. */
export const knownWorkers = ({ ports }: StackState): number =>
  Math.max(0, ...Object.keys(ports).map((name) => Number(/^spark-worker-(\d+)$/.exec(name)?.[1] ?? 0)));

export const numbersTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

export function sparkServers(places: StackPlaces, state: StackState, spark: SparkPlace, workers: number): SparkServers {
  return {
    connect: connectServer(places, state, spark),
    master: masterServer(places, state, spark),
    workers: numbersTo(workers).map((number) => workerServer(places, state, spark, number)),
  };
}

interface Daemon {
  readonly name: string;
  readonly ports: readonly number[];
  readonly main_class: string;
  readonly memory: readonly string[];
  /**
   * The level is WARN for servers that log every batch. A stream of ten batches a second writes a
   * gigabyte of INFO a day.
   */
  readonly level: 'info' | 'warn';
  readonly settings: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly isReady: () => Promise<boolean>;
}

function sparkServer(places: StackPlaces, { java, jars }: SparkPlace, daemon: Daemon): Server {
  const home = join(places.directory, 'spark');
  const spark_home = join(home, 'home');
  const logging = join(home, 'log4j2.properties');
  const process = javaProcess(places, {
    name: daemon.name,
    java,
    jars,
    main_class: daemon.main_class,
    options: [
      ...daemon.memory,
      ...JAVA_OPTIONS,
      `-Dlog4j2.configurationFile=${logging}`,
      `-Dtallyroom.level=${daemon.level}`,
      ...Object.entries(daemon.settings).map(([name, value]) => `-D${name}=${value}`),
    ],
    args: daemon.args,
    // A worker starts executors with the jars of SPARK_HOME. All ports that Spark opens listen on
    // the address.
    environment: { SPARK_HOME: spark_home, SPARK_SCALA_VERSION: '2.13', SPARK_LOCAL_IP: LOOPBACK },
    working_directory: home,
    settings: '',
  });
  return {
    ...process,
    name: daemon.name,
    part: 'spark',
    address: `${LOOPBACK}:${daemon.ports[0]}`,
    ports: daemon.ports,
    isReady: daemon.isReady,
    async start() {
      await withFileErrors(places.directory, async () => {
        await mkdir(spark_home, { recursive: true });
        await linkJars(jars, join(spark_home, 'jars'));
        await writeFile(logging, LOG_SETTINGS);
      });
      await process.start();
    },
  };
}

async function linkJars(jars: string, link: string): Promise<void> {
  if ((await readlink(link).catch(() => undefined)) === jars) return;
  await rm(link, { force: true });
  await symlink(jars, link).catch((error: NodeJS.ErrnoException) => {
    // Another worker that starts at the same time was first.
    if (error.code !== 'EEXIST') throw error;
  });
}

function connectServer(places: StackPlaces, state: StackState, spark: SparkPlace): Server {
  const port = state.ports.spark ?? 0;
  const home = join(places.directory, 'spark');
  const logging = pathToFileURL(join(home, 'log4j2.properties')).href;
  return sparkServer(places, spark, {
    name: 'spark',
    ports: [port],
    main_class: 'org.apache.spark.sql.connect.service.SparkConnectServer',
    memory: [...DRIVER_MEMORY, ...SHORT_BATCH_OPTIONS],
    level: 'warn',
    settings: {
      'spark.app.name': 'tallyroom',
      'spark.master': state.workers === 0 ? 'local[*]' : masterUrl(state),
      'spark.connect.grpc.binding.address': LOOPBACK,
      'spark.connect.grpc.binding.port': String(port),
      // A running query does not keep its session alive, and ends with the session.
      'spark.connect.session.manager.defaultSessionTimeout': '-1',
      'spark.driver.bindAddress': LOOPBACK,
      'spark.driver.host': LOOPBACK,
      'spark.executor.memory': EXECUTOR_MEMORY,
      'spark.executor.extraJavaOptions': [
        `"-Dlog4j2.configurationFile=${logging}" -Dtallyroom.level=warn`,
        ...SHORT_BATCH_OPTIONS,
      ].join(' '),
      'spark.local.dir': join(home, 'tmp'),
      'spark.sql.warehouse.dir': join(home, 'warehouse'),
      // One task a batch. More tasks cost 400 ms a batch on one machine.
      'spark.sql.shuffle.partitions': '1',
      // On a local disk the rename of the file system is enough. The default costs 40 ms a batch.
      'spark.sql.streaming.checkpointFileManagerClass':
        'org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager',
      'spark.sql.streaming.checkpointLocation': pathToFileURL(join(home, 'checkpoints')).href,
      // Hadoop starts a `chmod` for each file that it makes, three times a batch. With its own
      // checksums there would be six.
      'spark.hadoop.fs.file.impl': 'org.apache.hadoop.fs.RawLocalFileSystem',
      // The default is 8 MB for each aggregation, and a batch has some hundred keys.
      'spark.buffer.pageSize': '1m',
      // The settings and tasks of each batch are some 800 KB. They stay on this machine, so
      // compressing them is waste.
      'spark.broadcast.compress': 'false',
      'spark.shuffle.compress': 'false',
      'spark.ui.enabled': 'false',
    },
    args: [],
    isReady: () => isListening(port),
  });
}

const masterUrl = ({ ports }: StackState): string => `spark://${LOOPBACK}:${ports['spark-master']}`;

function masterServer(places: StackPlaces, state: StackState, spark: SparkPlace): Server {
  const port = state.ports['spark-master'] ?? 0;
  const ui_port = state.ports['spark-master-ui'] ?? 0;
  return sparkServer(places, spark, {
    name: 'spark-master',
    ports: [port, ui_port],
    main_class: 'org.apache.spark.deploy.master.Master',
    memory: DAEMON_MEMORY,
    level: 'info',
    settings: {},
    args: ['--host', LOOPBACK, '--port', String(port), '--webui-port', String(ui_port)],
    isReady: async () => (await isListening(port)) && (await aliveWorkers(ui_port)) !== null,
  });
}

function workerServer(places: StackPlaces, state: StackState, spark: SparkPlace, number: number): Server {
  const home = join(places.directory, 'spark');
  const name = workerName(number);
  const port = state.ports[name] ?? 0;
  const work = join(home, 'work', String(number));
  return sparkServer(places, spark, {
    name,
    ports: [port],
    main_class: 'org.apache.spark.deploy.worker.Worker',
    memory: DAEMON_MEMORY,
    level: 'info',
    settings: { 'spark.local.dir': join(home, 'tmp'), 'spark.worker.cleanup.enabled': 'true' },
    args: [
      ...['--host', LOOPBACK, '--port', String(port), '--webui-port', '0'],
      ...['--cores', String(EXECUTOR_CORES), '--memory', EXECUTOR_MEMORY, '--work-dir', work],
      masterUrl(state),
    ],
    isReady: async () => (await aliveWorkers(state.ports['spark-master-ui'] ?? 0))?.has(port) ?? false,
  });
}

/**
 * The ports of the workers that the page of the master shows as alive.
 * @returns null where the master does not answer.
 */
async function aliveWorkers(ui_port: number): Promise<ReadonlySet<number> | null> {
  try {
    const answer = await fetch(`http://${LOOPBACK}:${ui_port}/json/`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    const { workers } = (await answer.json()) as { workers: { port: number; state: string }[] };
    return new Set(workers.filter(({ state }) => state === 'ALIVE').map(({ port }) => port));
  } catch {
    return null;
  }
}
