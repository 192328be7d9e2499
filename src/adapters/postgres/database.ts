import { finished, Writable } from 'node:stream';
import pg from 'pg';
import { OperationalError } from '../../base/errors.ts';
import { untilAnswered, type Waiting } from '../../base/waiting.ts';
import { explain, isConnectionLost } from './explain.ts';
import { LostAnswers, PendingStatements } from './lost-answers.ts';
import { prepareSession } from './session.ts';
import { SharedConnections } from './shared-connections.ts';

/** A connection with one owner. Disposing of it ends it, and never throws. */
export type Connection = pg.Client & { [Symbol.asyncDispose](): Promise<void> };

/**
 * Connections to one database. A stage that holds locks or COPYs has its own connection. Short
 * queries share a few.
 */
export interface Database {
  connect(): Promise<Connection>;
  /** Runs a query. A named statement is prepared once on each connection. */
  query<Row extends pg.QueryResultRow>(sql: string, parameters?: readonly unknown[], name?: string): Promise<Row[]>;
  /** Ends the shared connections. No call can connect after this. */
  close(): Promise<void>;
}

/**
 * Keep-alive finds out that a peer has vanished silently, so that no one waits for its
 * notifications for ever.
 */
const PATIENT = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 };
/** A server that works answers a new connection at once, or refuses it. */
const ANSWER_MS_MAX = 20_000;

/** A server closes its side at once. Where nothing comes back, the connection is dropped. */
const END_MS_MAX = 5_000;

/**
 * @param configure is called before every new connection, so that a restarted server is found.
 * @param waiting its signal ends what waits for a server that does not answer.
 * @param look_ms how often connections are looked at for an answer that got lost.
 */
export function openDatabase(
  configure: () => Promise<pg.ClientConfig>,
  waiting: Waiting = { say: () => {} },
  look_ms?: number,
): Database {
  let isClosed = false;
  const connect = async (): Promise<Connection> => {
    // A late query that nobody awaits must not connect again, since that would restart the bundled
    // server.
    if (isClosed) throw closed();
    return openConnection(await configure(), waiting, lostAnswers);
  };
  const lostAnswers = new LostAnswers(async () => openConnection(await configure(), waiting, null), look_ms);
  const shared = new SharedConnections(connect);
  return {
    connect,
    query<Row extends pg.QueryResultRow>(text: string, parameters: readonly unknown[] = [], name?: string) {
      const query = { text, values: [...parameters], ...(name === undefined ? {} : { name }) };
      return shared.lend(async (client) => (await client.query<Row>(query)).rows);
    },
    async close() {
      isClosed = true;
      await shared.close();
      lostAnswers.close();
    },
  };
}

/** @param lostAnswers null where the connection has a limit for each statement of its own. */
async function openConnection(
  config: pg.ClientConfig,
  { say, signal }: Waiting,
  lostAnswers: LostAnswers | null,
): Promise<Connection> {
  const client = makeClient({ ...PATIENT, ...config, application_name: 'tallyroom' });
  const server = `PostgreSQL at ${addressOf(client)}`;
  const line = `${server} has not answered yet. Waiting for it, at most ${ANSWER_MS_MAX / 1000} s.`;
  const cut = cutter(client);
  const end = (): Promise<void> => endConnection(client);
  // The next use of a connection finds that it broke while idle. Without a listener the error would
  // end the process.
  client.on('error', () => {});
  try {
    const ready = client.connect().then(() => prepareSession(client));
    const pid = await untilAnswered(ready, { say, signal, line, limit_ms: ANSWER_MS_MAX, cut });
    const pending = new PendingStatements();
    lostAnswers?.watch({ client, pid, pending });
    explainQueries(client, pending);
  } catch (cause) {
    cut();
    await end();
    throw explain(cause, server);
  }
  return Object.assign(client, { [Symbol.asyncDispose]: end });
}

async function endConnection(client: pg.Client): Promise<void> {
  const dropping = setTimeout(() => client.connection.stream.destroy(), END_MS_MAX);
  try {
    await client.end();
  } catch {
    // It has ended already.
  } finally {
    clearTimeout(dropping);
  }
}

/** Breaks a connection without waiting for the server: it fails what waits for an answer. */
const cutter =
  (client: pg.Client) =>
  (reason?: Error): void => {
    client.connection.stream.destroy(reason);
  };

/** The directory of a Unix socket, or host and port. */
const addressOf = ({ host, port }: pg.Client): string => {
  if (host.startsWith('/')) return `${host}/.s.PGSQL.${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
};

const closed = (): OperationalError =>
  new OperationalError('DATABASE_UNREACHABLE', {
    message: 'the database was closed by this process, which is ending',
    nextStep: 'Start again: everything committed stays.',
  });

/** The driver reads the files that an address names before it connects. */
function makeClient(config: pg.ClientConfig): pg.Client {
  try {
    return new pg.Client(config);
  } catch (cause) {
    throw new OperationalError('USAGE', {
      message: `DATABASE_URL cannot be used: ${cause instanceof Error ? cause.message : cause}`,
      nextStep:
        cause instanceof TypeError
          ? 'Write it like postgresql://user:password@host:5432/database; a port is at most 65535.'
          : 'Name readable PEM files in its sslrootcert, sslcert and sslkey.',
      cause,
    });
  }
}

/**
 * Every query of the client fails with the result of {@link explain}, so that no caller can forget
 * to call it. Every query is pending until its answer.
 */
function explainQueries(client: pg.Client, pending: PendingStatements): void {
  const query = client.query.bind(client) as (...parameters: unknown[]) => unknown;
  client.query = ((...parameters: unknown[]) => {
    const outcome = query(...parameters);
    // The data of a COPY. It is answered when the stream has finished or failed.
    if (outcome instanceof Writable) {
      pending.sent();
      finished(outcome, () => pending.answered());
    }
    if (!(outcome instanceof Promise)) return outcome;
    pending.sent();
    return outcome.then(
      (value: unknown) => {
        pending.answered();
        return value;
      },
      (cause: unknown) => {
        pending.answered();
        throw explain(cause);
      },
    );
  }) as typeof client.query;
}

/**
 * Runs `work` in one transaction, and rolls back where it throws.
 * @throws the error of `work`, explained.
 */
export async function inTransaction<Value>(client: pg.Client, work: () => Promise<Value>): Promise<Value> {
  try {
    await client.query('BEGIN');
    const value = await work();
    await client.query('COMMIT');
    return value;
  } catch (error) {
    if (!isConnectionLost(error)) await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** A stage says by itself what it waits for. */
const SILENT = { say: () => {}, line: '' };

/**
 * Takes locks, and may wait for them. A query that waits for a lock keeps its connection busy until
 * it has the lock, so the only way to stop waiting is to end the connection. A server that does not
 * answer cannot end it: then it is cut off at our side.
 * @param line is said where the work takes long.
 * @throws the signal's reason, or the error of `lock`. The connection cannot be used after that.
 */
export async function lockOrAbort<Value>(
  database: Database,
  client: pg.Client,
  signal: AbortSignal | undefined,
  lock: () => Promise<Value>,
  waiting: { say(line: string): void; readonly line: string } = SILENT,
): Promise<Value> {
  let abort = (): void => {};
  try {
    const ask = <Answer>(work: Promise<Answer>) => untilAnswered(work, { ...waiting, signal, cut: cutter(client) });
    const { rows } = await ask(client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid'));
    abort = () => void database.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]).catch(() => {});
    signal?.addEventListener('abort', abort, { once: true });
    signal?.throwIfAborted();
    const value = await ask(lock());
    // The signal came when the lock was already granted.
    signal?.throwIfAborted();
    return value;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Without these settings a power cut can lose a committed vote. Every stage that stores votes
 * asserts them at its start.
 */
const DURABLE_SETTINGS = ['fsync', 'full_page_writes', 'synchronous_commit'];
/** PostgreSQL 15, as in server_version_num: the oldest version that the tests run on. */
const SERVER_VERSION_MIN = 150_000;

/** @throws OperationalError DATABASE_UNSAFE with the setting or the version that is wrong. */
export async function assertDurable(database: Database): Promise<void> {
  const settings = await database.query<{ name: string; setting: string }>(
    'SELECT name, setting FROM pg_settings WHERE name = ANY($1)',
    [[...DURABLE_SETTINGS, 'server_version_num']],
  );
  for (const { name, setting } of settings) {
    if (name === 'server_version_num' && Number(setting) < SERVER_VERSION_MIN)
      throw new OperationalError('DATABASE_UNSAFE', {
        message: `PostgreSQL is version ${setting}; Tallyroom needs 15 or later`,
        nextStep: 'Point DATABASE_URL at a newer server.',
      });
    if (DURABLE_SETTINGS.includes(name) && setting === 'off')
      throw new OperationalError('DATABASE_UNSAFE', {
        message: `PostgreSQL runs with ${name} = off, so a committed vote could be lost`,
        nextStep: `Set ${name} to on and start again.`,
      });
  }
}
