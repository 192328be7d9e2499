/** Official returns through Kafka: the same counts as on one machine. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { COUNCIL } from '../support/council.ts';
import { addressOf, resultsWhere } from '../support/results.ts';
import { NEEDS_STACK } from '../support/stack.ts';
import { openStackElection, type StackElection } from '../support/stack-election.ts';
import { succeeded } from '../support/workspace.ts';

const HEADER = 'reported_at,contest,location_id,candidate,votes,units_reporting,units_total\n';
const row = (minute: number, location: string, candidate: string, votes: number, reporting: number): string =>
  `2026-11-03T20:${minute}:00Z,mayor,${location},${candidate},${votes},${reporting},3\n`;

async function openReturns(context: TestContext): Promise<StackElection> {
  const election = openStackElection(context);
  const file = election.file('council.json', JSON.stringify({ ...COUNCIL, source: 'returns' }));
  succeeded(await election.run(['register', '--election', file]));
  return election;
}

test('returns are relayed, counted and shown; Spark refuses them; verify agrees', {
  skip: NEEDS_STACK,
}, async (context) => {
  const election = await openReturns(context);
  const report = async (name: string, text: string, environment?: NodeJS.ProcessEnv) =>
    election.run(['report', election.file(name, HEADER + text)], environment);
  succeeded(await report('1.csv', row(15, 'north', 'Ada', 10, 1) + row(15, 'south', 'Bob', 4, 0)));
  const running = election.start(['run', '--port', '0']);
  const address = await addressOf(running);
  const first = await resultsWhere(address, ({ sequence }) => sequence === 6);
  assert.deepEqual(first.contests[0]!.units, { reporting: 1, total: 6 });
  // A process that dies after its commit leaves the upload to the next relay.
  const second = row(30, 'north', 'Ada', 9, 3) + row(30, 'south', 'Bob', 5, 3);
  const died = await report('2.csv', second, { TALLYROOM_CRASH_AT: 'report.after-commit' });
  assert.equal(died.signal, 'SIGKILL', died.stderr);
  const last = await resultsWhere(address, ({ sequence }) => sequence === 12);
  assert.deepEqual(
    last.contests[0]!.candidates.map(({ votes }) => votes),
    [9, 5],
  );
  assert.deepEqual(last.contests[0]!.units, { reporting: 6, total: 6 });
  assert.match((await report('2.csv', second)).stderr, /was taken before, as upload 2/);
  running.child.kill('SIGINT');
  succeeded(await running.ended);
  succeeded(await election.run(['verify']));
  const spark = await election.run(['count', '--engine', 'spark', '--once']);
  assert.equal(spark.code, 2, spark.stderr);
  assert.match(spark.stderr, /counts official returns, and Spark counts votes/);
});
