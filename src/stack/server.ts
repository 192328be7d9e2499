import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError } from '../base/errors.ts';
import { tailOf } from './processes.ts';
import { assertPortsFree, LOOPBACK, type Part } from './state.ts';

/**
 * A server of a stack. It is not a child of any process of ours: a command finds it by its files on
 * the disk.
 */
export interface Server {
  /** The name of the server, and of its log. */
  readonly name: string;
  readonly part: Part;
  readonly address: string;
  readonly ports: readonly number[];
  readonly log: string;
  pid(): Promise<number | null>;
  /** Whether the server runs with the settings that a start would give it now. */
  isCurrent(): Promise<boolean>;
  /** Whether the server answers in its own protocol. */
  isReady(): Promise<boolean>;
  /** Starts the server. Returns before it is ready. */
  start(signal: AbortSignal | undefined): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Enough for a broker that recovers its log after a crash on a busy machine. An ordinary start
 * takes five seconds.
 */
const READY_MS_MAX = 180_000;
/** Asking this often costs nothing and delays nobody. */
const POLL_MS = 100;
/** A port on loopback accepts at once or is closed. */
const CONNECT_MS_MAX = 2_000;

/**
 * Starts a server with its present settings where it does not run with them, and waits until it
 * answers.
 * @returns whether the server was started.
 * @throws OperationalError PORT_IN_USE, STACK_FAILED
 */
export async function bringUp(
  server: Server,
  say: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const isRunning = (await server.pid()) !== null;
  const isStarted = !(isRunning && (await server.isCurrent()));
  if (isStarted) {
    if (isRunning) {
      say(`Stopping ${server.name}: it runs with other settings.`);
      await server.stop();
    }
    await assertPortsFree(server.name, server.ports);
    say(`Starting ${server.name}.`);
    await server.start(signal);
  }
  await untilReady(server, signal);
  if (isStarted) say(`${server.name} answers at ${server.address}.`);
  return isStarted;
}

async function untilReady(server: Server, signal: AbortSignal | undefined): Promise<void> {
  const until = performance.now() + READY_MS_MAX;
  while (!(await server.isReady())) {
    if ((await server.pid()) === null) throw failure(server, 'ended while it started', await tailOf(server.log));
    if (performance.now() > until)
      throw failure(server, `runs and has not answered for ${READY_MS_MAX / 1_000} s`, await tailOf(server.log));
    await delay(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

function failure({ name, log }: Server, what: string, tail: string): OperationalError {
  return new OperationalError('STACK_FAILED', {
    message: `${name} ${what}:\n${tail}`,
    nextStep: `Read ${log} for more, correct the cause that it names, then run \`stack up\` again.`,
  });
}

/** Whether a program listens on a port of this machine. */
export function isListening(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ port, host: LOOPBACK, timeout: CONNECT_MS_MAX });
  const settle = (isOpen: boolean): void => {
    socket.destroy();
    resolve(isOpen);
  };
  socket
    .on('connect', () => settle(true))
    .on('error', () => settle(false))
    .on('timeout', () => settle(false));
  return promise;
}

/**
 * The logging settings of Kafka and Spark. Lines go to standard output, which is the log file of
 * the server.
 */
export const LOG_SETTINGS = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = \${sys:tallyroom.level}
rootLogger.appenderRef.console.ref = console
`;
