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

/** A broker in the same data centre accepts in milliseconds. A broker that takes longer is down. */
const CONNECT_MS_MAX = 10_000;
/**
 * A request to a broker that hangs fails after this time. A long poll takes at most {@link
 * LONG_POLL_MS_MAX} of it.
 */
const REQUEST_MS_MAX = 10_000;
/** A reader that waits for a record asks again after this time, so it notices a signal to stop. */
export const LONG_POLL_MS_MAX = 1_000;
/**
 * The client uses this as the timeout of a transaction, too. The open transaction of a crashed
 * writer can hold readers back for this time, where no new writer takes its place.
 */
const TRANSACTION_MS_MAX = 10_000;
/**
 * A coordinator that is still ending the last transaction answers "try again", so the pauses
 * between retries begin short. They take about a second in all.
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
 * The options of every client of the library. The owner of a client throws it away after a failure,
 * for two reasons. The library would retry in loops within loops, for minutes where no broker
 * answers. And where the library sends the end of a transaction twice and the first one arrives
 * late, it may end the next transaction. So a request without an answer closes the client. The
 * library does retry after answers such as "try again".
 * @throws OperationalError USAGE for a certificate that cannot be read or used.
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
      // Close it later, since the library begins to listen for the end of the client only after
      // this.
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
          // The server name of TLS tells brokers behind one address apart. A bare IP address has no
          // such name.
          tlsServerName: brokers.every((broker) => isIP(hostOf(broker)) === 0),
        }),
    ...(sasl === null ? {} : { sasl }),
  };
}

const hostOf = (broker: string): string => broker.slice(0, broker.lastIndexOf(':')).replace(/^\[|\]$/g, '');

/**
 * A broker that accepts connections and answers nothing must not be the first one for every client.
 */
function inRandomOrder(brokers: readonly string[]): string[] {
  const ordered = [...brokers];
  for (let left = ordered.length; left > 1; left--) ordered.push(...ordered.splice(randomInt(left), 1));
  return ordered;
}

/** The last refusal of the certificate of a client by a broker. */
const refusals = new WeakMap<Base, Error>();

/**
 * Listens for errors of new connections. The library reports a failure of the set-up twice, and the
 * second report without a listener would end the process. Besides, only this event has the reason
 * why a broker ends a connection after seeing our certificate.
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
 * Checks the certificates before a connection. The library would find the fault in the middle of
 * connecting, and end the process.
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
