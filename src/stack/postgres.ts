import { randomBytes } from 'node:crypto';
import { chmod, chown, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { OperationalError } from '../base/errors.ts';
import { CLUSTER, ensureCluster, ROLE, SERVER_LOG } from '../bundled-postgres/cluster.ts';
import { readLockFile } from '../bundled-postgres/lock-file.ts';
import { draftName, type Places, preparePlaces, withFileErrors } from '../bundled-postgres/places.ts';
import { controlServer, isRunning, START_RETRY_MS_MAX, start } from '../bundled-postgres/server.ts';
import { connect, DATABASE, ensureDatabase } from '../bundled-postgres/session.ts';
import type { StackPlaces } from './places.ts';
import { becomes } from './processes.ts';
import type { Server } from './server.ts';
import { LOOPBACK, type StackState } from './state.ts';

const PASSWORD = 'postgres.password';
const PASSWORD_BYTES = 18;
/**
 * The longest clean stop: connections end and memory is written, which takes seconds. After this
 * time the server is stopped as in a crash.
 */
const STOP_S_MAX = 60;
/** A server on the same machine answers at once. A server that takes longer is not ready. */
const ANSWER_MS_MAX = 5_000;
/** Asking this often costs nothing and delays nobody. */
const POLL_MS = 50;
/**
 * Enough for several processes with several connections each. The bundled server of a data
 * directory has fewer.
 */
const CONNECTIONS_MAX = 200;

/**
 * Only the owner can enter the directory of the socket. Over the network every client needs the
 * password.
 */
const ACCESS = `local all all trust
host all all ${LOOPBACK}/32 scram-sha-256
`;

/**
 * PostgreSQL 15 from the binaries in npm, over TCP and with a password. Only the stack stops this
 * server.
 */
export async function postgresServer(
  places: StackPlaces,
  state: StackState,
  say: (line: string) => void,
): Promise<Server> {
  const port = state.ports.postgres ?? 0;
  const own: Places = {
    ...(await preparePlaces(places.directory, say)),
    settings: `
# Of the stack: over the network, with a password, for several processes.
listen_addresses = '${LOOPBACK}'
port = ${port}
password_encryption = 'scram-sha-256'
max_connections = ${CONNECTIONS_MAX}
`,
  };
  const { home } = own;
  const log = join(places.logs, 'postgres.log');
  const pid = async (): Promise<number | null> =>
    (await isRunning(own)) ? ((await readLockFile(home))?.pid ?? null) : null;
  return {
    name: 'postgres',
    part: 'postgres',
    address: `${LOOPBACK}:${port}`,
    ports: [port],
    log,
    pid,
    isCurrent: async () => (await readLockFile(home))?.port === port,
    async start(signal) {
      await ensureCluster(own, { say: () => {}, signal });
      await withFileErrors(places.directory, async () => {
        await rm(log, { force: true });
        await symlink(join(home, SERVER_LOG), log);
        await writeAccess(own);
      });
      await startServer(own, signal);
      await prepare(home, await ensurePassword(places));
    },
    isReady: async () => answers(databaseUrl(port, await ensurePassword(places))),
    async stop() {
      const running = await pid();
      if (running === null) return;
      const wait = ['-w', '-t', String(STOP_S_MAX)];
      const { status } = await controlServer(own, ['stop', '-m', 'fast', ...wait]);
      if (status !== 0) await controlServer(own, ['stop', '-m', 'immediate', ...wait]);
      if (await becomes(async () => !isAlive(running), STOP_S_MAX * 1_000)) return;
      throw new OperationalError('STACK_FAILED', {
        message: `PostgreSQL in ${home} does not stop.`,
        nextStep: `Read ${log}, then end its process ${running}.`,
      });
    },
  };
}

/**
 * After the postmaster was killed, its other processes hold the shared memory for a moment longer.
 * No start succeeds until then.
 */
async function startServer(places: Places, signal: AbortSignal | undefined): Promise<void> {
  const until = performance.now() + START_RETRY_MS_MAX;
  for (;;) {
    signal?.throwIfAborted();
    const failure = await start(places, { say: () => {}, signal });
    if (failure === undefined) return;
    if (!failure.canRetry || performance.now() > until) throw failure;
    await delay(POLL_MS);
  }
}

async function writeAccess({ home, account }: Places): Promise<void> {
  const draft = join(home, CLUSTER, draftName('hba-'));
  await writeFile(draft, ACCESS, { flag: 'wx', mode: 0o600 });
  if (account !== undefined) await chown(draft, account.uid, account.gid);
  await rename(draft, join(home, CLUSTER, 'pg_hba.conf'));
}

/** Prepares the database over the socket, which needs no password. */
async function prepare(home: string, password: string): Promise<void> {
  const session = await connect(home);
  if (session === undefined)
    throw new OperationalError('STACK_FAILED', {
      message: `PostgreSQL in ${home} ended right after its start.`,
      nextStep: `Read ${join(home, SERVER_LOG)}, then run \`stack up\` again.`,
      canRetry: true,
    });
  try {
    await session.query(`ALTER ROLE ${ROLE} PASSWORD '${password}'`);
    await ensureDatabase(session);
  } finally {
    await session.end();
  }
}

/**
 * The password of the stack. It is drawn once, and only the owner of the stack can read its file.
 */
export async function ensurePassword({ directory }: StackPlaces): Promise<string> {
  const path = join(directory, PASSWORD);
  const known = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  if (known !== undefined) return known.trim();
  const draft = join(directory, draftName('password-'));
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  await writeFile(draft, `${password}\n`, { flag: 'wx', mode: 0o600 });
  await chmod(draft, 0o600);
  await rename(draft, path);
  return password;
}

export const databaseUrl = (port: number, password: string): string =>
  `postgresql://${ROLE}:${password}@${LOOPBACK}:${port}/${DATABASE}`;

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: ANSWER_MS_MAX,
    query_timeout: ANSWER_MS_MAX,
  });
  client.on('error', () => {}); // Without a listener a session that breaks would end the process.
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
