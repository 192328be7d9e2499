/** An election that begins embedded and goes on with Kafka, as docs/operations.md describes it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { serversOf } from '../../src/cli/config.ts';
import { NEEDS_STACK } from '../support/stack.ts';
import { removeTopics } from '../support/stack-election.ts';
import { openWorkspace, succeeded } from '../support/workspace.ts';

const VOTERS = 3_000;
const VOTES = 2_100;

test('an election goes from the log in PostgreSQL to Kafka in the middle of voting, with all its votes', {
  skip: NEEDS_STACK,
}, async (context) => {
  const id = `moving-${randomBytes(6).toString('hex')}`;
  const kafka = serversOf(process.env).kafka as KafkaSettings;
  const workspace = openWorkspace(context);
  context.after(() => removeTopics(kafka, id));
  // The server keeps running between two commands, so they start sooner.
  await workspace.server();
  const embedded = (...args: string[]) => workspace.run([...args, '--id', id]);
  const cluster = (...args: string[]) =>
    workspace.run([...args, '--id', id], { KAFKA_BROKERS: kafka.brokers.join(',') });
  const total = async (of: Promise<string>): Promise<number> => JSON.parse(await of).votes;
  const verify = async (where: typeof cluster): Promise<string> => succeeded(await where('verify', '--json'));

  const making = ['--voters', String(VOTERS), '--seed', '7', '--partitions', '3'];
  succeeded(await embedded('register', ...making));
  const half = ['vote', '--rate', 'max', '--id', id];
  const died = await workspace.run(half, { TALLYROOM_CRASH_AT: 'vote.after-commit#3' });
  assert.equal(died.signal, 'SIGKILL', died.stderr);
  succeeded(await embedded('count', '--once'));
  const before = await total(verify(embedded));
  assert.ok(before > 0 && before < VOTES, `${before} votes before`);

  // The votes are counted again from the log: Kafka has no results yet.
  const counted = await cluster('count', '--once');
  succeeded(counted);
  assert.match(counted.stderr, new RegExp(`Counted ${before.toLocaleString('en-GB')} votes\\.`));
  assert.equal(await total(verify(cluster)), before);
  const voted = await cluster('vote', '--rate', 'max');
  succeeded(voted);
  assert.match(voted.stderr, new RegExp(`\\b${(VOTES - before).toLocaleString('en-GB')} votes cast, 0 refused`));
  const shown = JSON.parse(
    succeeded(await cluster('run', ...making, '--rate', 'max', '--port', '0', '--once', '--json')),
  );
  assert.equal(shown.totals.ballots_cast, VOTES);
  assert.equal(shown.totals.registered_voters, VOTERS);
  assert.equal(await total(verify(cluster)), VOTES);
});
