/** The settings of the environment for reaching the brokers. */
export interface KafkaSettings {
  /** The addresses (host:port) of some brokers. These name the others. */
  readonly brokers: readonly string[];
  readonly tls: {
    readonly ca_file: string | null;
    readonly cert_file: string | null;
    readonly key_file: string | null;
  } | null;
  readonly sasl: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string } | null;
  /** The number of brokers that keep a copy of a topic that we make. */
  readonly replication: number;
}

export const SASL_MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];
