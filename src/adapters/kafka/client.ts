import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { AuthenticationError, Base, type ConnectionOptions, GenericError, MultipleErrors } from '@platformatic/kafka';
import { OperationalError } from '../../base/errors.ts';
import type { ElectionId } from '../../domain/election/election.ts';
import type { Topic } from '../../ports/log.ts';
import type { KafkaSettings } from './settings.ts';

/** The name of a topic in Kafka: elections share a cluster. */
export const topicName = (election: ElectionId, topic: Topic): string => `${election}.${topic}`;

/**
 * A broker in the same data centre accepts in milliseconds; one that does not in this time is
 * down.
 */
const CONNECT_MS_MAX = 10_000;
/** A broker that hangs is left after this long; a long poll takes at most {@link LONG_POLL_MS_MAX} of it. */
const REQUEST_MS_MAX = 10_000;
/** A reader that waits for a record asks again after this time, so it sees a signal to stop. */
export const LONG_POLL_MS_MAX = 1_000;
/**
 * The client takes this as the timeout of a transaction, too: so long a crashed writer's open transaction can hold readers
 * back, where no new writer takes its place.
 */
const TRANSACTION_MS_MAX = 10_000;
/** A coordinator that is still ending the last transaction answers "try again": so these begin short. About a second in all. */
const RETRIES_MAX = 7;
/** Each pause is twice the one before, up to about half a second. */
const RETRY_MS_FIRST = 8;

interface ClientOptions extends ConnectionOptions {
  clientId: string;
  bootstrapBrokers: string[];
  timeout: number;
  retries: number;
  retryDelay: (client: object, operation: string, attempt: number, retries: number, error: Error) => number;
}

/**
 * The options that every client of the library takes. Its owner throws a client away after a failure, for the library would ask
 * again, in loops within loops: for minutes where nobody answers. And an end of a transaction that it sends twice may end the next
 * one, too, when the first of the two arrives late. So a request that is not answered closes the client; answers such as "try
 * again" are followed.
 * @throws OperationalError USAGE for a certificate that cannot be read, or be used.
 */
export function clientOptions({ brokers, tls, sasl }: KafkaSettings): ClientOptions {
  return {
    clientId: 'tallyroom',
    bootstrapBrokers: inRandomOrder(brokers),
    connectTimeout: CONNECT_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    timeout: TRANSACTION_MS_MAX,
    retries: RETRIES_MAX,
    retryDelay(client, _operation, attempt, _retries, error) {
      // Later, since only after this the library listens for the end of the client.
      if (client instanceof Base && isUnanswered(error)) {
        addRefusal(error, refusals.get(client));
        queueMicrotask(() => void client.close().catch(() => {}));
      }
      return RETRY_MS_FIRST * 2 ** attempt;
    },
    ...(tls === null
      ? {}
      : {
          tls: usable({
            ...certificate('ca', tls.ca_file),
            ...certificate('cert', tls.cert_file),
            ...certificate('key', tls.key_file),
          }),
          // Brokers behind one address are told apart by name; an address has none.
          tlsServerName: brokers.every((broker) => isIP(hostOf(broker)) === 0),
        }),
    ...(sasl === null ? {} : { sasl }),
  };
}

const hostOf = (broker: string): string => broker.slice(0, broker.lastIndexOf(':')).replace(/^\[|\]$/g, '');

/** A broker that takes connections and answers nothing must not be the first that every client asks. */
function inRandomOrder(brokers: readonly string[]): string[] {
  const ordered = [...brokers];
  for (let left = ordered.length; left > 1; left--) ordered.push(...ordered.splice(randomInt(left), 1));
  return ordered;
}

/** What a broker said last of the certificate of a client. */
const refusals = new WeakMap<Base, Error>();

/**
 * The library reports a failure of a connection that is being set up twice, the second time to nobody, which would end the process.
 * And nobody else is told why a broker ends a connection when it has seen our certificate.
 */
export function hearErrors<Client extends Base>(client: Client): Client {
  client.connections.on('connecting', ({ connection }) =>
    connection.on('error', (error) => {
      if (hasCertificateAlert(error)) refusals.set(client, error);
    }),
  );
  return client;
}

/** Of the request that went down with its connection the library says that the connection was closed, and no more. */
function addRefusal(error: Error, refusal: Error | undefined): void {
  if (refusal === undefined) return;
  for (const each of allErrors(error))
    if (each.cause === undefined && 'code' in each && each.code === NETWORK_ERROR) each.cause = refusal;
}

function certificate(name: 'ca' | 'cert' | 'key', path: string | null): Partial<Record<typeof name, string>> {
  if (path === null) return {};
  try {
    return { [name]: readFileSync(path, 'utf8') };
  } catch (cause) {
    throw new OperationalError('USAGE', {
      message: `KAFKA_${name.toUpperCase()}_FILE cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      nextStep: 'Name a readable PEM file.',
      cause,
    });
  }
}

/** The library would find it out in the middle of connecting, and end the process. */
function usable<Certificates extends Partial<Record<'ca' | 'cert' | 'key', string>>>(tls: Certificates): Certificates {
  try {
    createSecureContext(tls);
    return tls;
  } catch (cause) {
    throw new OperationalError('USAGE', {
      message: `KAFKA_CERT_FILE and KAFKA_KEY_FILE cannot be used: ${cause instanceof Error ? wordsOf(cause) : cause}`,
      nextStep: 'Name a certificate and its key without a password, as PEM files.',
      cause,
    });
  }
}

/** What the broker or its coordinator answers while it starts, moves or recovers, besides what the library itself marks. */
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
  // To the end of a transaction, from a coordinator that was held up itself and is about to give that transaction up.
  'UNKNOWN_SERVER_ERROR',
  'NETWORK_EXCEPTION',
  'KAFKA_STORAGE_ERROR',
  'INVALID_REPLICATION_FACTOR',
  'BROKER_NOT_AVAILABLE',
  'FETCH_SESSION_ID_NOT_FOUND',
  'INVALID_FETCH_SESSION_EPOCH',
];

/** Another producer has our transactional id, or the coordinator gave up our transaction because it took too long. */
const FENCED = [
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTION_ABORTABLE',
  'INVALID_TXN_STATE',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
];

/** Whether the broker gave this answer somewhere in what the library throws. */
export const hasAnswer = (error: unknown, ...ids: readonly string[]): boolean =>
  allErrors(error).some((each) => 'apiId' in each && ids.includes(String(each.apiId)));

/** The library's own sentence: it does not say which answer it was. */
const unknownTopicIn = (error: unknown): Error | undefined =>
  allErrors(error).find(({ message }) => /^Unknown topic /.test(message));

export const isTopicUnknown = (error: unknown): boolean => unknownTopicIn(error) !== undefined;

const hasCode = (error: unknown, code: string): boolean =>
  allErrors(error).some((each) => 'code' in each && each.code === code);

/** No answer, or none in time: what was asked for may have been done, or be done yet. */
const isUnanswered = (error: unknown): boolean => hasCode(error, NETWORK_ERROR) || hasCode(error, 'PLT_KFK_TIMEOUT');
const NETWORK_ERROR = 'PLT_KFK_NETWORK';

/** Whether this is of a producer that can never be used again, since another has taken its place; a new one under its id can. */
export const isFencedOut = (error: unknown): boolean =>
  error instanceof OperationalError && hasAnswer(error.cause, ...FENCED);

/** Turns what the library throws into an error with a code and a next step; what it does not know, it returns unchanged. */
export function explainKafka(cause: unknown): unknown {
  if (cause instanceof OperationalError || !(cause instanceof GenericError || cause instanceof MultipleErrors))
    return cause;
  if (isRefusal(cause))
    return new OperationalError('KAFKA_REFUSED', {
      message: `Kafka refuses us: ${reasonOf(cause)}`,
      nextStep:
        'Correct KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD; docs/operations.md lists the rights needed.',
      cause,
    });
  if (isSecurityProblem(cause))
    return new OperationalError('KAFKA_REFUSED', {
      message: `the connection to Kafka is not secure: ${reasonOf(cause)}`,
      nextStep:
        'Set KAFKA_TLS=true where the brokers speak TLS, and name the certificate of their authority in KAFKA_CA_FILE; where they ask for one of ours, name it in KAFKA_CERT_FILE and KAFKA_KEY_FILE.',
      cause,
    });
  const unknown = unknownTopicIn(cause);
  if (unknown !== undefined)
    return new OperationalError('KAFKA_FAILED', {
      message: `Kafka does not have what was asked for: ${reasonOf(unknown)}`,
      nextStep: 'Look who removed the topic, or whether this user may not see it; restore it from a backup.',
      cause,
    });
  if (isUnanswered(cause) || hasAnswer(cause, ...PASSING, ...FENCED))
    return new OperationalError('KAFKA_UNREACHABLE', {
      message: `Kafka does not answer: ${reasonOf(cause)}`,
      nextStep:
        'Check that the brokers run, that KAFKA_BROKERS names them, and that KAFKA_TLS and KAFKA_SASL_MECHANISM are as they want it, then start again: nothing committed is lost.',
      canRetry: true,
      cause,
    });
  return new OperationalError('KAFKA_FAILED', {
    message: `Kafka refused a request: ${reasonOf(cause)}`,
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

/** The library calls it a failed authentication, too, when the connection ends in the middle of one. */
const isRefusal = (error: Error): boolean =>
  hasAnswer(error, ...REFUSALS) ||
  allErrors(error).some((each) => each instanceof AuthenticationError && !isUnanswered(each.cause));

const CERTIFICATE_ERRORS = /^(SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|CERT_|ERR_TLS_|ERR_SSL_)/;
/** What a broker tells before it ends the connection: that it wants a certificate, or another one. */
const CERTIFICATE_ALERTS = /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/;
const hasCertificateAlert = (error: unknown): boolean =>
  allErrors(error).some((each) => 'code' in each && CERTIFICATE_ALERTS.test(String(each.code)));
/** The other way round, TLS to a broker that speaks none, cannot be told from a broker that went away. */
const TLS_MISSING = /^Broker requires TLS/;

const isSecurityProblem = (error: Error): boolean =>
  allErrors(error).some(
    (each) => ('code' in each && CERTIFICATE_ERRORS.test(String(each.code))) || TLS_MISSING.test(each.message),
  );

/** The sentence of the innermost error of the first failure: the outer ones only say that something failed. */
function reasonOf(error: Error): string {
  let inner = error;
  for (let next: unknown = inner; next instanceof Error; next = firstOf(inner)) inner = next;
  return wordsOf(inner).replace(/\.$/, '');
}

/** What OpenSSL says is a line with numbers and the place in its source; the words in it are apart, too. */
const wordsOf = (error: Error): string =>
  'reason' in error && 'library' in error ? String(error.reason) : error.message;

const firstOf = (error: Error): unknown => (error instanceof AggregateError ? error.errors[0] : error.cause);

/** The error with all that it was made of. */
function allErrors(error: unknown): Error[] {
  if (!(error instanceof Error)) return [];
  const inner: unknown[] = [error.cause, ...(error instanceof AggregateError ? error.errors : [])];
  return [error, ...inner.flatMap(allErrors)];
}

/** Runs a call of the library and explains what it throws. */
export async function explained<Value>(call: Promise<Value>): Promise<Value> {
  try {
    return await call;
  } catch (cause) {
    throw explainKafka(cause);
  }
}
