import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Stack } from '../../src/stack/stack.ts';
import { type Document, minnesota } from '../support/minnesota.ts';
import { addressOf } from '../support/results.ts';
import { type Started, start, tallyroom, tellOfFailure, temporaryDirectory } from '../support/tallyroom.ts';

export const STAGES = ['register', 'vote', 'count', 'dashboard'] as const;
export type StageName = (typeof STAGES)[number];

const POLL_MS = 50;
/**
 * The definition is committed, and the relay of `register` has published it to Kafka, where the
 * dashboard finds the election.
 */
const DEFINED = `SELECT count(*) AS n FROM elections e WHERE election_id = $1 AND definition IS NOT NULL
  AND NOT EXISTS (SELECT FROM log l WHERE l.election_no = e.election_no AND topic = 'definition')`;

/** An election night: every stage is a process of its own, as on several machines. */
export interface Night {
  /** Resolves when n voters or votes are in the log. */
  reached(what: 'voters' | 'votes', n: number): Promise<void>;
  killAndStart(stage: StageName): Promise<void>;
  /**
   * The dashboard's document once it has counted this number of votes.
   * @throws when a stage ended that should not have
   */
  complete(votes: number): Promise<Document>;
  /** Ends all processes. Each must end as it should, and `verify` must agree. */
  end(): Promise<void>;
}

/** @param context the test of this night. If it fails, the output of all processes is shown. */
export async function openNight(context: TestContext, stack: Stack, engine: 'local' | 'spark'): Promise<Night> {
  const directory = temporaryDirectory();
  const id = `night-${randomBytes(4).toString('hex')}`;
  const environment = { ...(await stack.environment()), TALLYROOM_CRASH_AT: undefined };
  const database = new pg.Pool({ connectionString: environment.DATABASE_URL!, max: 1 });
  // A killed server takes the connection with it.
  database.on('error', () => {});
  const common = ['--id', id, '--data-dir', directory.path];
  const lines: Record<StageName, string[]> = {
    register: ['register', ...minnesota(), ...common],
    vote: ['vote', '--rate', 'max', ...common],
    count: ['count', '--engine', engine, ...common],
    dashboard: ['dashboard', '--port', '0', ...common],
  };
  const running = new Map<StageName, Started>();
  const all: Started[] = [];
  const begin = (stage: StageName): void => {
    const started = start(lines[stage], environment);
    running.set(stage, started);
    all.push(started);
  };
  const query = async (sql: string): Promise<number> => {
    const { rows } = await database.query<{ n: string | null }>(sql, [id]).catch(() => ({ rows: [] }));
    return Number(rows[0]?.n ?? 0);
  };
  const inLog = (topic: string): Promise<number> =>
    query(
      `SELECT sum(next_seq) AS n FROM log_ends JOIN elections USING (election_no) WHERE election_id = $1 AND topic = '${topic}'`,
    );
  /** A stage may end by itself only when its work is done. */
  const assertAlive = (): void => {
    for (const [stage, { child }] of running)
      assert.ok(
        (child.exitCode === null && child.signalCode === null) ||
          (child.exitCode === 0 && (stage === 'register' || stage === 'vote')),
        `${stage} ended with ${child.exitCode ?? child.signalCode}`,
      );
  };

  context.after(async () => {
    tellOfFailure(context, all);
    for (const { child, ended } of all) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    }
    await database.end();
    directory.remove();
  });
  begin('register');
  while ((await query(DEFINED)) === 0) {
    assertAlive();
    await sleep(POLL_MS);
  }
  for (const stage of ['vote', 'count', 'dashboard'] as const) begin(stage);
  // A stage that has begun waits for a server that is away. A stage that is only starting ends with
  // 3.
  await running.get('count')!.says(/Counting election/);
  await addressOf(running.get('dashboard')!);

  return {
    async reached(what, n) {
      while ((await inLog(what)) < n) {
        assertAlive();
        await sleep(POLL_MS);
      }
    },
    async killAndStart(stage) {
      const { child, ended } = running.get(stage)!;
      child.kill('SIGKILL');
      await ended;
      begin(stage);
    },
    async complete(votes) {
      for (;;) {
        assertAlive();
        const results = await fetchResults(running.get('dashboard')!);
        if (results?.election.status === 'unofficial-complete' && results.sequence === votes) return results;
        await sleep(POLL_MS);
      }
    },
    async end() {
      for (const stage of ['register', 'vote'] as const) {
        const { code, stderr } = await running.get(stage)!.ended;
        assert.equal(code, 0, stderr);
      }
      // Spark's query goes on without a counter. So all votes may be counted while the last counter
      // is only starting.
      await running.get('count')!.says(/Counting election/);
      for (const stage of ['count', 'dashboard'] as const) {
        running.get(stage)!.child.kill('SIGTERM');
        const { code, stderr } = await running.get(stage)!.ended;
        assert.ok(code === 0 || code === 130, `${stage} ended with ${code}\n${stderr}`);
      }
      const { code, stdout, stderr } = await tallyroom(['verify', '--json', ...common], environment);
      assert.equal(code, 0, stdout + stderr);
    },
  };
}

/** Null while the dashboard starts, or has nothing to show yet. */
async function fetchResults(
  dashboard: Started,
): Promise<(Document & { election: { status: string }; sequence: number }) | null> {
  const address = await Promise.race([addressOf(dashboard), sleep(POLL_MS).then(() => null)]);
  if (address === null) return null;
  const response = await fetch(`${address}api/results`).catch(() => null);
  return response?.status === 200 ? await response.json() : null;
}
