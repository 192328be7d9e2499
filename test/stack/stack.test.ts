/** `tallyroom stack` with all its servers, as a user runs it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from '@platformatic/kafka';
import pg from 'pg';
import { parseSparkRemote } from '../../src/adapters/spark/remote.ts';
import { SparkConnectService } from '../../src/adapters/spark/spark-connect_pb.ts';
import type { ServerStatus, StackEnvironment } from '../../src/stack/stack.ts';
import { isAlive, JARS, kill, killServer, NEEDS_STACK, ownDirectory } from '../support/stack.ts';
import { type Ended, tallyroom } from '../support/tallyroom.ts';
import { succeeded } from '../support/workspace.ts';

const TOPIC = 'council-2026.votes';
const VOTES = ['{"seq":0}', '{"seq":1}', '{"seq":2}'];

/** The processes whose command line contains a directory. */
const processesOf = (directory: string): string[] =>
  execFileSync('ps', ['-axww', '-o', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(directory));

async function fill(brokers: string): Promise<void> {
  const options = { clientId: 'test', bootstrapBrokers: [brokers] };
  const admin = new Admin(options);
  await admin.createTopics({ topics: [TOPIC], partitions: 1, replicas: 1 });
  await admin.close();
  const producer = new Producer({ ...options, serializers: stringSerializers });
  await producer.send({ messages: VOTES.map((value) => ({ topic: TOPIC, value })), acks: -1 });
  await producer.close();
}

async function readTopic(brokers: string): Promise<string[]> {
  const consumer = new Consumer({
    clientId: 'test',
    groupId: randomUUID(),
    bootstrapBrokers: [brokers],
    // A broker that has just started makes the topic of groups first.
    retries: 20,
    deserializers: stringDeserializers,
  });
  const stream = await consumer.consume({ topics: [TOPIC], mode: 'earliest', sessionTimeout: 10_000 });
  const read: string[] = [];
  for await (const { value } of stream) if (read.push(value) === VOTES.length) break;
  await consumer.close(true);
  return read;
}

/** Lets Spark compute something with tasks of its own. Fails if Spark fails. */
async function countRows(remote: string): Promise<void> {
  const { host, port } = parseSparkRemote(remote);
  const baseUrl = `http://${host}:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  const client = createClient(SparkConnectService, createGrpcTransport({ baseUrl, sessionManager }));
  const query = 'SELECT assert_true(count(*) = 1000) FROM range(0, 1000, 1, 4)';
  const answers = client.executePlan({
    sessionId: randomUUID(),
    userContext: { userId: 'test' },
    plan: { opType: { case: 'root', value: { relType: { case: 'sql', value: { query } } } } },
  });
  let count = 0;
  try {
    for await (const _ of answers) count++;
  } finally {
    sessionManager.abort();
  }
  assert.ok(count > 0);
}

async function select(url: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query('SELECT 1 AS n')).rows;
  } finally {
    await client.end();
  }
}

function parseEnvironment(text: string): Required<StackEnvironment> {
  const lines = text.trimEnd().split('\n');
  const pairs = lines.map((line) => /^export (\w+)='([^']+)'$/.exec(line)?.slice(1) ?? assert.fail(line));
  return Object.fromEntries(pairs);
}

describe('tallyroom stack', { skip: NEEDS_STACK }, () => {
  const { dataDir } = ownDirectory({ after });
  let address: Required<StackEnvironment>;
  let pids: Record<string, number> = {};
  const run = (...args: string[]): Promise<Ended> =>
    tallyroom(['stack', ...args, '--data-dir', dataDir, '--jars', JARS]);
  const status = async (): Promise<ServerStatus[]> => JSON.parse((await run('status', '--json')).stdout);

  test('starts Kafka, PostgreSQL and Spark, and says where they are', async () => {
    assert.equal((await run('status')).code, 1);
    const up = await run('up');
    assert.equal(succeeded(up), '');
    assert.match(up.stderr, /^kafka answers at 127\.0\.0\.1:\d+\.$/m);
    const running = await status();
    assert.deepEqual(
      running.map(({ name, state }) => `${name} ${state}`),
      ['kafka running', 'postgres running', 'spark running'],
    );
    pids = Object.fromEntries(running.map(({ name, pid }) => [name, pid!]));
    address = parseEnvironment(succeeded(await run('env')));
    await fill(address.KAFKA_BROKERS);
    await countRows(address.SPARK_REMOTE);
    assert.deepEqual(await select(address.DATABASE_URL), [{ n: 1 }]);
  });

  test('does nothing if everything runs', async () => {
    const up = await run('up');
    succeeded(up);
    assert.match(up.stderr, /^Everything runs already\./);
    assert.deepEqual(Object.fromEntries((await status()).map(({ name, pid }) => [name, pid])), pids);
  });

  test('starts a killed broker again, with its topics', async () => {
    await kill(pids.kafka!);
    const lines = endedWith(1, await run('status'))
      .trimEnd()
      .split('\n');
    assert.deepEqual(
      lines.map((line) => line.split(/ +/).slice(0, 2).join(' ')),
      ['kafka stopped', 'postgres running', 'spark running'],
    );
    const up = await run('up');
    succeeded(up);
    assert.match(up.stderr, /^Starting kafka\.\nkafka answers at .*\nThe stack is up\.$/m);
    assert.deepEqual(parseEnvironment(succeeded(await run('env'))), address);
    assert.deepEqual(await readTopic(address.KAFKA_BROKERS), VOTES);
  });

  test('stops them all and leaves no process', async () => {
    const running = await status();
    succeeded(await run('down'));
    assert.deepEqual(processesOf(dataDir), []);
    assert.deepEqual(
      running.filter(({ pid }) => isAlive(pid!)),
      [],
    );
    assert.match((await run('down')).stderr, /^Nothing was running\./);
  });
});

describe('a stack with workers', { skip: NEEDS_STACK }, () => {
  const { stack } = ownDirectory({ after });
  const names = ['spark', 'spark-worker-1', 'spark-worker-2', 'spark-master'];
  const remote = async (): Promise<string> => (await stack.environment()).SPARK_REMOTE!;
  const executors = (): string[] =>
    processesOf(stack.directory).filter((line) => line.includes('CoarseGrainedExecutorBackend'));

  test('runs a query in processes of the workers', async () => {
    const started = await stack.up({ parts: ['spark'], workers: 2 });
    assert.deepEqual([...started].sort(), [...names].sort());
    await countRows(await remote());
    assert.notDeepEqual(executors(), []);
  });

  test('goes on after a worker was killed, and after the Connect server was killed', async () => {
    for (const name of ['spark-worker-2', 'spark']) {
      await killServer(stack, name);
      assert.deepEqual(await stack.up({ parts: ['spark'] }), [name]);
      await countRows(await remote());
    }
  });

  test('starts all processes of a killed master again', async () => {
    await killServer(stack, 'spark-master');
    assert.deepEqual([...(await stack.up({ parts: ['spark'] }))].sort(), [...names].sort());
    await countRows(await remote());
  });

  test('can remove the workers again', async () => {
    assert.deepEqual(await stack.up({ parts: ['spark'], workers: 0 }), ['spark']);
    assert.deepEqual(
      (await stack.status()).map(({ name, state }) => `${name} ${state}`),
      ['spark running'],
    );
    assert.deepEqual(executors(), []);
    await countRows(await remote());
  });

  test('leaves no process', async () => {
    assert.deepEqual(await stack.down(), ['spark']);
    assert.deepEqual(processesOf(stack.directory), []);
  });
});

function endedWith(expected: number, { code, stdout, stderr }: Ended): string {
  assert.equal(code, expected, stderr + stdout);
  return stdout;
}
