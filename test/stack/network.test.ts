/**
 * Faults of networks on the connections of an election, by a proxy of the tests' own, on real
 * servers.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import type { NetConnectOpts } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { topicId } from '../../src/adapters/kafka/topics.ts';
import { openDatabase } from '../../src/adapters/postgres/database.ts';
import { openSparkClient } from '../../src/adapters/spark/client.ts';
import { queryName } from '../../src/adapters/spark/plan.ts';
import { openQueryHome } from '../../src/adapters/spark/query.ts';
import { parseSparkRemote } from '../../src/adapters/spark/remote.ts';
import type { ElectionId } from '../../src/domain/election/election.ts';
import { createSeed, hashToUnit } from '../../src/domain/numbers/random.ts';
import { type Broker, startBroker } from '../support/broker.ts';
import { assertExact, type Expected, expectElection, releasedLater, waitingFor } from '../support/exactness.ts';
import { freePort } from '../support/ports.ts';
import {
  chunks,
  type Fate,
  type Framing,
  REQUEST,
  requestOf,
  requestsOfKafka,
  startProxy,
  type TcpProxy,
} from '../support/proxy.ts';
import { addressOf, resultsWhere } from '../support/results.ts';
import { NEEDS_STACK } from '../support/stack.ts';
import { openStackElection, type StackElection } from '../support/stack-election.ts';
import type { Started } from '../support/tallyroom.ts';
import { succeeded } from '../support/workspace.ts';

/**
 * The seed that decides which messages are hit. A failure names it, and TALLYROOM_SEED repeats it.
 */
const SEED = process.env.TALLYROOM_SEED ?? String(randomInt(1e9));

const COUNT = ['count'];
const FAST = ['vote', '--rate', 'max'];

let expected: Expected;

async function proxyFor(context: TestContext, target: NetConnectOpts, framing: Framing): Promise<TcpProxy> {
  const proxy = await startProxy({ target: () => target, framing });
  context.after(() => proxy.close());
  return proxy;
}

async function interrupt(command: Started): Promise<void> {
  command.child.kill('SIGINT');
  const { code, stderr } = await command.ended;
  assert.equal(code, 130, stderr);
}

/** Ends a counter by SIGTERM. It must end with 0. */
async function endCount(count: Started): Promise<void> {
  count.child.kill('SIGTERM');
  succeeded(await count.ended);
}

/** The fates of some of the first messages, drawn from the seed, by the number of the message. */
function drawFaults(name: string, faults: number, of: number): ReadonlyMap<number, Fate | 'all'> {
  const key = createSeed(SEED, name);
  const fates = ['cut', 'cut at the answer', 'all'] as const;
  return new Map(
    Array.from({ length: faults }, (_, i) => [
      Math.floor(of * hashToUnit(key, i, 0)),
      fates[Math.floor(fates.length * hashToUnit(key, i, 1))]!,
    ]),
  );
}

/** Judges by number: `all` ends every open connection, also the one with this message. */
function judgeByNumber(
  proxy: TcpProxy,
  faults: ReadonlyMap<number, Fate | 'all'>,
  counts: (message: Buffer) => boolean,
) {
  let number = 0;
  proxy.judge = (message) => {
    if (!counts(message)) return 'pass';
    const fate = faults.get(number++) ?? 'pass';
    if (fate !== 'all') return fate;
    proxy.cut();
    return 'cut';
  };
}

const POLL_MS = 20;

describe(`networks that fail (TALLYROOM_SEED=${SEED})`, { skip: NEEDS_STACK, concurrency: 1 }, () => {
  const { owner, release } = releasedLater();
  before(async () => {
    expected = await expectElection(owner, { voters: 4_000, partitions: 2 });
  });
  after(release);

  test('PostgreSQL watches its sessions: a machine that vanished does not keep its partitions', async (context) => {
    const database = openDatabase(async () => ({ connectionString: process.env.DATABASE_URL ?? '' }));
    context.after(() => database.close());
    const [idle] = await database.query('SHOW tcp_keepalives_idle');
    const [unanswered] = await database.query('SHOW tcp_user_timeout');
    assert.deepEqual([idle, unanswered], [{ tcp_keepalives_idle: '10' }, { tcp_user_timeout: '30000' }]);
  });

  describe('between the stages and PostgreSQL', { concurrency: 1 }, () => {
    /** The database of an election, behind a proxy of one process. */
    async function behindProxy(context: TestContext, election: StackElection) {
      const url = new URL(election.databaseUrl);
      const proxy = await proxyFor(context, { host: url.hostname, port: Number(url.port) }, chunks);
      url.port = String(proxy.port);
      return { proxy, environment: { DATABASE_URL: url.href } };
    }

    /**
     * A command that does not reach its database at its start ends. From the first of these
     * statements on it is at work.
     */
    const AT_WORK = { register: 'SELECT advance_source', vote: 'SELECT begin_batch', count: 'INSERT INTO writers' };

    const CUT_COMMITS = [1, 2, 5, 7];
    for (const [fate, when] of [
      ['cut', 'before COMMIT arrives'],
      ['cut at the answer', 'at the answer to COMMIT'],
    ] as const)
      test(`cut ${when}: register and vote go on by themselves, and say so once`, async (context) => {
        const election = openStackElection(context);
        for (const [stage, ...args] of [
          ['register', ...expected.making],
          ['vote', '--rate', '4000'],
        ] as const) {
          const { proxy, environment } = await behindProxy(context, election);
          let isAtWork = false;
          let commits = 0;
          proxy.judge = (message) => {
            isAtWork ||= message.includes(AT_WORK[stage]);
            if (!isAtWork || !message.includes('COMMIT\0')) return 'pass';
            return CUT_COMMITS.includes(++commits) ? fate : 'pass';
          };
          const ended = await election.run([stage, ...args], environment);
          succeeded(ended);
          assert.equal(proxy.faults, CUT_COMMITS.length);
          assert.equal(waitingFor('PostgreSQL', ended), 1, ended.stderr);
        }
        succeeded(await election.run(['count', '--once']));
        await assertExact(context, election, expected);
      });

    test('cut at any message of register, vote and count', async (context) => {
      const election = openStackElection(context);
      const begin = async (stage: keyof typeof AT_WORK, args: readonly string[], faults: number, of: number) => {
        const { proxy, environment } = await behindProxy(context, election);
        let isAtWork = false;
        judgeByNumber(proxy, drawFaults(`PostgreSQL ${stage}`, faults, of), (message) => {
          isAtWork ||= message.includes(AT_WORK[stage]);
          return isAtWork;
        });
        return { proxy, command: election.start([stage, ...args], environment) };
      };
      const register = await begin('register', expected.making, 5, 60);
      succeeded(await register.command.ended);
      const count = await begin('count', [], 2, 6);
      const vote = await begin('vote', ['--rate', '4000'], 6, 200);
      succeeded(await vote.command.ended);
      for (const { proxy } of [register, vote]) assert.ok(proxy.faults > 0);
      // The counter may have started later than the votes were cast.
      while (count.proxy.faults === 0) await delay(POLL_MS);
      await assertExact(context, election, expected);
      count.proxy.judge = () => 'pass';
      await endCount(count.command);
    });
  });

  describe('between the stages and Kafka', { concurrency: 1 }, () => {
    let broker: Broker;
    let proxy: TcpProxy;
    const { owner, release } = releasedLater();
    before(async () => {
      const port = await freePort();
      proxy = await startProxy({ target: () => ({ host: '127.0.0.1', port }), framing: requestsOfKafka });
      owner.after(() => proxy.close());
      broker = await startBroker(owner, { listeners: { PLAINTEXT: { port, advertised: proxy.port } } });
    });
    after(release);

    const openElection = (context: TestContext) =>
      openStackElection(context, { KAFKA_BROKERS: `127.0.0.1:${broker.port}` });
    const throughProxy = () => ({ KAFKA_BROKERS: `127.0.0.1:${proxy.port}` });

    /** Votes slowly until everything that must happen has happened, then fast to the end. */
    async function voteUntil(election: StackElection, happened: Promise<void>): Promise<void> {
      const slow = election.start(['vote', '--rate', '20'], throughProxy());
      await Promise.race([happened, slow.ended.then(({ stderr }) => assert.fail(`it ended too early\n${stderr}`))]);
      const fast = election.start(FAST, throughProxy());
      await interrupt(slow);
      succeeded(await fast.ended);
    }

    test('cut in the middle of a transaction, at each of its requests', async (context) => {
      const election = openElection(context);
      const { init_producer, produce, add_partitions, add_offsets, commit_offsets, end_transaction } = REQUEST;
      const wanted = new Map<number, Fate[]>();
      for (const request of [produce, add_partitions, add_offsets, commit_offsets, end_transaction])
        wanted.set(request, ['cut', 'cut at the answer', 'swallow the answer']);
      wanted.set(init_producer, ['cut', 'cut at the answer']);
      const seen = new Map<number, number>();
      const happened = Promise.withResolvers<void>();
      proxy.judge = (message) => {
        const request = requestOf(message);
        const number = seen.get(request) ?? 0;
        seen.set(request, number + 1);
        // Every other request gets through, so that something is committed between the faults.
        const fate = number % 2 === 0 ? undefined : wanted.get(request)?.shift();
        if (Array.from(wanted.values()).every((fates) => fates.length === 0)) happened.resolve();
        return fate ?? 'pass';
      };
      succeeded(await election.run(['register', ...expected.making], throughProxy()));
      const count = election.start(COUNT, throughProxy());
      await voteUntil(election, happened.promise);
      assert.equal(proxy.faults, 17);
      await assertExact(context, election, expected);
      await endCount(count);
    });

    test('cut at any request of register, vote and count', async (context) => {
      const election = openElection(context);
      const before = proxy.faults;
      judgeByNumber(proxy, drawFaults('Kafka register', 3, 60), () => true);
      succeeded(await election.run(['register', ...expected.making], throughProxy()));
      const faults = drawFaults('Kafka', 10, 400);
      const happened = Promise.withResolvers<void>();
      let number = 0;
      judgeByNumber(proxy, faults, () => {
        // Some more requests, so that the last one hit is retried.
        if (number++ === Math.max(...faults.keys()) + 100) happened.resolve();
        return true;
      });
      const count = election.start(COUNT, throughProxy());
      await voteUntil(election, happened.promise);
      assert.ok(proxy.faults > before);
      await assertExact(context, election, expected);
      await endCount(count);
    });
  });

  test('Spark Connect cut while the counter watches: said once, the query found again, counted to the end', async (context) => {
    const election = openStackElection(context);
    const { host, port } = parseSparkRemote(process.env.SPARK_REMOTE ?? '');
    const proxy = await proxyFor(context, { host, port }, chunks);
    succeeded(await election.run(['register', ...expected.making]));
    const dashboard = election.start(['dashboard', '--port', '0']);
    const address = await addressOf(dashboard);
    const slow = election.start(['vote', '--rate', '20']);
    const count = election.start(['count', '--engine', 'spark'], { SPARK_REMOTE: `sc://127.0.0.1:${proxy.port}` });
    await resultsWhere(address, ({ totals }) => totals.ballots_cast! > 0);
    const runBefore = await runOf(election);
    assert.notEqual(runBefore, null);

    proxy.refuse(true);
    proxy.cut();
    await count.says(/Spark does not answer\. Waiting for it; nothing committed is lost\./);
    const told = Promise.withResolvers<void>();
    proxy.judge = () => {
      told.resolve();
      return 'pass';
    };
    proxy.refuse(false);
    await told.promise;
    const fast = election.start(FAST);
    await interrupt(slow);
    succeeded(await fast.ended);
    await assertExact(context, election, expected);
    assert.equal(await runOf(election), runBefore);

    count.child.kill('SIGTERM');
    const ended = await count.ended;
    succeeded(ended);
    assert.equal(waitingFor('Spark', ended), 1, ended.stderr);
    assert.match(ended.stderr, /Counted 2,800 votes\./);
    assert.equal(await runOf(election), null);
    dashboard.child.kill('SIGTERM');
    succeeded(await dashboard.ended);
  });
});

/** The run of the election's query on the server, without the proxy; null where none is active. */
async function runOf({ id, kafka }: StackElection): Promise<string | null> {
  const client = openSparkClient(parseSparkRemote(process.env.SPARK_REMOTE ?? ''));
  try {
    const name = queryName(id as ElectionId, await topicId(kafka, `${id}.votes`), 1);
    const plan = { name, configuration: {}, source: {}, sink: {} };
    return (await openQueryHome(client, plan, 'tallyroom').find())?.run_id ?? null;
  } finally {
    client.close();
  }
}
