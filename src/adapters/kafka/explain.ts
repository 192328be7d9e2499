import { AuthenticationError, GenericError, MultipleErrors } from '@platformatic/kafka';
import { OperationalError } from '../../base/errors.ts';
import { codeOf, isTrustError, wordsOf } from '../../base/tls-errors.ts';
import type { KafkaSettings } from './settings.ts';

/**
 * Answers of a broker or coordinator that starts, moves or recovers. The library marks others as
 * retriable itself.
 */
const PASSING = [
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'CONCURRENT_TRANSACTIONS',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'OFFSET_NOT_AVAILABLE',
  'UNSTABLE_OFFSET_COMMIT',
  'REQUEST_TIMED_OUT',
  // A coordinator answers this to the end of a transaction, where it was held up and is about to
  // give the transaction up.
  'UNKNOWN_SERVER_ERROR',
  'NETWORK_EXCEPTION',
  'KAFKA_STORAGE_ERROR',
  'INVALID_REPLICATION_FACTOR',
  'BROKER_NOT_AVAILABLE',
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
];

/**
 * Another producer has our transactional id, or the coordinator gave up our transaction because it
 * took too long.
 */
const FENCED = [
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTION_ABORTABLE',
  'INVALID_TXN_STATE',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
];

/** Whether an error of the library contains one of these answers of the broker. */
export const hasAnswer = (error: unknown, ...ids: readonly string[]): boolean =>
  allErrors(error).some((each) => 'apiId' in each && ids.includes(String(each.apiId)));

/** The library writes this sentence itself and does not name the answer of the broker. */
const unknownTopicIn = (error: unknown): Error | undefined =>
  allErrors(error).find(({ message }) => /^Unknown topic /.test(message));

export const isTopicUnknown = (error: unknown): boolean => unknownTopicIn(error) !== undefined;

const hasCode = (error: unknown, code: string): boolean => allErrors(error).some((each) => codeOf(each) === code);

/** Whether no answer came in time. The broker may have done the request, or may still do it. */
export const isUnanswered = (error: unknown): boolean =>
  hasCode(error, NETWORK_ERROR) || hasCode(error, 'PLT_KFK_TIMEOUT');
const NETWORK_ERROR = 'PLT_KFK_NETWORK';

/**
 * Whether another producer has fenced this one, which can never be used again. A new one under its
 * id can.
 */
export const isFencedOut = (error: unknown): boolean =>
  error instanceof OperationalError && hasAnswer(error.cause, ...FENCED);

/**
 * Turns an error of the library into an error with a code and a next step. Returns an unknown error
 * unchanged.
 * @param brokers the addresses that the client was given.
 */
export function explain(cause: unknown, { brokers }: Pick<KafkaSettings, 'brokers'>): unknown {
  const kafka = `Kafka at ${brokers.join(', ')}`;
  if (cause instanceof OperationalError || !(cause instanceof GenericError || cause instanceof MultipleErrors))
    return cause;
  if (isRefusal(cause))
    return new OperationalError('KAFKA_REFUSED', {
      message: `${kafka} refuses us: ${reasonOf(cause)}`,
      nextStep:
        'Correct KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD; docs/operations.md lists the rights needed.',
      cause,
    });
  if (allErrors(cause).some((each) => NO_TLS.test(codeOf(each))))
    return new OperationalError('KAFKA_REFUSED', {
      message: `${kafka} does not speak TLS: ${reasonOf(cause)}`,
      nextStep:
        'Set KAFKA_TLS=false where the brokers speak no TLS; otherwise correct KAFKA_BROKERS, since another program seems to listen there.',
      cause,
    });
  if (isSecurityProblem(cause))
    return new OperationalError('KAFKA_REFUSED', {
      message: `the connection to ${kafka} is not secure: ${reasonOf(cause)}`,
      nextStep:
        'Set KAFKA_TLS=true where the brokers speak TLS, and name the certificate of their authority in KAFKA_CA_FILE; where they ask for a certificate of ours, name it in KAFKA_CERT_FILE and KAFKA_KEY_FILE.',
      cause,
    });
  const unknown = unknownTopicIn(cause);
  if (unknown !== undefined)
    return new OperationalError('KAFKA_FAILED', {
      message: `${kafka} does not have the requested topic: ${reasonOf(unknown)}`,
      nextStep:
        'Check whether somebody removed the topic, or whether this user may not see it; restore it from a backup.',
      cause,
    });
  if (isUnanswered(cause) || hasAnswer(cause, ...PASSING, ...FENCED))
    return new OperationalError('KAFKA_UNREACHABLE', {
      message: `${kafka} does not answer: ${reasonOf(cause)}`,
      nextStep:
        'Check that the brokers run, that KAFKA_BROKERS names them and no other program, and that KAFKA_TLS and KAFKA_SASL_MECHANISM fit them, then start again: nothing committed is lost.',
      canRetry: true,
      cause,
    });
  return new OperationalError('KAFKA_FAILED', {
    message: `${kafka} refused a request: ${reasonOf(cause)}`,
    nextStep: "Report it; the broker's own log may say more.",
    cause,
  });
}

const REFUSALS = [
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
];

/**
 * The library also reports a failed authentication when the connection ends in the middle of one.
 */
const isRefusal = (error: Error): boolean =>
  hasAnswer(error, ...REFUSALS) ||
  allErrors(error).some((each) => each instanceof AuthenticationError && !isUnanswered(each.cause));

/**
 * A broker sends one of these before it ends the connection: it wants a certificate, or another
 * one.
 */
const CERTIFICATE_ALERTS = /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/;
export const hasCertificateAlert = (error: unknown): boolean =>
  allErrors(error).some((each) => CERTIFICATE_ALERTS.test(codeOf(each)));
/** The opposite case, TLS to a broker without TLS, looks like a broker that went away. */
const TLS_MISSING = /^Broker requires TLS/;

/** The first bytes of the peer are none of TLS. */
const NO_TLS = /^ERR_SSL_(WRONG_VERSION_NUMBER|HTTP_REQUEST)$/;

const isSecurityProblem = (error: Error): boolean =>
  allErrors(error).some((each) => isTrustError(each) || TLS_MISSING.test(each.message));

/**
 * The message of the innermost error of the first failure. The outer errors only say that something
 * failed.
 */
function reasonOf(error: Error): string {
  let inner = error;
  for (let next: unknown = inner; next instanceof Error; next = firstOf(inner)) inner = next;
  return wordsOf(inner).replace(/\.$/, '');
}

const firstOf = (error: Error): unknown => (error instanceof AggregateError ? error.errors[0] : error.cause);

/** The error and all errors inside it. */
function allErrors(error: unknown): Error[] {
  if (!(error instanceof Error)) return [];
  const inner: unknown[] = [error.cause, ...(error instanceof AggregateError ? error.errors : [])];
  return [error, ...inner.flatMap(allErrors)];
}

/** Runs a call of the library and explains its error. */
export async function explained<Value>(call: Promise<Value>, settings: Pick<KafkaSettings, 'brokers'>): Promise<Value> {
  try {
    return await call;
  } catch (cause) {
    throw explain(cause, settings);
  }
}

/**
 * Adds the refusal of a certificate to an error. For a request that fails with its connection, the
 * library only says that the connection was closed.
 */
export function addRefusal(error: Error, refusal: Error | undefined): void {
  if (refusal === undefined) return;
  for (const each of allErrors(error))
    if (each.cause === undefined && codeOf(each) === NETWORK_ERROR) each.cause = refusal;
}
