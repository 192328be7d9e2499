import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type BundledServer, openBundledServer } from '../../src/bundled-postgres/server.ts';
import { IN_USE_LOCK } from '../../src/bundled-postgres/session.ts';
import { type Ended, type Outcome, type Started, start, tellOfFailure, temporaryDirectory } from './tallyroom.ts';

/**
 * A directory for one test with its own data directory in it, and the processes that work there.
 * All are gone when the test has ended.
 */
export interface Workspace {
  readonly dataDir: string;
  /** Writes a file beside the data directory. @returns its path */
  file(name: string, content: string | Uint8Array): string;
  /** Starts a command on the data directory. */
  start(args: readonly string[], environment?: NodeJS.ProcessEnv): Started;
  run(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended>;
  /**
   * The server of the data directory. It runs until the test ends, which also makes commands start
   * faster.
   */
  server(): Promise<BundledServer>;
  /** A connection to the database, for a test that looks, listens or tampers. */
  connect(): Promise<pg.Client>;
}

/** An object with `after`: the context of a test, or the functions of node:test inside a suite. */
interface Owner extends Outcome {
  after(work: () => Promise<void>): void;
}

const ENVIRONMENT: NodeJS.ProcessEnv = {
  // Tests may be started in a shell that is set up for the program.
  DATABASE_URL: undefined,
  KAFKA_BROKERS: undefined,
  SPARK_REMOTE: undefined,
  TALLYROOM_CRASH_AT: undefined,
  TALLYROOM_DATA_DIR: undefined,
};

export function openWorkspace(owner: Owner): Workspace {
  const directory = temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  mkdirSync(dataDir);
  const started: Started[] = [];
  let server: Promise<BundledServer> | null = null;
  const clients: pg.Client[] = [];
  const workspace: Workspace = {
    dataDir,
    file(name, content) {
      const path = join(directory.path, name);
      writeFileSync(path, content);
      return path;
    },
    start(args, environment = {}) {
      const command = start([...args, '--data-dir', dataDir], { ...ENVIRONMENT, ...environment });
      started.push(command);
      return command;
    },
    run: (args, environment) => workspace.start(args, environment).ended,
    server: () => {
      server ??= openBundledServer({ dataDir: dataDir });
      return server;
    },
    async connect() {
      const { connection } = await workspace.server();
      const client = new pg.Client(connection);
      await client.connect();
      clients.push(client);
      return client;
    },
  };
  owner.after(async () => {
    tellOfFailure(owner, started);
    for (const { child } of started) if (child.exitCode === null) child.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    for (const client of clients) await client.end();
    // A killed process has left the server running. The next process to close stops it.
    if (existsSync(join(dataDir, 'postgres'))) {
      const own = await workspace.server();
      await untilAlone(own);
      await own.close();
    }
    assert.ok(!isServing(dataDir), 'the last to leave stops PostgreSQL');
    directory.remove();
  });
  return workspace;
}

/**
 * Waits until the server has noticed that the killed processes are gone: only the last to leave
 * stops it.
 */
export async function untilAlone({ connection }: BundledServer): Promise<void> {
  const client = new pg.Client(connection);
  await client.connect();
  const users = "SELECT count(*)::integer AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = $1";
  while ((await client.query<{ n: number }>(users, [IN_USE_LOCK])).rows[0]!.n > 1) await delay(POLL_MS);
  await client.end();
}

const POLL_MS = 20;

/** Whether a server runs on a data directory, by PostgreSQL's own lock file. */
export const isServing = (dataDir: string): boolean =>
  existsSync(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'));

/** The address of a database, for DATABASE_URL. */
export const urlOf = ({ connection: { host, port, user, database } }: BundledServer): string =>
  `postgresql:///${database}?host=${encodeURIComponent(host)}&port=${port}&user=${user}`;

/** The process ended with 0; otherwise its output is shown. @returns its standard output */
export function succeeded({ code, stdout, stderr }: Ended): string {
  assert.equal(code, 0, stderr + stdout);
  return stdout;
}
