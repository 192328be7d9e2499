/**
 * Kafka, PostgreSQL 15 and Spark on this machine, for development and tests. The servers are
 * started apart from the terminal and outlive the command. Commands find them again by the files in
 * the directory of the stack. Everything listens on loopback only. Of the three, only PostgreSQL
 * asks for a password.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import { ensureJars, findJava } from './java.ts';
import { KAFKA_PORTS, kafkaServer } from './kafka.ts';
import { withLock } from './lock.ts';
import { placesOf, preparePlaces, type StackPlaces } from './places.ts';
import { databaseUrl, ensurePassword, postgresServer } from './postgres.ts';
import { bringUp, type Server } from './server.ts';
import { knownWorkers, numbersTo, type SparkServers, sparkPorts, sparkServers, workerName } from './spark.ts';
import {
  assignPorts,
  freeInternalPorts,
  LOOPBACK,
  newState,
  PARTS,
  type Part,
  readState,
  type StackState,
  writeState,
} from './state.ts';

export interface StackOptions {
  /** The directory of the stack. It is made where it is missing, and may hold nothing else. */
  readonly directory: string;
  /**
   * The directory of the jars; null is inside that of the stack. Several stacks can share the jars.
   */
  readonly jars?: string | null;
  /** Takes a line for the user about each step that takes time. */
  readonly onProgress?: (line: string) => void;
}

export interface UpOptions {
  /** The number of Spark workers, each a process; 0 is none. Default: as before, at first 0. */
  readonly workers?: number;
  /** Default: all. */
  readonly parts?: readonly Part[];
  /** Default: as before, at first any free ports. */
  readonly ports?: Partial<Record<Part, number>>;
  readonly signal?: AbortSignal;
}

export interface ServerStatus {
  readonly name: string;
  readonly state: 'running' | 'not answering' | 'stopped';
  readonly address: string;
  readonly pid: number | null;
  readonly log: string;
}

/** The environment that points the program at the servers. */
export type StackEnvironment = Partial<Record<'DATABASE_URL' | 'KAFKA_BROKERS' | 'SPARK_REMOTE', string>>;

export interface Stack {
  readonly directory: string;
  /**
   * Starts the servers that do not run, and waits until all answer. A server that runs with other
   * settings is stopped first.
   * @returns the names of the servers that it started.
   * @throws OperationalError TOOL_MISSING, PORT_IN_USE, STACK_FAILED, and the errors of the bundled
   * PostgreSQL.
   */
  up(options?: UpOptions): Promise<readonly string[]>;
  /** Stops servers. Their data stay. @returns the names of the servers that it stopped. */
  down(parts?: readonly Part[]): Promise<readonly string[]>;
  /**
   * Stops one server and starts it again. Other servers of its part are started too, where they do
   * not run.
   */
  restart(name: string): Promise<void>;
  /**
   * The status of the servers that were started and not stopped since; of all servers where there
   * are none of these.
   */
  status(): Promise<readonly ServerStatus[]>;
  /**
   * The environment for the same servers, whether they run or not.
   * @throws OperationalError STACK_FAILED where there is no stack yet.
   */
  environment(): Promise<StackEnvironment>;
}

interface Tools {
  readonly java: string;
  readonly kafka: string;
  readonly spark: string;
}

/** These suffice to find servers, to ask them and to stop them. */
const NO_TOOLS: Tools = { java: '', kafka: '', spark: '' };

interface Context {
  readonly places: StackPlaces;
  readonly say: (line: string) => void;
}

/** Opens a stack, running or not. Nothing is read or made before a method is called. */
export function openStack(options: StackOptions): Stack {
  const context: Context = {
    places: placesOf(options.directory, options.jars ?? null),
    say: options.onProgress ?? (() => {}),
  };
  const locked = async <T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    await preparePlaces(context.places);
    return withLock(context.places, context.say, signal, work);
  };
  return {
    directory: context.places.directory,
    up: (up = {}) => locked(up.signal, () => startParts(context, up)),
    down: async (parts = PARTS) =>
      // Where there is no stack, no files are made.
      (await readState(context.places)) === null ? [] : locked(undefined, () => stopParts(context, parts)),
    restart: (name) =>
      locked(undefined, async () => {
        const server = (await serversOf(context)).find((each) => each.name === name);
        if (server === undefined) throw noServer(name);
        await server.stop();
        await startParts(context, { parts: [server.part] });
      }),
    status: async () => Promise.all((await serversOf(context)).map(statusOf)),
    environment: () => environmentOf(context),
  };
}

async function startParts({ places, say }: Context, options: UpOptions): Promise<readonly string[]> {
  const { signal, parts = PARTS } = options;
  const before = (await readState(places)) ?? newState();
  const tools = await findTools(places, parts, say, signal);
  const wanted: StackState = {
    ...before,
    workers: options.workers ?? before.workers,
    parts: PARTS.filter((part) => parts.includes(part) || before.parts.includes(part)),
  };
  const names = {
    kafka: KAFKA_PORTS,
    postgres: ['postgres'],
    spark: sparkPorts(wanted.workers),
  } satisfies Record<Part, readonly string[]>;
  const ports = await assignPorts(
    await freeInternalPorts(before.ports, await portsInUse({ places, say }, before)),
    parts.flatMap((part) => names[part]),
    options.ports ?? {},
  );
  const state = { ...wanted, ports };
  await writeState(places, state);
  const single = async (server: Server): Promise<string[]> =>
    (await bringUp(server, say, signal)) ? [server.name] : [];
  const start: Record<Part, () => Promise<string[]>> = {
    kafka: () => single(kafkaServer(places, state, { java: tools.java, jars: tools.kafka })),
    postgres: async () => single(await postgresServer(places, state, say)),
    spark: () => {
      const spark = sparkServers(places, state, { java: tools.java, jars: tools.spark }, knownWorkers(state));
      return startSpark({ places, say }, spark, state.workers, single);
    },
  };
  const outcomes = await Promise.allSettled(parts.map((part) => start[part]()));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
}

async function findTools(
  { jars }: StackPlaces,
  parts: readonly Part[],
  say: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<Tools> {
  const needs = (part: Part): boolean => parts.includes(part);
  if (!needs('kafka') && !needs('spark')) return NO_TOOLS;
  const java = await findJava(signal);
  // The two run one after the other, since both write to the store of Maven.
  const kafka = needs('kafka') ? await ensureJars(jars, 'kafka', say, signal) : '';
  const spark = needs('spark') ? await ensureJars(jars, 'spark', say, signal) : '';
  return { java, kafka, spark };
}

/** The ports of the servers that run. */
async function portsInUse(context: Context, state: StackState): Promise<ReadonlySet<number>> {
  const servers = await allServers(context, state);
  const running = await Promise.all(servers.map(async (server) => ((await server.pid()) === null ? [] : server.ports)));
  return new Set(running.flat());
}

/**
 * Workers and the Connect server belong to the master that they were started with. A new master
 * needs new ones.
 */
async function startSpark(
  { places, say }: Context,
  { connect, master, workers }: SparkServers,
  count: number,
  single: (server: Server) => Promise<string[]>,
): Promise<string[]> {
  const all = [connect, ...workers, master];
  const runs = async (servers: readonly Server[]): Promise<boolean> =>
    (await Promise.all(servers.map((server) => server.pid()))).some((pid) => pid !== null);
  const isOther = count === 0 ? await runs([...workers, master]) : !(await master.isCurrent());
  if (isOther) await halt(all, say);
  await halt(workers.slice(count), say);
  // Nothing else would remove the files that a killed server has left there.
  if (!(await runs(all))) await rm(join(places.directory, 'spark', 'tmp'), { recursive: true, force: true });
  const started = count === 0 ? [] : await single(master);
  const outcomes = await Promise.all(workers.slice(0, count).map(single));
  return [...started, ...outcomes.flat(), ...(await single(connect))];
}

/** Stops the servers that run, one after the other. @returns their names */
async function halt(servers: readonly Server[], say: (line: string) => void): Promise<string[]> {
  const stopped: string[] = [];
  for (const server of servers) {
    if ((await server.pid()) === null) continue;
    say(`Stopping ${server.name}.`);
    await server.stop();
    stopped.push(server.name);
  }
  return stopped;
}

async function stopParts(context: Context, parts: readonly Part[]): Promise<readonly string[]> {
  const state = await readState(context.places);
  if (state === null) return [];
  const servers = (await allServers(context, state)).filter(({ part }) => parts.includes(part));
  const outcomes = await Promise.allSettled(
    PARTS.map((part) =>
      halt(
        servers.filter((each) => each.part === part),
        context.say,
      ),
    ),
  );
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  await writeState(context.places, { ...state, parts: state.parts.filter((part) => !parts.includes(part)) });
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
}

/**
 * Every server that was ever started. Those of Spark are in the order of stopping: each comes
 * before the servers that it needs.
 */
async function allServers({ places, say }: Context, state: StackState): Promise<Server[]> {
  const { java, kafka, spark } = NO_TOOLS;
  const { connect, master, workers } = sparkServers(places, state, { java, jars: spark }, knownWorkers(state));
  const servers = [kafkaServer(places, state, { java, jars: kafka })];
  if (state.ports.postgres !== undefined) servers.push(await postgresServer(places, state, say));
  return [...servers, connect, ...workers, master];
}

async function serversOf(context: Context): Promise<Server[]> {
  const state = await readState(context.places);
  if (state === null) return [];
  const { parts, workers } = state;
  const names = new Set<string>([...(parts.length === 0 ? PARTS : parts)]);
  if (names.has('spark') && workers > 0)
    for (const name of ['spark-master', ...numbersTo(workers).map(workerName)]) names.add(name);
  return (await allServers(context, state)).filter(({ name }) => names.has(name));
}

async function statusOf(server: Server): Promise<ServerStatus> {
  const pid = await server.pid();
  const state = pid === null ? 'stopped' : (await server.isReady()) ? 'running' : 'not answering';
  return { name: server.name, state, address: server.address, pid, log: server.log };
}

async function environmentOf({ places }: Context): Promise<StackEnvironment> {
  const state = await readState(places);
  if (state === null)
    throw new OperationalError('STACK_FAILED', {
      message: `There is no stack in ${places.directory}.`,
      nextStep: 'Start one with `npm run stack -- up`.',
    });
  const { ports, parts } = state;
  const port = (part: Part): number | undefined =>
    parts.length === 0 || parts.includes(part) ? ports[part] : undefined;
  const [kafka, postgres, spark] = PARTS.map(port);
  return {
    ...(postgres === undefined ? {} : { DATABASE_URL: databaseUrl(postgres, await ensurePassword(places)) }),
    ...(kafka === undefined ? {} : { KAFKA_BROKERS: `${LOOPBACK}:${kafka}` }),
    ...(spark === undefined ? {} : { SPARK_REMOTE: `sc://${LOOPBACK}:${spark}` }),
  };
}

function noServer(name: string): OperationalError {
  return new OperationalError('STACK_FAILED', {
    message: `There is no server ${name} in this stack.`,
    nextStep: 'See `npm run stack -- status` for their names.',
  });
}
