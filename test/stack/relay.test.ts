/** The records that the relay publishes to Kafka, and the states from which it refuses to go on. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { zstdDecompressSync } from 'node:zlib';
import type pg from 'pg';
import { openTransactionalProducer } from '../../src/adapters/kafka/producer.ts';
import { openPartitionReader, type ReadRecord } from '../../src/adapters/kafka/reader.ts';
import { type Relay, type RelayOptions, startRelay } from '../../src/adapters/kafka/relay.ts';
import { RELAYED_TOPICS } from '../../src/adapters/kafka/relay-positions.ts';
import { withAdmin } from '../../src/adapters/kafka/topics.ts';
import { type Database, openDatabase } from '../../src/adapters/postgres/database.ts';
import type { ElectionId } from '../../src/domain/election/election.ts';
import { COMPACTED_TOPICS, TOPICS, type Topic } from '../../src/ports/log.ts';
import type { StackEnvironment } from '../../src/stack/stack.ts';
import { COUNCIL } from '../support/council.ts';
import { addressOf, completeResults } from '../support/results.ts';
import { NEEDS_STACK, ownDirectory } from '../support/stack.ts';
import { openStackElection, type StackElection } from '../support/stack-election.ts';
import { type Ended, tallyroom } from '../support/tallyroom.ts';
import { deleteTopics, makeTopics, readTopic, settled } from '../support/topics.ts';
import { succeeded } from '../support/workspace.ts';

const VOTERS = ['--voters', '3000', '--seed', '7'];
/** An environment for stages that commit without a relay beside them. */
const WITHOUT_KAFKA: NodeJS.ProcessEnv = { KAFKA_BROKERS: undefined };
const POLL_MS = 50;

/** The parts of what `verify --json` prints. */
interface Verified {
  readonly votes: number;
  readonly not_counted: number;
  readonly checks: readonly { readonly name: string; readonly passed: boolean }[];
}

/** An election of three partitions. Votes of two of them are committed, and counted. */
async function voteHalf(election: StackElection): Promise<void> {
  succeeded(await election.run(['register', ...VOTERS, '--partitions', '3']));
  const died = await election.run(['vote', '--rate', 'max'], { TALLYROOM_CRASH_AT: 'vote.after-commit#2' });
  assert.equal(died.signal, 'SIGKILL', died.stderr);
  succeeded(await election.run(['count', '--once']));
}

async function voteRest(election: StackElection): Promise<void> {
  succeeded(await election.run(['vote', '--rate', 'max']));
  succeeded(await election.run(['count', '--once']));
}

interface LogEnd {
  readonly election_no: number;
  readonly topic: Topic;
  readonly partition: number;
  readonly next_offset: number;
}

async function relayedEnds(election: StackElection, client: pg.Client): Promise<LogEnd[]> {
  const { rows } = await client.query<LogEnd>(
    `SELECT election_no, topic, partition, next_offset::integer FROM log_ends JOIN elections USING (election_no)
     WHERE election_id = $1 AND topic = ANY($2) ORDER BY topic, partition`,
    [election.id, RELAYED_TOPICS],
  );
  return rows;
}

const placeOf = ({ topic, partition }: Pick<LogEnd, 'topic' | 'partition'>): string => `${topic}/${partition}`;

/** The positions of the relays, as Kafka stores them for their group. */
async function groupOffsets(election: StackElection, ends: readonly LogEnd[]): Promise<Map<string, number>> {
  const topics = Array.from(
    Map.groupBy(ends, ({ topic }) => topic),
    ([topic, rows]) => ({ name: `${election.id}.${topic}`, partitionIndexes: rows.map(({ partition }) => partition) }),
  );
  const [group] = await withAdmin(election.kafka, (admin) =>
    // Decided positions only: the markers of a transaction reach the group after the topics.
    admin.listConsumerGroupOffsets({ groups: [{ groupId: `${election.id}.relay`, topics }], requireStable: true }),
  );
  const offsets = new Map<string, number>();
  for (const { name, partitions } of group!.topics)
    for (const { partitionIndex, committedOffset } of partitions)
      if (committedOffset >= 0n)
        offsets.set(`${name.slice(election.id.length + 1)}/${partitionIndex}`, Number(committedOffset));
  return offsets;
}

async function waitingRows(election: StackElection, client: pg.Client): Promise<number> {
  const { rows } = await client.query(
    'SELECT count(*)::integer AS n FROM log JOIN elections USING (election_no) WHERE election_id = $1 AND topic = ANY($2)',
    [election.id, RELAYED_TOPICS],
  );
  return rows[0].n;
}

/**
 * Checks that all committed records are in Kafka, once and in order, and nowhere else, and that the
 * positions agree.
 * @returns the records by `topic/partition`
 */
async function assertPublished(election: StackElection): Promise<Map<string, ReadRecord[]>> {
  const client = await election.connect();
  const ends = await relayedEnds(election, client);
  assert.ok(ends.some(({ topic, next_offset }) => topic === 'votes' && next_offset > 0));
  const published = new Map<string, ReadRecord[]>();
  for (const { topic, partition, next_offset } of ends) {
    const records = await readTopic(election.kafka, `${election.id}.${topic}`, partition);
    const place = placeOf({ topic, partition });
    published.set(place, records);
    assert.equal(records.length, next_offset, `records of ${place}`);
    if (!COMPACTED_TOPICS.has(topic))
      for (const [offset, { key }] of records.entries()) assert.equal(key, String(offset), `a key of ${place}`);
  }
  assert.equal(await waitingRows(election, client), 0);
  const filled = ends.filter(({ next_offset }) => next_offset > 0);
  assert.deepEqual(await groupOffsets(election, ends), new Map(filled.map((end) => [placeOf(end), end.next_offset])));
  return published;
}

async function assertExact(election: StackElection): Promise<void> {
  const verified = JSON.parse(succeeded(await election.run(['verify', '--json'])));
  assert.equal(verified.passed, true);
  assert.equal(verified.votes, 2_100);
}

/**
 * Keeps every relay of the election from working, until the test ends at the latest.
 * @returns a function that lets them work
 */
async function holdRelays(election: StackElection): Promise<() => Promise<void>> {
  const client = await election.connect();
  const ends = await relayedEnds(election, client);
  for (const partition of new Set(ends.map((end) => end.partition)))
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [
      `tallyroom ${ends[0]!.election_no} relay ${partition}`,
    ]);
  return async () => void (await client.query('SELECT pg_advisory_unlock_all()'));
}

function refused({ code, stdout, stderr }: Ended, message: RegExp): void {
  assert.equal(code, 1, stderr + stdout);
  assert.match(stderr + stdout, message);
}

describe('the relay', { skip: NEEDS_STACK, concurrency: 1 }, () => {
  test('committed records come to Kafka in order and byte for byte, and leave the table', async (context) => {
    const election = openStackElection(context);
    const candidates = COUNCIL.candidates.map((each, n) => ({ ...each, name: `${each.name} Ψ 🗳 "${n}\\" Zoë` }));
    const file = election.file('council.json', JSON.stringify({ ...COUNCIL, is_test: true, candidates }));
    succeeded(await election.run(['register', '--election', file, ...VOTERS, '--partitions', '3'], WITHOUT_KAFKA));
    const dying = { ...WITHOUT_KAFKA, TALLYROOM_CRASH_AT: 'vote.after-commit#2' };
    assert.equal((await election.run(['vote', '--rate', 'max'], dying)).signal, 'SIGKILL');
    const client = await election.connect();
    const { rows } = await client.query<{ topic: Topic; partition: number; payload: Buffer }>(
      `SELECT topic, partition, payload FROM log JOIN elections USING (election_no)
       WHERE election_id = $1 ORDER BY topic, partition, base_offset`,
      [election.id],
    );
    await voteRest(election);
    await assertExact(election);
    const published = await assertPublished(election);
    const committed = Map.groupBy(rows, placeOf);
    assert.ok(committed.size > 4, 'a definition, voters of each partition, and votes');
    for (const [place, batches] of committed) {
      const isDense = !place.startsWith('definition/');
      const text = Buffer.concat(batches.map(({ payload }) => zstdDecompressSync(payload)));
      const records = published.get(place)!;
      const relayed = records.flatMap(({ key, value }) => [
        Buffer.from(isDense ? '' : key, 'latin1'),
        Buffer.from('\t'),
        value!,
        Buffer.from('\n'),
      ]);
      const whole = Buffer.concat(relayed);
      assert.ok(whole.subarray(0, text.length).equals(text), `${place} differs from what was committed`);
    }
  });

  test('a relay that slept after reading batches, while another published them, is fenced: nothing is there twice', async (context) => {
    const election = openStackElection(context);
    succeeded(await election.run(['register', ...VOTERS, '--partitions', '1'], WITHOUT_KAFKA));
    succeeded(await election.run(['vote', '--rate', 'max'], WITHOUT_KAFKA));
    const client = await election.connect();
    const database = openDatabase(async () => ({ connectionString: election.databaseUrl }));
    const id = election.id as ElectionId;
    await makeTopics(election.kafka, id, 1);
    const [end] = await relayedEnds(election, client);
    const failed = Promise.withResolvers<never>();
    const said: string[] = [];
    const options: RelayOptions = {
      settings: election.kafka,
      database,
      election_no: end!.election_no,
      election: id,
      partitions: 1,
      // Being fenced is not a failure. Any other error ends the relay.
      retry: (work) => work().catch(failed.reject),
      say: (line) => said.push(line),
    };
    const sleeper = sleepAfterReading(database);
    const older = startRelay({ ...options, database: sleeper.database });
    let younger: Relay | null = null;
    context.after(async () => {
      sleeper.wake();
      await Promise.all([older.stop(), younger?.stop()]);
      await database.close();
    });
    await sleeper.asleep;
    // The younger relay finds by itself that nothing moves.
    younger = startRelay({ ...options, stuck_ms_max: 1_000 });
    assert.equal(await younger.drain(AbortSignal.timeout(60_000)), true);
    // It is said again if PostgreSQL takes its time to end the session.
    assert.deepEqual(
      [...new Set(said)],
      ['The relay of partition 0 has stood still: its process was stopped or cut off. Another one takes over.'],
    );
    sleeper.wake();
    await Promise.race([sleeper.beganAnew, failed.promise]);
    // The older relay waits for the lock of the younger one, and takes over at the positions that
    // the younger has reached.
    await younger.stop();
    succeeded(await election.run(['count', '--once']));
    await Promise.race([older.stop(), failed.promise]);
    await assertExact(election);
    await assertPublished(election);
  });

  test('a second producer under its transactional id, which leaves a transaction open: it is aborted, and the relay goes on', async (context) => {
    const election = openStackElection(context);
    succeeded(await election.run(['register', ...VOTERS, '--partitions', '1']));
    const client = await election.connect();
    await client.query('LISTEN tallyroom_log');
    const [{ election_no }] = (await relayedEnds(election, client)) as [LogEnd];
    const voted = new Promise<void>((resolve) =>
      client.on('notification', ({ payload = '' }) => {
        if (payload.startsWith(`${election_no}/votes/`)) resolve();
      }),
    );
    const voting = election.start(['vote', '--rate', '1000']);
    await voted;
    const topic = `${election.id}.votes`;
    const left = new Error('left open');
    // If it were running, the relay might fence the intruder first.
    voting.child.kill('SIGSTOP');
    try {
      const intruder = await openTransactionalProducer(election.kafka, `${election.id}.relay.0`, null);
      await assert.rejects(
        intruder.publish([{ topic, partition: 0, key: Buffer.from('1'), value: Buffer.from('{"seq":0}') }], [], () => {
          throw left;
        }),
        left,
      );
      await intruder.close();
    } finally {
      voting.child.kill('SIGCONT');
    }
    const { stderr } = await voting.ended;
    assert.doesNotMatch(stderr, /does not answer|Next:/);
    succeeded(await voting.ended);
    succeeded(await election.run(['count', '--once']));
    await assertExact(election);
    const published = await assertPublished(election);
    assert.ok(published.get('votes/0')!.every(({ value }) => String(value) !== '{"seq":0}'));
  });

  test('the next command, even verify, publishes what a killed stage had committed', async (context) => {
    const election = openStackElection(context);
    succeeded(await election.run(['register', ...VOTERS]));
    const letGo = await holdRelays(election);
    const died = await election.run(['vote', '--rate', 'max'], { TALLYROOM_CRASH_AT: 'votes-end.after-commit#2' });
    assert.equal(died.signal, 'SIGKILL', died.stderr);
    const client = await election.connect();
    assert.ok((await waitingRows(election, client)) >= 4, 'votes and their end, of two partitions');
    assert.equal((await readTopic(election.kafka, `${election.id}.votes`, 0)).length, 0);
    await letGo();
    const { code, stdout, stderr } = await election.run(['verify', '--json']);
    assert.equal(code, 0, stdout + stderr);
    const { checks, votes, not_counted }: Verified = JSON.parse(stdout);
    assert.ok(votes > 0 && not_counted === votes, stdout);
    const inLog = checks.filter(({ name }) => /^(votes in the log = votes in|batches in|every seq)/.test(name));
    assert.deepEqual(
      inLog.map(({ passed }) => passed),
      [true, true, true],
      stdout + stderr,
    );
    await assertPublished(election);
    succeeded(await election.run(['count', '--once']));
    await assertExact(election);
  });

  test('a transaction that a killed relay has left open: the next command, even verify, ends it', async (context) => {
    const election = openStackElection(context);
    succeeded(await election.run(['register', ...VOTERS]));
    const died = await election.run(['vote', '--rate', 'max'], { TALLYROOM_CRASH_AT: 'relay.before-commit' });
    assert.equal(died.signal, 'SIGKILL', died.stderr);
    const { code, stdout, stderr } = await election.run(['verify', '--json']);
    assert.equal(code, 0, stdout + stderr);
    const { checks, votes, not_counted }: Verified = JSON.parse(stdout);
    assert.ok(votes > 0 && not_counted === votes, stdout);
    assert.ok(checks.find(({ name }) => name.startsWith('votes in the log = votes in'))?.passed, stdout);
    await voteRest(election);
    await assertExact(election);
    await assertPublished(election);
  });

  test('a position that Kafka has forgotten: the relay goes on where the topic ends', async (context) => {
    const election = openStackElection(context);
    await voteHalf(election);
    const known = await election.connect();
    assert.ok((await groupOffsets(election, await relayedEnds(election, known))).size > 0);
    await withAdmin(election.kafka, (admin) => admin.deleteGroups({ groups: [`${election.id}.relay`] }));
    assert.equal((await groupOffsets(election, await relayedEnds(election, known))).size, 0);
    await voteRest(election);
    await assertExact(election);
    const published = await assertPublishedBut(election);
    assert.ok(published > 0);
  });

  test('a topic that was removed and made again, empty: refused', async (context) => {
    const election = openStackElection(context);
    await voteHalf(election);
    const topic = `${election.id}.votes`;
    const ends = await relayedEnds(election, await election.connect());
    const voted = ends.filter((end) => end.topic === 'votes' && end.next_offset > 0).map((end) => end.partition);
    assert.ok(voted.length > 0);
    await deleteTopics(election.kafka, [topic]);
    const message = new RegExp(
      `partition \\d of topic ${topic} is not as the relay left it: \\d+ records were published, and it has none`,
    );
    for (const args of [['verify'], ['count'], ['vote', '--rate', 'max']]) refused(await election.run(args), message);
    // A partition without votes has lost nothing, and may get votes until the command has ended.
    for (const partition of voted) assert.equal((await readTopic(election.kafka, topic, partition)).length, 0);
  });

  test('rows are missing in table log: the relay stops, and publishes nothing of them', async (context) => {
    const election = openStackElection(context);
    succeeded(await election.run(['register', ...VOTERS, '--partitions', '1'], WITHOUT_KAFKA));
    const client = await election.connect();
    const { rows } = await client.query(
      `DELETE FROM log USING elections WHERE log.election_no = elections.election_no AND election_id = $1
         AND topic = 'voters' AND base_offset BETWEEN 1 AND 1500 RETURNING base_offset::integer AS at, record_count AS n`,
      [election.id],
    );
    assert.equal(rows.length, 2);
    const ends = rows.map(({ at, n }) => at + n);
    const [from, to] = [Math.min(...rows.map(({ at }) => at)), Math.max(...ends)];
    const topic = `${election.id}.voters`;
    const message = new RegExp(
      `table log lacks records of partition 0 of topic ${topic}: from ${from} to ${to}\\b[^]*Next: `,
    );
    refused(await election.run(['vote', '--rate', 'max']), message);
    // With nothing to count, `--once` would end before the relay has looked.
    refused(await election.run(['count']), message);
    assert.equal((await readTopic(election.kafka, topic, 0)).length, 0);
  });

  test('a row that reaches beyond the published records is not removed with them', async (context) => {
    const election = openStackElection(context);
    succeeded(await election.run(['register', ...VOTERS, '--partitions', '1'], WITHOUT_KAFKA));
    const client = await election.connect();
    const topic = `${election.id}.voters`;
    await makeTopics(election.kafka, election.id as ElectionId, 1);
    const foreign = await openTransactionalProducer(election.kafka, `${election.id}.other`, `${election.id}.relay`);
    await foreign.publish(
      [{ topic, partition: 0, key: Buffer.from('0'), value: Buffer.from('{}') }],
      [{ topic, partition: 0, position: 1 }],
    );
    await foreign.close();
    await settled(election.kafka, topic);
    const before = await waitingRows(election, client);
    refused(
      await election.run(['count']),
      /partition 0 of topic \S+ is not as the relay left it: 0 records were published, and its records end at 1\b/,
    );
    assert.equal(await waitingRows(election, client), before);
  });
});

/**
 * Like assertPublished, after Kafka has forgotten positions: it knows only those that moved since.
 * @returns their number
 */
async function assertPublishedBut(election: StackElection): Promise<number> {
  const client = await election.connect();
  const ends = await relayedEnds(election, client);
  for (const { topic, partition, next_offset } of ends) {
    const records = await readTopic(election.kafka, `${election.id}.${topic}`, partition);
    assert.equal(records.length, next_offset, `records of ${topic}/${partition}`);
  }
  assert.equal(await waitingRows(election, client), 0);
  const known = await groupOffsets(election, ends);
  const at = new Map(ends.map((end) => [placeOf(end), end.next_offset]));
  for (const [place, offset] of known) assert.equal(offset, at.get(place), place);
  return known.size;
}

interface Sleeper {
  readonly database: Database;
  /** The session of a relay that has read batches and does not go on. */
  readonly asleep: Promise<number>;
  readonly beganAnew: Promise<void>;
  wake(): void;
}

/**
 * The same database. The first relay that reads batches of the log through it falls asleep with
 * them, once.
 */
function sleepAfterReading(database: Database): Sleeper {
  const asleep = Promise.withResolvers<number>();
  const woken = Promise.withResolvers<void>();
  const beganAnew = Promise.withResolvers<void>();
  let connections = 0;
  return {
    asleep: asleep.promise,
    beganAnew: beganAnew.promise,
    wake: woken.resolve,
    database: {
      ...database,
      async connect() {
        const client = await database.connect();
        if (++connections > 1) {
          beganAnew.resolve();
          return client;
        }
        const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
        const query = client.query.bind(client) as (...parameters: unknown[]) => Promise<pg.QueryResult>;
        const sleepy = async (...parameters: unknown[]): Promise<pg.QueryResult> => {
          const answer = await query(...parameters);
          const [{ name }] = parameters as [{ name?: string }];
          if (name === 'relay-read' && answer.rows.length > 0) {
            asleep.resolve(rows[0]!.pid);
            await woken.promise;
          }
          return answer;
        };
        client.query = sleepy as typeof client.query;
        return client;
      },
    },
  };
}

async function metricsOf(address: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${address}metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.replace(/[ {].*/, ''), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

async function metricsWhere(
  address: string,
  isWanted: (metrics: ReadonlyMap<string, number>) => boolean,
): Promise<ReadonlyMap<string, number>> {
  for (;;) {
    const metrics = await metricsOf(address);
    if (isWanted(metrics)) return metrics;
    await delay(POLL_MS);
  }
}

const LAG = 'tallyroom_relay_lag_batches';

test('the progress of Spark is among the metrics', { skip: NEEDS_STACK }, async (context) => {
  const election = openStackElection(context);
  const run = election.start(['run', ...VOTERS, '--rate', 'max', '--engine', 'spark', '--port', '0']);
  const address = await addressOf(run);
  const metrics = await metricsWhere(
    address,
    (each) => each.get('tallyroom_spark_votes') === 2_100 && each.get('tallyroom_spark_batch_id')! >= 0,
  );
  assert.ok(metrics.has('tallyroom_spark_batch_duration_ms') && metrics.has('tallyroom_spark_boxes_per_second'));
  await metricsWhere(address, (each) => each.get(LAG) === 0);
  run.child.kill('SIGINT');
  assert.equal((await run.ended).code, 0);
});

describe('the relay of servers of its own', { skip: NEEDS_STACK, concurrency: 1 }, () => {
  const { stack } = ownDirectory({ after });
  let servers: StackEnvironment;
  const open = (context: TestContext): StackElection => openStackElection(context, { ...servers });
  /** `doctor` without `--id` looks at the newest election. */
  const doctor = (): Promise<Ended> => tallyroom(['doctor'], { ...servers });
  before(async () => {
    await stack.up({ parts: ['kafka', 'postgres'] });
    servers = await stack.environment();
  });

  test('run and doctor show its lag', async (context) => {
    const election = open(context);
    succeeded(await election.run(['register', ...VOTERS]));
    const letGo = await holdRelays(election);
    const run = election.start(['run', ...VOTERS, '--rate', 'max', '--port', '0']);
    const address = await addressOf(run);
    const client = await election.connect();
    const metrics = await metricsWhere(address, (each) => each.get(LAG)! > 0);
    assert.ok(metrics.get(LAG)! <= (await waitingRows(election, client)));
    const [, batches] = /^ok +batches that are not in Kafka yet: (\d+)$/m.exec((await doctor()).stdout) ?? [];
    assert.ok(Number(batches) > 0);
    await letGo();
    await completeResults(address);
    await metricsWhere(address, (each) => each.get(LAG) === 0);
    run.child.kill('SIGINT');
    succeeded(await run.ended);
    const { stdout } = await election.run(['doctor']);
    assert.match(stdout, /^ok +Kafka of KAFKA_BROKERS answers: .*, brokers: 1$/m);
    assert.match(stdout, /^ok +Spark of SPARK_REMOTE answers: /m);
    assert.ok(stdout.includes(`election: ${election.id}`));
    assert.match(stdout, /^ok +everything committed is in Kafka$/m);
    await assertExact(election);
    await assertPublished(election);
  });

  test('topics that are ahead of PostgreSQL: every command refuses and changes nothing', async (context) => {
    const election = open(context);
    await voteHalf(election);
    const data = await dataDirectory(election);
    await stack.down(['postgres']);
    await promisify(execFile)('cp', ['-a', data, `${data}.copy`]);
    await stack.up({ parts: ['postgres'] });
    await voteRest(election);
    await assertExact(election);
    await stack.down(['postgres']);
    rmSync(data, { recursive: true });
    renameSync(`${data}.copy`, data);
    await stack.up({ parts: ['postgres'] });

    const was = await everything(election);
    const message = new RegExp(
      `partition \\d of topic ${election.id}\\.\\w+ is ahead of PostgreSQL: it has \\d+ records, PostgreSQL knows \\d+[^]*Next: +PostgreSQL was restored from a backup`,
    );
    for (const args of [
      ['vote', '--rate', 'max'],
      ['count', '--once'],
      ['run', ...VOTERS, '--partitions', '3', '--rate', 'max', '--port', '0', '--once'],
      ['register', ...VOTERS, '--partitions', '3'],
      ['verify'],
    ]) {
      refused(await election.run(args), message);
      assert.deepEqual(await everything(election), was, args[0]);
    }
    refused(await doctor(), message);
  });
});

async function dataDirectory(election: StackElection): Promise<string> {
  const client = await election.connect();
  const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
  // A server that stops would end this connection.
  await client.end();
  return rows[0]!.data_directory;
}

/** Everything in PostgreSQL and Kafka that a command could change in the election. */
async function everything(election: StackElection): Promise<unknown> {
  const client = await election.connect();
  const tables: Record<string, unknown> = {};
  for (const table of ['log', 'log_ends', 'source_offsets', 'writers', 'batches', 'participation', 'votes'])
    tables[table] = (
      await client.query(`SELECT count(*), md5(string_agg(${table}::text, ',' ORDER BY ${table}::text)) FROM ${table}`)
    ).rows;
  const topics: Record<string, number> = {};
  for (const topic of TOPICS)
    for (const partition of COMPACTED_TOPICS.has(topic) ? [0] : [0, 1, 2]) {
      const reader = openPartitionReader(election.kafka, `${election.id}.${topic}`, partition);
      topics[`${topic}/${partition}`] = (await reader.bounds()).end;
      await reader.close();
    }
  return { tables, topics };
}
