import pg from 'pg';
import { OperationalError } from '../../base/errors.ts';

/** Connections to one database. A stage that holds locks or COPYs takes a client of its own; short queries share a few. */
export interface Database {
  /** A connection of the caller's own. End it with `end()`. */
  connect(): Promise<pg.Client>;
  /** A named statement is prepared once a connection. */
  query<Row extends pg.QueryResultRow>(sql: string, parameters?: readonly unknown[], name?: string): Promise<Row[]>;
  /** Ends the shared connections; nothing connects any more. */
  close(): Promise<void>;
}

/** Short queries wait for one another beyond this many; the rest of PostgreSQL's connections is left for stages. */
const SHARED_CONNECTIONS_MAX = 3;

/** A peer that vanished without a word is noticed, so that nobody waits for its notifications for ever. */
const PATIENT = { keepAlive: true, keepAliveInitialDelayMillis: 10_000, connectionTimeoutMillis: 20_000 };

/**
 * The same from the server's side: a machine that vanished must not keep its locks, and with them its partitions, for the two hours
 * that a system waits by itself. Over a Unix socket these mean nothing.
 */
const NOTICE_LOST_PEER =
  'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 30000';

/** @param configure asked before every new connection, so that a server that was started again is found. */
export function openDatabase(configure: () => Promise<pg.ClientConfig>): Database {
  const idle: pg.Client[] = [];
  const waiting: ((client: pg.Client | null) => void)[] = [];
  let open = 0;
  let isClosed = false;

  const connect = async (): Promise<pg.Client> => {
    // What is asked at the end and awaited by nobody must not open anything again: the server that comes along would be started anew.
    if (isClosed) throw closed();
    const client = makeClient({ ...PATIENT, ...(await configure()), application_name: 'tallyroom' });
    // A connection that breaks while idle is noticed at its next use; without a listener it would end the process.
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query(NOTICE_LOST_PEER);
      explainQueries(client);
      return client;
    } catch (cause) {
      await client.end().catch(() => {});
      throw explain(cause);
    }
  };
  const take = async (): Promise<pg.Client> => {
    const client = idle.pop();
    if (client !== undefined) return client;
    if (open >= SHARED_CONNECTIONS_MAX) {
      const given = await new Promise<pg.Client | null>((resolve) => waiting.push(resolve));
      if (given !== null) return given;
    }
    open++;
    try {
      const made = await connect();
      // One that ends while it is idle must not be given to anybody.
      made.on('end', () => {
        const position = idle.indexOf(made);
        if (position === -1) return;
        idle.splice(position, 1);
        open--;
      });
      return made;
    } catch (error) {
      open--;
      waiting.shift()?.(null);
      throw error;
    }
  };
  const giveBack = (client: pg.Client): void => {
    const next = waiting.shift();
    if (next !== undefined) next(client);
    // Whoever asked when it was closed still gets an answer; a connection left behind would keep the process from ending.
    else if (isClosed) drop(client);
    else idle.push(client);
  };
  const drop = (client: pg.Client): void => {
    open--;
    client.end().catch(() => {});
    waiting.shift()?.(null);
  };

  return {
    connect,
    async query<Row extends pg.QueryResultRow>(
      text: string,
      parameters: readonly unknown[] = [],
      name?: string,
    ): Promise<Row[]> {
      const client = await take();
      try {
        const { rows } = await client.query<Row>({
          text,
          values: [...parameters],
          ...(name === undefined ? {} : { name }),
        });
        giveBack(client);
        return rows;
      } catch (error) {
        if (isConnectionLost(error)) drop(client);
        else giveBack(client);
        throw error;
      }
    },
    async close() {
      isClosed = true;
      await Promise.all(idle.splice(0).map((client) => client.end().catch(() => {})));
    },
  };
}

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
      nextStep: 'Name readable PEM files in its sslrootcert, sslcert and sslkey.',
      cause,
    });
  }
}

/** Every query of the client fails with what {@link explain} makes of its error, so that no caller can forget to ask. */
function explainQueries(client: pg.Client): void {
  const query = client.query.bind(client) as (...parameters: unknown[]) => unknown;
  client.query = ((...parameters: unknown[]) => {
    const outcome = query(...parameters);
    if (!(outcome instanceof Promise)) return outcome;
    return outcome.catch((cause: unknown) => {
      throw explain(cause);
    });
  }) as typeof client.query;
}

/** Runs `work` in one transaction and rolls back whatever it throws. @throws what `work` throws, explained. */
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

/**
 * Takes locks that may be waited for. A query that waits holds its connection until the lock is ours, so ending the connection is
 * how to stop waiting. @throws the signal's reason, or what `take` throws; the client is ended then.
 */
export async function lockOrAbort<Value>(
  database: Database,
  client: pg.Client,
  signal: AbortSignal | undefined,
  take: () => Promise<Value>,
): Promise<Value> {
  let abort = (): void => {};
  try {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    abort = () => void database.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]).catch(() => {});
    signal?.addEventListener('abort', abort, { once: true });
    signal?.throwIfAborted();
    const value = await take();
    // Told to end the connection while the lock was already on its way.
    signal?.throwIfAborted();
    return value;
  } catch (error) {
    await client.end().catch(() => {});
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

export const isConnectionLost = (error: unknown): boolean =>
  error instanceof OperationalError && error.code === 'DATABASE_UNREACHABLE';

export const sqlState = (error: unknown): string | undefined => {
  const inner = error instanceof OperationalError ? error.cause : error;
  return inner instanceof pg.DatabaseError ? inner.code : undefined;
};

const CONNECTION_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTDOWN',
]);
/** A certificate that one of the two does not take, or that cannot be read. */
const CERTIFICATE_ERRORS = /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS_|ERR_OSSL_|ERR_SSL_.*_ALERT_)/;
/** Whatever else ends a connection by TLS, such as a server that went away in the middle of a record. */
const TLS_ERROR = /^ERR_SSL_/;
/** PostgreSQL's classes: 08 connection exception, 57P01-05 shutdown and crash; 53300 no connection is free. */
const CONNECTION_STATES = /^(08...|57P0[1-5]|53300)$/;

/** Turns what the driver throws into an error with a code and a next step; what it does not know, it returns unchanged. */
export function explain(cause: unknown): unknown {
  if (cause instanceof OperationalError || !(cause instanceof Error)) return cause;
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  if (CERTIFICATE_ERRORS.test(code))
    return new OperationalError('DATABASE_UNREACHABLE', {
      // What OpenSSL says is a line with numbers and the place in its source; the words in it are apart, too.
      message: `the connection to PostgreSQL is not secure: ${'library' in cause && 'reason' in cause ? cause.reason : cause.message}`,
      nextStep:
        'In DATABASE_URL name the host as its certificate does, the certificate of its authority in sslrootcert and, where it asks for one of ours, sslcert and sslkey.',
      cause,
    });
  if (
    CONNECTION_ERRORS.has(code) ||
    TLS_ERROR.test(code) ||
    CONNECTION_STATES.test(code) ||
    /^(Connection terminated|timeout expired|Client .*(closed|not queryable))/.test(cause.message)
  )
    return new OperationalError('DATABASE_UNREACHABLE', {
      message: `PostgreSQL does not answer: ${cause.message}`,
      nextStep:
        'Check that the server runs and that DATABASE_URL names it, then start again: nothing committed is lost.',
      canRetry: true,
      cause,
    });
  if (/^(28...|3D000|42501)$/.test(code) || /does not support SSL/.test(cause.message))
    return new OperationalError('DATABASE_UNREACHABLE', {
      message: `PostgreSQL refuses us: ${cause.message}`,
      nextStep:
        'Correct user, password, database or sslmode in DATABASE_URL; the user must be allowed to create tables there.',
      cause,
    });
  if (code === '53100' || code === 'ENOSPC')
    return new OperationalError('DISK_FULL', {
      message: `PostgreSQL has no space left on its disk: ${cause.message}`,
      nextStep: 'Free some space and start again: nothing committed is lost.',
      cause,
    });
  if (code === 'TR001')
    return new OperationalError('FENCED', {
      message: cause.message,
      nextStep: 'Leave the work to the other process, or end it and start this one again.',
      cause,
    });
  if (cause instanceof pg.DatabaseError)
    // Its message may repeat a value of a row, which may be personal.
    return new OperationalError('DATABASE_FAILED', {
      message: `PostgreSQL refused a statement: SQLSTATE ${code}, table ${cause.table ?? 'unknown'}, constraint ${cause.constraint ?? 'none'}`,
      nextStep: "Report it; PostgreSQL's own log has the statement.",
      cause,
    });
  return cause;
}

/** The settings without which a committed vote can be lost in a power cut. Asserted at the start of every stage that stores votes. */
const DURABLE_SETTINGS = ['fsync', 'full_page_writes', 'synchronous_commit'];
/** PostgreSQL 15, as server_version_num has it: the oldest version that the tests run on. */
const SERVER_VERSION_MIN = 150_000;

/** @throws OperationalError DATABASE_UNSAFE naming the setting or the version that is wrong. */
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
