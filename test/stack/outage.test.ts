/**
 * Servers that go away in the middle of two elections and come back. They are this file's own
 * servers.
 */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Results } from '../../src/domain/results/results.ts';
import type { Stack } from '../../src/stack/stack.ts';
import { assertExact, type Expected, expectElection, releasedLater, waitingFor } from '../support/exactness.ts';
import { addressOf, fetchResults, numbersOf, resultsWhere } from '../support/results.ts';
import { killServer, NEEDS_STACK, ownStack, pidOf } from '../support/stack.ts';
import { openStackElection, type StackElection } from '../support/stack-election.ts';
import type { Ended, Started } from '../support/tallyroom.ts';
import { succeeded } from '../support/workspace.ts';

/** The time that the servers are away. It is the fault itself; the test waits for nothing by it. */
const OUTAGE_MS = 30_000;

type StageName = 'vote' | 'count' | 'dashboard';

/** An election in the middle, whose stages are processes of their own. */
interface Night {
  readonly election: StackElection;
  readonly stages: Readonly<Record<StageName, Started>>;
  /** The address of its dashboard. */
  readonly address: string;
}

describe('servers that go away in the middle of an election', { skip: NEEDS_STACK, concurrency: 1 }, () => {
  const { owner, release } = releasedLater();
  let stack: Stack;
  let expected: Expected;
  before(async () => {
    expected = await expectElection(owner, { voters: 20_000, partitions: 2 });
    stack = await ownStack(owner);
  });
  after(release);

  test('the stages wait, say so once, and go on by themselves to the exact results', async (context) => {
    const nights = [await beginNight(context, ['count']), await beginNight(context, ['count', '--engine', 'spark'])];
    const [local, spark] = nights as [Night, Night];

    await killServer(stack, 'kafka');
    for (const { stages } of nights) await allSay([stages.count, stages.dashboard], 'Kafka', 1);
    const shown = await Promise.all(nights.map(({ address }) => fetchResults(address)));
    await delay(OUTAGE_MS);
    for (const [n, { address }] of nights.entries())
      assert.deepEqual(numbersOf(await fetchResults(address)), numbersOf(shown[n]!), 'the last good state stays');
    assert.deepEqual(await stack.up(), ['kafka']);
    await allGoOn(nights, shown);

    // One outage after the other: a counter that still comes back from Kafka's outage, and meets
    // PostgreSQL's, would not get as far as Spark.
    await killServer(stack, 'spark');
    await allSay([spark.stages.count], 'Spark', 1);
    await killServer(stack, 'postgres');
    for (const { stages } of nights) await allSay([stages.vote, stages.count], 'PostgreSQL', 1);
    // Spark comes first. A stage that has got past PostgreSQL and still misses Spark says so again,
    // since it now waits for another server.
    const [restarted] = await Promise.all([stack.up({ parts: ['spark'] }), delay(OUTAGE_MS)]);
    assert.deepEqual(restarted, ['spark']);
    const heldBack = await Promise.all(nights.map(({ address }) => fetchResults(address)));
    assert.deepEqual(await stack.up(), ['postgres']);
    await allGoOn(nights, heldBack);

    const broker = await pidOf(stack, 'kafka');
    process.kill(broker, 'SIGSTOP');
    try {
      for (const { stages } of nights) await allSay([stages.count, stages.dashboard], 'Kafka', 2);
      for (const { address } of nights) await fetchResults(address);
    } finally {
      process.kill(broker, 'SIGCONT');
    }
    const paused = await Promise.all(nights.map(({ address }) => fetchResults(address)));
    await allGoOn(nights, paused);
    // The query counts also without a counter that watches it. A counter that still waited for
    // Kafka would have nothing to end.
    await spark.stages.count.says(/(?:Kafka does not answer[\s\S]*){2}Spark counts \d+ votes/);

    for (const { election, stages } of nights) {
      for (const { child } of Object.values(stages)) assert.equal(child.exitCode ?? child.signalCode, null);
      const fast = election.start(['vote', '--rate', 'max']);
      const voted = await end(stages.vote, 'SIGINT', 130);
      assert.equal(waitingFor('PostgreSQL', voted), 1, voted.stderr);
      // A process needs Kafka only if its relay is the one that works.
      assert.ok(waitingFor('Kafka', voted) <= 2, voted.stderr);
      succeeded(await fast.ended);
      await assertExact(context, election, expected);
      const counted = await end(stages.count, 'SIGTERM', 0);
      assert.equal(waitingFor('PostgreSQL', counted), 1, counted.stderr);
      assert.equal(waitingFor('Kafka', counted), 2, counted.stderr);
      assert.equal(waitingFor('Spark', counted), stages === local.stages ? 0 : 1, counted.stderr);
      const showed = await end(stages.dashboard, 'SIGTERM', 0);
      assert.equal(waitingFor('PostgreSQL', showed), 0, showed.stderr);
      assert.equal(waitingFor('Kafka', showed), 2, showed.stderr);
    }
  });

  /**
   * Registers, and starts the stages. When it resolves, the first votes are shown, and most are
   * still to come.
   */
  async function beginNight(context: TestContext, count: readonly string[]): Promise<Night> {
    const election = openStackElection(context, await stack.environment());
    succeeded(await election.run(['register', ...expected.making]));
    const stages = {
      vote: election.start(['vote', '--rate', '40']),
      count: election.start(count),
      dashboard: election.start(['dashboard', '--port', '0']),
    };
    const address = await addressOf(stages.dashboard);
    await resultsWhere(address, ({ totals }) => totals.ballots_cast! > 0);
    return { election, stages, address };
  }
});

/** Resolves when each stage has said this number of times that it waits for a server. */
async function allSay(stages: readonly Started[], server: string, times: number): Promise<void> {
  const line = `${server} does not answer\\. Waiting for it; nothing committed is lost\\.`;
  await Promise.all(stages.map((stage) => stage.says(new RegExp(`(?:${line}[\\s\\S]*?){${times}}`))));
}

/** Resolves when each dashboard shows more votes than before. */
async function allGoOn(nights: readonly Night[], shown: readonly Results[]): Promise<void> {
  await Promise.all(
    nights.map(({ address }, n) =>
      resultsWhere(address, ({ totals }) => totals.ballots_cast! > shown[n]!.totals.ballots_cast!),
    ),
  );
}

async function end(stage: Started, signal: NodeJS.Signals, expected: number): Promise<Ended> {
  stage.child.kill(signal);
  const ended = await stage.ended;
  assert.equal(ended.code, expected, ended.stderr);
  return ended;
}
