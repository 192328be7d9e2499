import type pg from 'pg';
import { OperationalError } from '../../base/errors.ts';

/**
 * The settings that each session needs, whatever the server, the database or the role says. The
 * list is asked of the server first, since an older one does not know all of them.
 */
const SESSION_SETTINGS: Readonly<Record<string, string>> = {
  // A statement that has waited for a lock must see what the holder of the lock has committed.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  // Stages wait in locks for as long as another process works, and say so.
  statement_timeout: '0',
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  // The text of values, as the driver and the hashes expect it.
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  DateStyle: 'ISO, YMD',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  array_nulls: 'on',
  // Short statements only: compiling them takes longer than running them.
  jit: 'off',
};

/**
 * Keep-alive on the side of the server. A machine that vanished must not keep its locks, and so its
 * partitions, for the two hours of the system's default. A Unix socket ignores these settings.
 */
const NOTICE_LOST_PEER: Readonly<Record<string, string>> = {
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '30000',
};

/**
 * A process that was killed must not leave a statement behind that works, or waits for a lock, for
 * nobody. The server looks this often. It refuses the setting where its system cannot tell.
 */
const NOTICE_LOST_CLIENT = { client_connection_check_interval: '2000' };
const CAN_NOTICE = 'linux|darwin|bsd';

const SETTINGS = Object.entries({ ...SESSION_SETTINGS, ...NOTICE_LOST_PEER, ...NOTICE_LOST_CLIENT });

/** Settings take milliseconds. Their answer may get lost, and nobody watches the connection yet. */
const PREPARE_MS_MAX = 20_000;

/**
 * Gives a new session its settings, in one statement.
 * @returns the number of the server's process.
 */
export async function prepareSession(client: pg.Client): Promise<number> {
  const settings = {
    text: `SELECT set_config(wanted.name, wanted.value, false), pg_backend_pid() AS pid
     FROM unnest($1::text[], $2::text[]) AS wanted (name, value) JOIN pg_settings ON pg_settings.name = wanted.name
     WHERE wanted.name <> ALL ($3) OR version() ~* $4`,
    values: [
      SETTINGS.map(([name]) => name),
      SETTINGS.map(([, value]) => value),
      Object.keys(NOTICE_LOST_CLIENT),
      CAN_NOTICE,
    ],
    query_timeout: PREPARE_MS_MAX,
  };
  const { rows } = await client.query<{ pid: number }>(settings);
  return rows[0]!.pid;
}

interface Server {
  readonly database: string;
  readonly encoding: string;
  readonly is_standby: boolean;
  readonly is_read_only: boolean;
  readonly schema: string | null;
  readonly search_path: string;
  readonly may_create: boolean;
  readonly role: string;
}

/**
 * Refuses a database that no setting of the session makes usable.
 * @throws OperationalError DATABASE_UNSUITABLE with the setting that is wrong.
 */
export async function assertSuitable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<Server>(
    `SELECT current_database() AS database, current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS is_standby, current_setting('transaction_read_only') = 'on' AS is_read_only,
       current_schema() AS schema, current_setting('search_path') AS search_path, current_user AS role,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create`,
  );
  const fault = faultOf(rows[0]!);
  if (fault !== null) throw new OperationalError('DATABASE_UNSUITABLE', fault);
}

function faultOf(server: Server): { message: string; nextStep: string } | null {
  const { database, encoding, is_standby, is_read_only, schema, search_path, may_create, role } = server;
  if (is_standby)
    return {
      message: `the PostgreSQL server of database ${database} is a standby, which nobody can write to`,
      nextStep: 'Name the primary server in DATABASE_URL.',
    };
  if (is_read_only)
    return {
      message: `database ${database} is read-only for role ${role} (default_transaction_read_only = on)`,
      nextStep: `Set default_transaction_read_only to off for the role or the database, or name another database in DATABASE_URL.`,
    };
  if (encoding !== 'UTF8')
    return {
      message: `database ${database} has the encoding ${encoding}, which cannot hold every name; Tallyroom needs UTF8`,
      nextStep: `Make a database with CREATE DATABASE tallyroom ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL.`,
    };
  if (schema === null)
    return {
      message: `database ${database} has none of the schemas that search_path of role ${role} names (${search_path})`,
      nextStep: 'Make one with CREATE SCHEMA, or set search_path to a schema that is there.',
    };
  if (!may_create)
    return {
      message: `role ${role} may not create tables in schema ${schema} of database ${database}`,
      nextStep: `Allow it as the owner of the schema: GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${role}.`,
    };
  return null;
}
