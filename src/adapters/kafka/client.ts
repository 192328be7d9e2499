import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { Admin, Base, type ConnectionOptions } from '@platformatic/kafka';
import { OperationalError } from '../../base/errors.ts';
import { wordsOf } from '../../base/tls-errors.ts';
import type { ElectionId } from '../../domain/election/election.ts';
import type { Topic } from '../../ports/log.ts';
import { addRefusal, hasCertificateAlert, isUnanswered } from './explain.ts';
import type { KafkaSettings } from './settings.ts';

/** The name of a topic in Kafka: elections share a cluster. */
export const topicName = (election: ElectionId, topic: Topic): string => `${election}.${topic}`;

/**
 * A broker in the same data centre accepts in milliseconds; one that does not in this time is
 * down.
 */
const CONNECT_MS_MAX = 10_000;
/**
 * A broker that hangs is left after this long; a long poll takes at most {@link LONG_POLL_MS_MAX}
 * of it.
 */
const REQUEST_MS_MAX = 10_000;
/** A reader that waits for a record asks again after this time, so it sees a signal to stop. */
export const LONG_POLL_MS_MAX = 1_000;
/**
 * The client takes this as the timeout of a transaction, too. The open transaction of a crashed
 * writer can hold readers back for this long, where no new writer takes its place.
 */
const TRANSACTION_MS_MAX = 10_000;
/**
 * A coordinator that is still ending the last transaction answers "try again": so these begin
 * short. About a second in all.
 */
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
 * The options that every client of the library takes. Its owner throws a client away after a
 * failure: the library would retry in loops within loops, for minutes where no broker answers. And
 * where it sends the end of a transaction twice, and the first arrives late, that one may end the
 * next transaction. So a request that is not answered closes the client. Answers such as "try
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

/**
 * A broker that takes connections and answers nothing must not be the first that every client asks.
 */
function inRandomOrder(brokers: readonly string[]): string[] {
  const ordered = [...brokers];
  for (let left = ordered.length; left > 1; left--) ordered.push(...ordered.splice(randomInt(left), 1));
  return ordered;
}

/** What a broker said last of the certificate of a client. */
const refusals = new WeakMap<Base, Error>();

/**
 * The library reports a failure of a connection that is being set up twice, the second time without
 * a listener, which would end the process. And only here is told why a broker ends a connection
 * when it has seen our certificate.
 */
export function hearErrors<Client extends Base>(client: Client): Client {
  client.connections.on('connecting', ({ connection }) =>
    connection.on('error', (error) => {
      if (hasCertificateAlert(error)) refusals.set(client, error);
    }),
  );
  return client;
}

/** A client for questions about topics and groups. Disposing of it closes it, and never throws. */
export type DisposableAdmin = Admin & { [Symbol.asyncDispose](): Promise<void> };

export function openAdmin(settings: KafkaSettings): DisposableAdmin {
  const admin = hearErrors(new Admin(clientOptions(settings)));
  return Object.assign(admin, { [Symbol.asyncDispose]: () => admin.close().catch(() => {}) });
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

/**
 * Checked here, since the library would find it out in the middle of connecting, and end the
 * process.
 */
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
