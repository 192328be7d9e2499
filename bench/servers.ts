import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KafkaSettings } from '../src/adapters/kafka/settings.ts';
import type { SparkRemote } from '../src/adapters/spark/remote.ts';
import { serversOf } from '../src/cli/config.ts';
import { openStack } from '../src/stack/stack.ts';
import type { Part } from '../src/stack/state.ts';

/** Real servers for a benchmark. */
export interface ClusterServers {
  readonly databaseUrl: string;
  readonly kafka: KafkaSettings;
  readonly sparkRemote: SparkRemote | null;
  close(): Promise<void>;
}

/** Where the tests keep the jars, too. */
const JARS = fileURLToPath(new URL('../node_modules/.cache/tallyroom-stack', import.meta.url));

/**
 * The servers that the environment names; where it names none, a stack of their own, gone
 * afterwards.
 */
export async function clusterServers(parts: readonly Part[]): Promise<ClusterServers> {
  if (process.env.KAFKA_BROKERS !== undefined) return { ...complete(process.env), close: async () => {} };
  const directory = mkdtempSync(join(tmpdir(), 'tallyroom-bench-stack-'));
  // Started by root PostgreSQL runs as another user, which must be able to enter.
  chmodSync(directory, 0o755);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const stack = openStack({ directory: join(directory, 'stack'), jars: JARS, onProgress: say });
  const close = async (): Promise<void> => {
    await stack.down();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await stack.up({ parts, workers: 0 });
    return { ...complete(await stack.environment()), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function complete(environment: NodeJS.ProcessEnv): Omit<ClusterServers, 'close'> {
  const { databaseUrl, kafka, sparkRemote } = serversOf(environment);
  if (databaseUrl === null || kafka === null) throw new Error('name both DATABASE_URL and KAFKA_BROKERS, or neither');
  return { databaseUrl, kafka, sparkRemote };
}
