import pg from 'pg';
import { OperationalError } from '../../base/errors.ts';
import { codeOf, isTrustError, wordsOf } from '../../base/tls-errors.ts';

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
  'EADDRNOTAVAIL',
  'EHOSTDOWN',
]);
/**
 * Other failures of TLS end a connection: for example, a server that went away in the middle of a
 * record.
 */
const TLS_ERROR = /^ERR_SSL_/;
/** The words of the driver where the first answer is none of PostgreSQL. */
const NOT_POSTGRES = /There was an error establishing an SSL connection|unexpected message|Unknown message/i;
/**
 * PostgreSQL's classes: 08 connection exception, 57P01-05 shutdown and crash; 53300 no connection
 * is free.
 */
const CONNECTION_STATES = /^(08...|57P0[1-5]|53300)$/;

/**
 * PostgreSQL gives a full disk its own state (53100) only in some places. Elsewhere the state is
 * that of an internal or an input/output error, and the words of the system alone tell it. Our
 * server speaks English.
 */
const isDiskFull = (code: string, message: string): boolean =>
  /^(53100|ENOSPC|EDQUOT)$/.test(code) ||
  (/^(XX...|58...)$/.test(code) && /No space left on device|Disk quota exceeded/.test(message));

/**
 * Turns an error of the driver into an error with a code and a next step. Returns an unknown error
 * unchanged.
 * @param server the server as a message names it; with its address where a connection is made.
 */
export function explain(cause: unknown, server = 'PostgreSQL'): unknown {
  if (cause instanceof OperationalError || !(cause instanceof Error)) return cause;
  const code = codeOf(cause);
  if (isTrustError(cause))
    return new OperationalError('DATABASE_UNREACHABLE', {
      message: `the connection to ${server} is not secure: ${wordsOf(cause)}`,
      nextStep:
        'In DATABASE_URL name the host as its certificate does, the certificate of its authority in sslrootcert and, where it asks for a certificate of ours, sslcert and sslkey.',
      cause,
    });
  if (
    CONNECTION_ERRORS.has(code) ||
    TLS_ERROR.test(code) ||
    CONNECTION_STATES.test(code) ||
    /^(Connection terminated|timeout expired|Query read timeout|Client .*(closed|not queryable))/.test(cause.message)
  )
    return new OperationalError('DATABASE_UNREACHABLE', {
      message: `${server} does not answer: ${cause.message}`,
      nextStep:
        'Check that the server runs and that DATABASE_URL names it, then start again: nothing committed is lost.',
      canRetry: true,
      cause,
    });
  if (/^(28...|3D000|42501)$/.test(code) || /does not support SSL/.test(cause.message))
    return new OperationalError('DATABASE_UNREACHABLE', {
      message: `${server} refuses us: ${cause.message}`,
      nextStep:
        'Correct user, password, database or sslmode in DATABASE_URL; the user must be allowed to create tables there.',
      cause,
    });
  if (NOT_POSTGRES.test(cause.message))
    return new OperationalError('DATABASE_UNREACHABLE', {
      message: `${server} does not speak the protocol of PostgreSQL: ${cause.message.split('\n')[0]}`,
      nextStep: 'Correct host and port in DATABASE_URL: another program seems to listen there.',
      cause,
    });
  return explainStatement(cause, code) ?? cause;
}

/** The errors of a statement, once there is a connection. */
function explainStatement(cause: Error, code: string): OperationalError | undefined {
  if (isDiskFull(code, cause.message))
    return new OperationalError('DISK_FULL', {
      message: `PostgreSQL has no space left on its disk: ${cause.message}`,
      nextStep: 'Free some space and start again: nothing committed is lost.',
      cause,
    });
  if (code === '55P03')
    return new OperationalError('DATABASE_UNREACHABLE', {
      message: 'another process holds the tables of the database, and has not let them go',
      nextStep: 'End the other processes that use the database, above all of an older version, then start again.',
      cause,
    });
  if (code === 'TR001')
    return new OperationalError('FENCED', {
      message: cause.message,
      nextStep: 'Leave the work to the other process, or end it and start this one again.',
      cause,
    });
  if (cause instanceof pg.DatabaseError)
    // The message of PostgreSQL may repeat a value of a row, which may be personal.
    return new OperationalError('DATABASE_FAILED', {
      message: `PostgreSQL refused a statement: SQLSTATE ${code}, table ${cause.table ?? 'unknown'}, constraint ${cause.constraint ?? 'none'}`,
      nextStep: "Report it; PostgreSQL's own log has the statement.",
      cause,
    });
  return undefined;
}
