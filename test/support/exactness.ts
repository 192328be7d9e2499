import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { topicName } from '../../src/adapters/kafka/client.ts';
import type { ElectionId } from '../../src/domain/election/election.ts';
import type { Topic } from '../../src/ports/log.ts';
import { addressOf, completeResults, numbersOf } from './results.ts';
import type { StackElection } from './stack-election.ts';
import type { Ended } from './tallyroom.ts';
import { readTopic } from './topics.ts';
import { openWorkspace, succeeded } from './workspace.ts';

/** A simulated election, and its results when nothing goes wrong. */
export interface Expected {
  /** The arguments of `register`. */
  readonly making: readonly string[];
  readonly voters: number;
  readonly ballots: number;
  readonly partitions: number;
  /** The results document, in the form of `numbersOf`. */
  readonly results: unknown;
}

interface Owner {
  after(work: () => Promise<void>): void;
}

const POLL_MS = 20;

/**
 * An owner for resources that are opened in a `before`. A test's own `after` there would release
 * them at once. They are released in the suite's `after`, the last one first.
 */
export function releasedLater(): { readonly owner: Owner; release(): Promise<void> } {
  const works: (() => Promise<void>)[] = [];
  return {
    owner: { after: (work) => void works.unshift(work) },
    async release() {
      for (const work of works) await work();
    },
  };
}

/**
 * Counts the election once on the bundled PostgreSQL. The seed decides how each voter votes, on any
 * servers.
 */
export async function expectElection(
  owner: Owner,
  { voters, partitions }: { voters: number; partitions: number },
): Promise<Expected> {
  const making = ['--voters', String(voters), '--seed', '7', '--partitions', String(partitions)];
  const run = ['run', ...making, '--rate', 'max', '--port', '0', '--once', '--json'];
  const document = JSON.parse(succeeded(await openWorkspace(owner).run(run)));
  const ballots: number = document.totals.ballots_cast;
  return { making, voters, ballots, partitions, results: numbersOf(document) };
}

/**
 * Every voter who votes has voted once, and every total is as expected: on a dashboard, in the
 * tables, in the topics, and by `verify`. The election is counted, or its counter still runs.
 */
export async function assertExact(context: TestContext, election: StackElection, expected: Expected): Promise<void> {
  const dashboard = election.start(['dashboard', '--port', '0']);
  assert.deepEqual(numbersOf(await completeResults(await addressOf(dashboard))), expected.results);
  dashboard.child.kill('SIGTERM');
  succeeded(await dashboard.ended);

  const verified = JSON.parse(succeeded(await election.run(['verify', '--json'])));
  assert.equal(verified.passed, true);
  assert.equal(verified.votes, expected.ballots);
  assert.deepEqual(verified.rejections, {});

  const database = await election.connect();
  const [row] = (
    await database.query<{ n: number }>('SELECT election_no AS n FROM elections WHERE election_id = $1', [election.id])
  ).rows;
  const waiting = (): Promise<{ rows: { n: number }[] }> =>
    database.query('SELECT count(*)::integer AS n FROM log WHERE election_no = $1', [row!.n]);
  // The relay may belong to a process that is busy with something else.
  while ((await waiting()).rows[0]!.n > 0) await delay(POLL_MS);
  const tables = await database.query(
    `SELECT (SELECT count(*)::integer FROM voters WHERE election_no = $1) AS voters,
       (SELECT count(DISTINCT voter_id)::integer FROM participation_${row!.n}) AS voted,
       (SELECT count(*)::integer FROM participation_${row!.n}) AS participations,
       (SELECT count(*)::integer FROM votes_${row!.n}) AS votes`,
    [row!.n],
  );
  const { voters, ballots } = expected;
  assert.deepEqual(tables.rows[0], { voters, voted: ballots, participations: ballots, votes: ballots });

  const records = await Promise.all(
    Array.from({ length: expected.partitions }, async (_, partition) => ({
      voters: await recordsOnce(election, 'voters', partition),
      boxes: await recordsOnce(election, 'votes', partition),
    })),
  );
  assert.equal(
    records.reduce((sum, partition) => sum + partition.voters, 0),
    voters,
  );
  assert.ok(records.every(({ boxes }) => boxes > 0));
  context.diagnostic(`boxes of votes: ${records.map(({ boxes }) => boxes).join(', ')}`);
}

/**
 * Every record of a partition is there once: the keys are the offsets of the log.
 * @returns the number of records
 */
async function recordsOnce({ id, kafka }: StackElection, topic: Topic, partition: number): Promise<number> {
  const name = topicName(id as ElectionId, topic);
  const keys = (await readTopic(kafka, name, partition)).map(({ key }) => key);
  assert.deepEqual(
    keys,
    keys.map((_, i) => String(i)),
    `the records of partition ${partition} of topic ${name}`,
  );
  return keys.length;
}

/** The lines in which a process says that it waits. */
export const waitingFor = (server: 'PostgreSQL' | 'Kafka' | 'Spark', { stderr }: Ended): number =>
  stderr.split('\n').filter((line) => line.startsWith(`${server} does not answer. Waiting for it;`)).length;
