/** How the brokers are reached, as the environment says it. */
export interface KafkaSettings {
  /** host:port of some brokers; they name the others. */
  readonly brokers: readonly string[];
  readonly tls: {
    readonly ca_file: string | null;
    readonly cert_file: string | null;
    readonly key_file: string | null;
  } | null;
  readonly sasl: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string } | null;
  /** On how many brokers a topic that we make is kept. */
  readonly replication: number;
}

export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];
