import { readFileSync } from 'node:fs';
import type { KafkaSettings } from '../adapters/kafka/settings.ts';
import { OperationalError } from '../base/errors.ts';

/**
 * The settings for Kafka's Java client inside Spark. It reaches the same brokers as we do, with the
 * same TLS and SASL under its own names. Certificates travel as text, so Spark needs none of our
 * files.
 * @throws OperationalError USAGE for a file that cannot be read.
 */
export function kafkaProperties({ tls, sasl }: KafkaSettings): Record<string, string> {
  const properties: Record<string, string> = {};
  if (tls !== null || sasl !== null)
    properties['security.protocol'] = `${sasl === null ? '' : 'SASL_'}${tls === null ? 'PLAINTEXT' : 'SSL'}`;
  if (tls?.ca_file != null) {
    properties['ssl.truststore.type'] = 'PEM';
    properties['ssl.truststore.certificates'] = readPem(tls.ca_file);
  }
  if (tls?.cert_file != null && tls.key_file !== null) {
    properties['ssl.keystore.type'] = 'PEM';
    properties['ssl.keystore.certificate.chain'] = readPem(tls.cert_file);
    properties['ssl.keystore.key'] = readPem(tls.key_file);
  }
  if (sasl !== null) {
    properties['sasl.mechanism'] = sasl.mechanism;
    properties['sasl.jaas.config'] =
      `${LOGIN_MODULES[sasl.mechanism]} required username=${quoted(sasl.username)} password=${quoted(sasl.password)};`;
  }
  return properties;
}

const LOGIN_MODULES = {
  PLAIN: 'org.apache.kafka.common.security.plain.PlainLoginModule',
  'SCRAM-SHA-256': 'org.apache.kafka.common.security.scram.ScramLoginModule',
  'SCRAM-SHA-512': 'org.apache.kafka.common.security.scram.ScramLoginModule',
} as const;

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new OperationalError('USAGE', {
      message: `${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      nextStep: 'Name a readable PEM file in KAFKA_CA_FILE, KAFKA_CERT_FILE and KAFKA_KEY_FILE.',
      cause,
    });
  }
}
