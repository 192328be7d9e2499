import { resolve } from 'node:path';
import type pg from 'pg';
import { createLocalCounter } from './adapters/embedded/counter.ts';
import { openEmbeddedLog } from './adapters/embedded/log.ts';
import { type EmbeddedServer, openEmbeddedServer } from './adapters/embedded/server.ts';
import { openEmbeddedWriter } from './adapters/embedded/writer.ts';
import { openBallotBox } from './adapters/postgres/ballot-box.ts';
import { assertDurable, type Database, openDatabase } from './adapters/postgres/database.ts';
import { assertUniqueVoters, openElections } from './adapters/postgres/elections.ts';
import { migrate } from './adapters/postgres/migrate.ts';
import { openRecount } from './adapters/postgres/recount.ts';
import { openRoll } from './adapters/postgres/roll.ts';
import { OperationalError } from './errors.ts';
import type { Backend } from './ports/backend.ts';

export interface BackendOptions {
  readonly data_dir: string;
  readonly database_url: string | null;
  onProgress(line: string): void;
}

/** Makes the ports from the configuration: the PostgreSQL that comes along, or the one that DATABASE_URL names. */
export async function openBackend(options: BackendOptions): Promise<Backend> {
  const source = options.database_url === null ? embedded(options) : external(options.database_url);
  const database = openDatabase(source.configure);
  try {
    await migrate(database);
  } catch (error) {
    await source.close();
    throw error;
  }
  return backendOf(database, source);
}

interface ConnectionSource {
  configure(): Promise<pg.ClientConfig>;
  describe(): Promise<string[]>;
  close(): Promise<void>;
}

function external(url: string): ConnectionSource {
  return {
    configure: async () => ({ connectionString: url }),
    describe: async () => [`PostgreSQL of DATABASE_URL: ${withoutPassword(url)}`],
    close: async () => {},
  };
}

function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    return parsed.href;
  } catch {
    return 'not a URL';
  }
}

/** The server is opened with the first connection, and again when it went away under us. */
function embedded({ data_dir, onProgress }: BackendOptions): ConnectionSource {
  let server: Promise<EmbeddedServer> | null = null;
  const open = (): Promise<EmbeddedServer> => {
    server ??= openEmbeddedServer({
      dataDir: data_dir,
      onProgress,
      onLost: () => {
        const lost = server;
        server = null;
        void lost?.then((gone) => gone.close()).catch(() => {});
      },
    }).catch((error: unknown) => {
      server = null;
      throw error;
    });
    return server;
  };
  return {
    configure: async () => (await open()).connection,
    async describe() {
      const { home, connection } = await open();
      return [
        `data directory: ${resolve(data_dir)}`,
        `PostgreSQL that comes along, in ${home}`,
        `look inside with: psql -h ${connection.host} -p ${connection.port} -U ${connection.user} ${connection.database}`,
      ];
    },
    async close() {
      const opened = server;
      server = null;
      await (await opened)?.close();
    },
  };
}

function backendOf(database: Database, source: ConnectionSource): Backend {
  return {
    elections: openElections(database),
    ballot_box: openBallotBox(database, () => new Date()),
    recount: openRecount(database),
    openRoll: (entry, signal) => openRoll(database, entry, signal),
    openLog: (entry) => openEmbeddedLog(database, entry.election_no),
    createCounter(engine, log, entry) {
      if (engine !== 'local')
        throw new OperationalError('USAGE', {
          message: `the ${engine} engine is not part of this version`,
          nextStep: 'Leave --engine out: the in-process counter gives the same totals.',
        });
      return createLocalCounter({
        log,
        openWriter: () => openEmbeddedWriter(database, log, entry.election_no, 'count'),
        clock: () => new Date(),
      });
    },
    async assertSafe(entry) {
      await assertDurable(database);
      await assertUniqueVoters(database, entry.election_no);
    },
    describe: source.describe,
    async close() {
      await database.close();
      await source.close();
    },
  };
}
