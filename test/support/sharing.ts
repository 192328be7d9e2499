import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type pg from 'pg';
import type { Started } from './tallyroom.ts';
import { succeeded } from './workspace.ts';

/** A place to vote: commands there work on an election of the test's own. */
export interface Polls {
  readonly databaseUrl: string;
  start(args: readonly string[], environment?: NodeJS.ProcessEnv): Started;
  /** A connection to the database that ends with the test. */
  connect(): Promise<pg.Client>;
}

const VOTERS = 9_000;
const BALLOTS = 6_300;
/**
 * Slow enough for other processes to come and go meanwhile. A test that has seen enough ends it, or
 * helps it with `max`.
 */
const SLOW = ['vote', '--rate', '150'];
const FAST = ['vote', '--rate', 'max'];

async function register(polls: Polls, partitions: number): Promise<void> {
  const args = ['register', '--voters', String(VOTERS), '--seed', '7', '--partitions', String(partitions)];
  succeeded(await polls.start(args).ended);
}

/**
 * The test uses the same wake-up as readers of the log. Resolves when votes are committed to one of
 * these partitions.
 */
async function openVotes(polls: Polls): Promise<(partitions: readonly number[]) => Promise<void>> {
  const client = await polls.connect();
  await client.query('LISTEN tallyroom_log');
  return (partitions) =>
    new Promise((resolve) => {
      const look = ({ payload = '' }: pg.Notification): void => {
        const [, topic, partition] = payload.split('/');
        if (topic !== 'votes' || !partitions.includes(Number(partition))) return;
        client.off('notification', look);
        resolve();
      };
      client.on('notification', look);
    });
}

/** Resolves when the process says that it has this number of partitions. @returns the partitions */
async function share(command: Started, partitions: number, of: number): Promise<number[]> {
  const list = Array.from({ length: partitions }, () => '\\d+').join(', ');
  const [, said] = await command.says(new RegExp(`Voting in partitions? (${list}) of ${of}\\.`));
  return said!.split(', ').map(Number);
}

const sorted = (...shares: readonly (readonly number[])[]): number[] => shares.flat().toSorted((a, b) => a - b);

async function interrupt(command: Started): Promise<void> {
  command.child.kill('SIGINT');
  const { code, stderr } = await command.ended;
  assert.equal(code, 130, stderr);
}

async function die(command: Started): Promise<void> {
  command.child.kill('SIGKILL');
  assert.equal((await command.ended).signal, 'SIGKILL');
}

/**
 * Every voter who votes has voted once: counted, and recounted from the log and from PostgreSQL.
 */
async function assertExact(polls: Polls): Promise<void> {
  succeeded(await polls.start(['count', '--once']).ended);
  const verified = JSON.parse(succeeded(await polls.start(['verify', '--json']).ended));
  assert.equal(verified.passed, true);
  assert.equal(verified.votes, BALLOTS);
  assert.deepEqual(verified.rejections, {});
}

/**
 * The sessions of one process. The name that its DATABASE_URL gives them tells them from others.
 */
const namedUrl = (url: string, name: string): string =>
  `${url}${url.includes('?') ? '&' : '?'}application_name=${name}`;

async function terminateSessions(polls: Polls, name: string): Promise<number> {
  const ended = await (await polls.connect()).query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
    [name],
  );
  return ended.rowCount ?? 0;
}

/** Several processes of `vote` that share the partitions of one election, at any place. */
export function describeSharing(place: string, skip: string | false, open: (context: TestContext) => Promise<Polls>) {
  describe(`processes that vote at ${place}`, { skip, concurrency: 1 }, () => {
    test('a second and a third join, one dies in the middle of a batch, one leaves: each voter once', async (context) => {
      const polls = await open(context);
      await register(polls, 4);
      const voted = await openVotes(polls);
      const begun = voted([0, 1, 2, 3]);
      const first = polls.start(SLOW);
      await begun;
      const second = polls.start(SLOW);
      const [ofFirst, ofSecond] = [await share(first, 2, 4), await share(second, 2, 4)];
      assert.deepEqual(sorted(ofFirst, ofSecond), [0, 1, 2, 3]);
      await Promise.all([voted(ofFirst), voted(ofSecond)]);

      const third = polls.start(SLOW, { TALLYROOM_CRASH_AT: 'vote.before-commit#3' });
      // One partition or two: the sessions are ranked by the ids of their processes, and these ids
      // wrap around some time.
      await third.says(/Voting in partitions? [\d, ]+ of 4\./);
      assert.equal((await third.ended).signal, 'SIGKILL');
      const fourth = polls.start(FAST);
      await interrupt(first);
      await die(second);
      const { code, stderr } = await fourth.ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /votes cast, 0 refused/);
      await assertExact(polls);
    });

    test('three and two partitions: the third stands by, and takes over from one that is killed', async (context) => {
      const polls = await open(context);
      await register(polls, 2);
      const [first, second] = [polls.start(SLOW), polls.start(SLOW)];
      assert.deepEqual(sorted(await share(first, 1, 2), await share(second, 1, 2)), [0, 1]);
      const third = polls.start(SLOW);
      const standing = [first, second, third].map((each) => each.says(/Voting in none of the 2 partitions/));
      // One of the three has no partition. It is not fixed which one.
      const spare = [first, second, third][await Promise.any(standing.map((said, i) => said.then(() => i)))]!;
      for (const said of standing) said.catch(() => {});
      const [killed, other] = [first, second, third].filter((each) => each !== spare);
      await die(killed!);
      await share(spare, 1, 2);
      await Promise.all([interrupt(other!), interrupt(spare)]);
      succeeded(await polls.start(FAST).ended);
      await assertExact(polls);
    });

    test('one is paused and loses its sessions, another takes over, the first wakes up: it is fenced', async (context) => {
      const polls = await open(context);
      await register(polls, 2);
      const name = `paused-${process.pid}-${place.length}`;
      const paused = polls.start(SLOW, { DATABASE_URL: namedUrl(polls.databaseUrl, name) });
      const other = polls.start(SLOW);
      const lost = await share(paused, 1, 2);
      await share(other, 1, 2);
      const voted = await openVotes(polls);
      await voted(lost);
      paused.child.kill('SIGSTOP');
      assert.ok((await terminateSessions(polls, name)) > 0);
      assert.deepEqual(await share(other, 2, 2), [0, 1]);
      await voted(lost);
      paused.child.kill('SIGCONT');
      await paused.says(/PostgreSQL does not answer\. Waiting for it; nothing committed is lost\./);
      await paused.says(/(Voting in partition \d of 2\.[\s\S]*){2}/);
      await Promise.all([interrupt(paused), interrupt(other)]);
      succeeded(await polls.start(FAST).ended);
      await assertExact(polls);
    });
  });
}
