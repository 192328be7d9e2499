import { randomBytes, randomInt } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import { draftName } from '../bundled-postgres/places.ts';
import type { StackPlaces } from './places.ts';
import { becomes } from './processes.ts';

/** The parts of a stack that can be started alone. */
export const PARTS = ['kafka', 'postgres', 'spark'] as const;
export type Part = (typeof PARTS)[number];

/** The state that a stack keeps from one start to the next, so that data and addresses stay. */
export interface StackState {
  readonly version: 1;
  /** The id that Kafka gives its cluster. Its data fit no other cluster. */
  readonly cluster_id: string;
  /** Ports by name, such as `kafka` and `kafka-controller`. */
  readonly ports: Readonly<Record<string, number>>;
  /** The number of Spark workers. With 0 the Connect server runs everything in its process. */
  readonly workers: number;
  /** The parts that were started and not stopped since. */
  readonly parts: readonly Part[];
}

const STATE = 'state.json';
/**
 * These are below the ports that the system gives to outgoing connections. Otherwise a client that
 * often retries a stopped server might one day get the port of the server itself, and hold it.
 */
const PORTS = { first: 20_000, last: 30_000 } as const;
/** Of ten thousand ports nearly all are free: the second try finds one. */
const PORT_TRIES_MAX = 200;
export const LOOPBACK = '127.0.0.1';

/**
 * Reads the state. @returns null where nothing was started yet.
 * @throws OperationalError STACK_FAILED where the file is damaged.
 */
export async function readState({ directory }: StackPlaces): Promise<StackState | null> {
  const path = join(directory, STATE);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (text === undefined) return null;
  try {
    const state = JSON.parse(text) as StackState;
    if (state.version === 1) return state;
  } catch {}
  throw new OperationalError('STACK_FAILED', {
    message: `${path} is damaged, or of another version of Tallyroom.`,
    nextStep: 'Stop what runs there, remove the directory, and start a new stack.',
  });
}

export async function writeState({ directory }: StackPlaces, state: StackState): Promise<void> {
  const draft = join(directory, draftName('state-'));
  await writeFile(draft, `${JSON.stringify(state, null, 2)}\n`, { flag: 'wx' });
  await rename(draft, join(directory, STATE));
}

export function newState(): StackState {
  return { version: 1, cluster_id: randomClusterId(), ports: {}, workers: 0, parts: [] };
}

/**
 * A cluster id for Kafka: 16 bytes in base64url. It never begins with a hyphen, which the tools of
 * Kafka would read as an option.
 */
function randomClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? randomClusterId() : id;
}

/**
 * Gives a free port to each name without one. Chosen ports replace earlier ones.
 * @throws OperationalError USAGE
 */
export async function assignPorts(
  ports: StackState['ports'],
  names: readonly string[],
  chosen: Readonly<Record<string, number>>,
): Promise<StackState['ports']> {
  const assigned: Record<string, number> = { ...ports, ...chosen };
  for (const [name, port] of Object.entries(chosen)) {
    const other = Object.keys(assigned).find((each) => each !== name && assigned[each] === port);
    if (other === undefined) continue;
    throw new OperationalError('USAGE', {
      message: `port ${port} cannot be given to ${name}: it is that of ${other}`,
      nextStep: 'Name another port.',
    });
  }
  for (const name of names) assigned[name] ??= await findFreePort(new Set(Object.values(assigned)));
  return assigned;
}

async function findFreePort(taken: ReadonlySet<number>): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    const port = randomInt(PORTS.first, PORTS.last);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new OperationalError('PORT_IN_USE', {
    message: `no port between ${PORTS.first} and ${PORTS.last} is free`,
    nextStep: 'Name free ports with --kafka-port, --postgres-port and --spark-port.',
  });
}

/** Leaves out ports that another program has taken since, but never the address of a server. */
export async function freeInternalPorts(
  ports: StackState['ports'],
  in_use: ReadonlySet<number>,
): Promise<StackState['ports']> {
  const kept: Record<string, number> = {};
  for (const [name, port] of Object.entries(ports)) {
    const isAddress = PARTS.some((part) => part === name);
    if (isAddress || in_use.has(port) || (await isFree(port))) kept[name] = port;
  }
  return kept;
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.on('error', (error: NodeJS.ErrnoException) =>
    error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error),
  );
  server.listen({ port, host: LOOPBACK, exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}

/** A killed process loses its command line before it releases its ports. */
const RELEASE_MS_MAX = 5_000;

/**
 * Checks the ports before a start, since a server gives no useful message when its port is taken.
 * @throws OperationalError PORT_IN_USE
 */
export async function assertPortsFree(name: string, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    if (await becomes(() => isFree(port), RELEASE_MS_MAX)) continue;
    const option = `--${/^(kafka|postgres|spark)/.exec(name)?.[0]}-port`;
    throw new OperationalError('PORT_IN_USE', {
      message: `${name} cannot listen on ${LOOPBACK}:${port}: another program does, or this user may not.`,
      nextStep: `End that program, or name another port with ${option}.`,
    });
  }
}
