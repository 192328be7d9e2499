/** Known faults and surprises of the client library and the broker, each on a real broker. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { ClientQuotaEntityTypes, ClientQuotaKeys, Consumer, FetchIsolationLevels, Producer } from '@platformatic/kafka';
import fc from 'fast-check';
import { clientOptions, topicName } from '../../src/adapters/kafka/client.ts';
import { isFencedOut } from '../../src/adapters/kafka/explain.ts';
import { type KafkaLogOptions, openKafkaLog } from '../../src/adapters/kafka/log.ts';
import { type OutgoingMessage, openTransactionalProducer } from '../../src/adapters/kafka/producer.ts';
import { openPartitionReader, type ReadRecord } from '../../src/adapters/kafka/reader.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { ensureTopics, untilReadable, withAdmin } from '../../src/adapters/kafka/topics.ts';
import { openKafkaWriter } from '../../src/adapters/kafka/writer.ts';
import { OperationalError } from '../../src/base/errors.ts';
import { serversOf } from '../../src/cli/config.ts';
import type { ElectionId } from '../../src/domain/election/election.ts';
import type { ClosableLog } from '../../src/ports/backend.ts';
import { recordsOf, TOPICS } from '../../src/ports/log.ts';
import { startBroker } from '../support/broker.ts';
import { NEEDS_STACK } from '../support/stack.ts';
import { makeTopics, readTopic, settled } from '../support/topics.ts';

const settings = serversOf(process.env).kafka as KafkaSettings;
const run = randomBytes(4).toString('hex');
let made = 0;
const elections: ElectionId[] = [];

/** An election with its topics, and no more: these tests need no database. */
async function makeElection(partitions = 1): Promise<ElectionId> {
  const id = `kafka-test-${run}-${++made}` as ElectionId;
  elections.push(id);
  await makeTopics(settings, id, partitions);
  return id;
}

function openLog(election: ElectionId, more: Partial<KafkaLogOptions> = {}): ClosableLog {
  return openKafkaLog({ settings, election, committedEnd: null, assertFed: () => {}, ...more });
}

const message = (topic: string, key: string, value: string | Buffer, partition = 0): OutgoingMessage => ({
  topic,
  partition,
  key: Buffer.from(key),
  value: Buffer.from(value),
});

/** A producer of the library's own, for transactions that end as a test wants. */
function rawProducer(transactionalId: string): Producer {
  return new Producer({
    ...clientOptions(settings),
    idempotent: true,
    transactionalId,
    producerId: -1n,
    producerEpoch: -1,
    autocreateTopics: false,
    // It also limits a transaction, and a test may keep one open over several slow steps.
    timeout: 60_000,
  });
}

const valuesOf = (records: readonly ReadRecord[]): string[] => records.map(({ value }) => String(value));

/** The epochs of the producers whose batches are in a topic, in order. */
async function epochsIn(topic: string): Promise<number[]> {
  const consumer = new Consumer({ ...clientOptions(settings), groupId: 'look' });
  try {
    const metadata = await consumer.metadata({ topics: [topic] });
    const { id, partitions } = metadata.topics.get(topic)!;
    const asked = { partition: 0, fetchOffset: 0n, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
    const { responses } = await consumer.fetch({
      node: partitions[0]!.leader,
      maxBytes: 1_000_000,
      isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED,
      topics: [{ topicId: id, partitions: [{ ...asked, partitionMaxBytes: 1_000_000 }] }],
    });
    const batches = responses.flatMap(({ partitions: each }) => each.flatMap(({ records }) => records ?? []));
    // Bit 5 marks the markers that end transactions.
    return batches.filter(({ attributes }) => (attributes & 32) === 0).map(({ producerEpoch }) => producerEpoch);
  } finally {
    await consumer.close();
  }
}

const failsWith = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof OperationalError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

describe('Kafka as it is', { skip: NEEDS_STACK, concurrency: 1 }, () => {
  let election: ElectionId;
  before(async () => {
    election = await makeElection(2);
  });
  after(() =>
    withAdmin(settings, async (admin) => {
      for (const id of elections) await admin.deleteTopics({ topics: TOPICS.map((topic) => topicName(id, topic)) });
    }),
  );

  test('a second start under a transactional id fences the first, under a higher epoch', async () => {
    const topic = topicName(election, 'votes-per-candidate');
    const first = await openTransactionalProducer(settings, `${election}.a`, null);
    await first.publish([message(topic, 'k', 'first')]);
    const second = await openTransactionalProducer(settings, `${election}.a`, null);
    await second.publish([message(topic, 'k', 'second')]);
    await assert.rejects(first.publish([message(topic, 'k', 'too late')]), isFencedOut);
    await second.publish([message(topic, 'k', 'third')]);
    await first.close();
    await second.close();
    assert.deepEqual(valuesOf(await readTopic(settings, topic)), ['first', 'second', 'third']);
    const epochs = await epochsIn(topic);
    assert.ok(epochs[0]! < epochs[1]! && epochs[1] === epochs[2], `epochs ${epochs}`);
  });

  test('with any transactions aborted and any number of bytes in a request, exactly the committed records are read', async () => {
    const step = fc.record({
      producer: fc.nat(2),
      what: fc.constantFrom('send' as const, 'send' as const, 'commit' as const, 'abort' as const),
      records: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 16 }), async (steps) => {
        const topic = topicName(await makeElection(), 'votes');
        const producers = [0, 1, 2].map((n) => rawProducer(`${topic}.${n}`));
        try {
          assert.deepEqual(await playSteps(topic, producers, steps), valuesOf(await readTopic(settings, topic)));
        } finally {
          for (const producer of producers) await producer.close();
        }
        const all = await readTopic(settings, topic);
        for (const bytes_max of [1, 300]) assert.deepEqual(await readTopic(settings, topic, 0, 0, bytes_max), all);
        for (let from = 1; from < (all.at(-1)?.offset ?? 0); from++)
          assert.deepEqual(
            await readTopic(settings, topic, 0, from),
            all.filter(({ offset }) => offset >= from),
            `from ${from}`,
          );
      }),
      { numRuns: 6 },
    );
  });

  test('two aborted transactions of one producer in one answer: neither is read', async () => {
    const topic = topicName(await makeElection(), 'votes');
    const producer = rawProducer(`${topic}.b`);
    for (const [value, ends] of [
      ['1', 'abort'],
      ['2', 'abort'],
      ['3', 'commit'],
    ] as const) {
      const transaction = await producer.beginTransaction();
      await transaction.send({ messages: [message(topic, 'k', value)] });
      await transaction[ends]();
    }
    await producer.close();
    assert.deepEqual(valuesOf(await readTopic(settings, topic)), ['3']);
  });

  test('a transaction of many requests, with many positions: all of it is there', async () => {
    const topics = (['votes', 'voters', 'returns'] as const).map((topic) => topicName(election, topic));
    const group = `${election}.c`;
    const producer = await openTransactionalProducer(settings, `${election}.c`, group);
    // Records that cannot be compressed: 3 MB each, so that each request takes two.
    const values = Array.from({ length: 5 }, () => randomBytes(3 * 1024 * 1024));
    const positions = topics.flatMap((topic, t) =>
      [0, 1].map((p) => ({ topic, partition: p, position: 10 * t + p + 1 })),
    );
    await producer.publish(
      values.map((value, i) => message(topics[0]!, String(i), value)),
      positions,
    );
    await producer.close();
    const read = await readTopic(settings, topics[0]!, 0, 0, 1);
    assert.deepEqual(
      read.map(({ key }) => key),
      ['0', '1', '2', '3', '4'],
    );
    for (const [i, { value }] of read.entries()) assert.ok(value?.equals(values[i]!), `record ${i} is another one`);
    const [known] = await withAdmin(settings, (admin) =>
      admin.listConsumerGroupOffsets({
        groups: [{ groupId: group, topics: topics.map((name) => ({ name, partitionIndexes: [0, 1] })) }],
        requireStable: true,
      }),
    );
    const found = known!.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset }) => `${name}/${partitionIndex} ${committedOffset}`),
    );
    assert.deepEqual(
      found.sort(),
      positions.map(({ topic, partition, position }) => `${topic}/${partition} ${position}`).sort(),
    );
  });

  test('an open transaction stops readers until the next producer of its name, and no longer', async () => {
    const topic = topicName(await makeElection(), 'votes');
    const reader = openPartitionReader(settings, topic, 0);
    const left = await openTransactionalProducer(settings, `${topic}.d`, null);
    await left.publish([message(topic, '0', 'before')]);
    const fault = new Error('in the middle');
    await assert.rejects(
      left.publish([message(topic, '1', 'never')], [], () => {
        throw fault;
      }),
      fault,
    );
    await left.close();
    const other = await openTransactionalProducer(settings, `${topic}.e`, null);
    await other.publish([message(topic, '1', 'behind it')]);
    const { end } = await reader.bounds();
    assert.deepEqual(
      valuesOf((await reader.fetch(0, 0)).records),
      ['before'],
      'what is behind an open transaction waits',
    );
    const isReadable = (signal: AbortSignal): Promise<boolean> =>
      untilReadable(settings, [{ name: topic, partitions: 1 }], signal);
    assert.equal(await isReadable(AbortSignal.timeout(500)), false, 'and is waited for until the signal');
    const next = await openTransactionalProducer(settings, `${topic}.d`, null);
    assert.equal(await isReadable(new AbortController().signal), true);
    const { end: now } = await reader.bounds();
    assert.ok(now > end, `readers still end at ${now}`);
    assert.deepEqual(valuesOf(await readTopic(settings, topic)), ['before', 'behind it']);
    await reader.close();
    await other.close();
    await next.close();
  });

  test('of two writers of results the later stays, in any order of their arrival at Kafka', async () => {
    const id = await makeElection();
    let epoch = 0;
    const open = (raised: () => Promise<void> = async () => {}) =>
      openKafkaWriter({
        settings,
        election: id,
        name: 'count',
        async raiseEpoch() {
          const own = ++epoch;
          await raised();
          return own;
        },
        currentEpoch: async () => epoch,
      });
    // The earlier writer stops between its epoch and Kafka, while the later one opens and
    // publishes.
    let later: Awaited<ReturnType<typeof open>> | null = null;
    const earlier = open(async () => {
      later = await open();
      await later.publish([{ topic: 'results-by-location', key: 'k', value: '"of the later"' }]);
    });
    await assert.rejects(earlier, failsWith('FENCED', /a later count has taken over \(epoch 2, this one is 1\)/));
    // The later was fenced in Kafka by the earlier, but it has the last epoch. So it may begin
    // anew.
    const again = later!.publish([{ topic: 'results-by-location', key: 'k', value: '"lost"' }]);
    await assert.rejects(again, (error) => error instanceof OperationalError && error.canRetry && isFencedOut(error));
    await later!.close();
    const newest = await open();
    await newest.publish([{ topic: 'results-by-location', key: 'k', value: '"of the newest"' }]);
    await newest.close();
    await settled(settings, topicName(id, 'results-by-location'));
    const log = openLog(id);
    const values = (await log.read('results-by-location', 0, 0)).flatMap((batch) =>
      [...recordsOf(batch)].map(({ value }) => value),
    );
    assert.deepEqual(values, ['"of the later"', '"of the newest"']);
    await log.close();
  });

  test('removed records are reported by topic, partition and offset', async () => {
    const id = await makeElection(2);
    const topic = topicName(id, 'votes');
    const producer = await openTransactionalProducer(settings, `${id}.x`, null);
    await producer.publish([message(topic, '0', 'a', 1), message(topic, '1', 'b', 1)]);
    await settled(settings, topic, 1);
    const log = openLog(id);
    assert.equal((await log.read('votes', 1, 0))[0]?.count, 2);
    await producer.publish([message(topic, '2', 'c', 1)]);
    await producer.publish([message(topic, '3', 'd', 1)]);
    await producer.close();
    await settled(settings, topic, 1);
    const removeTo = (offset: bigint) =>
      withAdmin(settings, (admin) =>
        admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 1, offset }] }] }),
      );
    const readAnew = async (from: number) => {
      const fresh = openLog(id);
      try {
        return await fresh.read('votes', 1, from);
      } finally {
        await fresh.close();
      }
    };
    try {
      // Offsets: 0 and 1, a marker, 3, a marker, 5, a marker.
      await removeTo(4n);
      await assert.rejects(
        log.read('votes', 1, 2).then(() => log.read('votes', 1, 2)),
        failsWith('LOG_DAMAGED', new RegExp(`partition 1 of topic ${topic} (does not hold offset 3|has a gap)`)),
      );
      await assert.rejects(
        readAnew(1),
        failsWith('LOG_DAMAGED', new RegExp(`partition 1 of topic ${topic} has a gap: expected record 1 and got 3`)),
      );
      assert.equal((await readAnew(3))[0]?.count, 1);
      await removeTo(7n);
      await assert.rejects(
        readAnew(1),
        failsWith('LOG_DAMAGED', new RegExp(`partition 1 of topic ${topic} were removed up to offset 7; none is left`)),
      );
      const reader = openPartitionReader(settings, topic, 1);
      await assert
        .rejects(
          reader.fetch(3, 0),
          failsWith('LOG_DAMAGED', new RegExp(`partition 1 of topic ${topic} does not hold offset 3`)),
        )
        .finally(reader.close);
    } finally {
      await log.close();
    }
  });

  test('a topic that does not exist, or has another number of partitions, is reported by name', async () => {
    const id = await makeElection(2);
    const reader = openPartitionReader(settings, `${id}.nothing`, 0);
    await assert.rejects(reader.fetch(0, 0), failsWith('KAFKA_FAILED', new RegExp(`${id}\\.nothing`)));
    await reader.close();
    const beyond = openPartitionReader(settings, topicName(id, 'votes'), 2);
    await assert.rejects(beyond.fetch(0, 0), failsWith('KAFKA_UNREACHABLE', /partition 2 of topic .* has no leader/));
    await beyond.close();
    await assert.rejects(
      ensureTopics(settings, id, 3),
      failsWith(
        'KAFKA_FAILED',
        new RegExp(`topic ${id}\\.\\w+ has 2 partitions in Kafka, and the election was made for 3`),
      ),
    );
    await ensureTopics(settings, id, 2);
  });

  test('foreign records are skipped and reported; ours are read', async () => {
    const id = await makeElection();
    const topic = topicName(id, 'votes');
    const ours = await openTransactionalProducer(settings, `${id}.x`, null);
    const theirs = new Producer({ ...clientOptions(settings) });
    await theirs.send({ messages: [{ topic, partition: 0, value: Buffer.from('no key') }], acks: -1 });
    await ours.publish([message(topic, '0', 'a')]);
    await theirs.send({
      messages: ['x', '01', '-1', '1.5', ''].map((key) => message(topic, key, '{"seq":1}')),
      acks: -1,
    });
    await theirs.send({ messages: [{ topic, partition: 0, key: Buffer.from('1'), value: null as never }], acks: -1 });
    await ours.publish([message(topic, '1', 'b')]);
    let foreign = 0;
    const log = openLog(id, {
      onForeign: (told, partition, records) => {
        assert.deepEqual([told, partition], ['votes', 0]);
        foreign += records;
      },
    });
    const read: string[] = [];
    for (let from = 0; from < 2; )
      for (const batch of await log.read('votes', 0, from)) {
        read.push(...[...recordsOf(batch)].map(({ offset, value }) => `${offset}${value}`));
        from = batch.base_offset + batch.count;
      }
    assert.deepEqual(read, ['0a', '1b']);
    assert.equal(foreign, 7);
    await log.close();
    await ours.close();
    await theirs.close();
  });

  test('a record of five megabytes comes whole, alone and among small ones', async () => {
    const id = await makeElection();
    const topic = topicName(id, 'votes');
    const large = randomBytes(2.5 * 1024 * 1024).toString('hex');
    const producer = await openTransactionalProducer(settings, `${id}.x`, null);
    await producer.publish([message(topic, '0', 'small'), message(topic, '1', large), message(topic, '2', 'small')]);
    await producer.close();
    await settled(settings, topic);
    const log = openLog(id);
    const read = (await log.read('votes', 0, 1)).flatMap((batch) => [...recordsOf(batch)].map(({ value }) => value));
    assert.equal(read[0]?.length, large.length);
    assert.ok(read[0] === large && read.at(-1) === 'small');
    await log.close();
  });

  test('a log that was read to its end shows at once what is appended later', async () => {
    const id = await makeElection();
    const producer = await openTransactionalProducer(settings, `${id}.x`, null);
    const log = openLog(id);
    for (let at = 0; at < 20; at++) {
      await producer.publish([message(topicName(id, 'votes'), String(at), `r${at}`)]);
      await settled(settings, topicName(id, 'votes'));
      const [batch] = await log.read('votes', 0, at);
      assert.equal(batch?.base_offset, at);
    }
    await log.close();
    await producer.close();
  });

  test('waiting ends with its signal, and the log closes during a wait', async () => {
    const id = await makeElection();
    const log = openLog(id);
    const stop = new AbortController();
    const waited = log.wait('votes', 0, 0, stop.signal);
    stop.abort();
    await waited;
    await log.wait('votes', 0, 0, stop.signal);
    const open = log
      .wait('voters', 0, 0, new AbortController().signal)
      .catch((error: unknown) => assert.ok(error instanceof OperationalError, String(error)));
    await log.close();
    await open;
  });

  test('every offset is found by bisection, among aborted and foreign records', async () => {
    const step = fc.record({
      what: fc.constantFrom('ours' as const, 'ours' as const, 'aborted' as const, 'foreign' as const),
      records: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const id = await makeElection();
        const topic = topicName(id, 'votes');
        const ours = rawProducer(`${topic}.x`);
        const theirs = new Producer({ ...clientOptions(settings) });
        let next = 0;
        for (const { what, records } of steps) {
          const from = (key: (n: number) => string) =>
            Array.from({ length: records }, (_, i) => message(topic, key(next + i), `r${next + i}`));
          if (what === 'foreign') await theirs.send({ messages: from((n) => `x${n}`), acks: -1 });
          else {
            const transaction = await ours.beginTransaction();
            await transaction.send({ messages: from(String) });
            await transaction[what === 'ours' ? 'commit' : 'abort']();
            if (what === 'ours') next += records;
          }
        }
        await ours.close();
        await theirs.close();
        await settled(settings, topic);
        for (let from = 0; from <= next; from++) {
          const log = openLog(id);
          const [batch] = await log.read('votes', 0, from);
          assert.equal(batch?.base_offset, from === next ? undefined : from);
          if (batch !== undefined) assert.equal([...recordsOf(batch)][0]?.value, `r${from}`);
          await log.close();
        }
      }),
      { numRuns: 6 },
    );
  });
});

test('a quota that is used up slows readers down, and is not taken for the end of the topic', {
  skip: NEEDS_STACK,
}, async (context) => {
  const broker = await startBroker(context);
  const throttled: KafkaSettings = { brokers: [`127.0.0.1:${broker.port}`], tls: null, sasl: null, replication: 1 };
  const topic = 'throttled';
  await withAdmin(throttled, async (admin) => {
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    // A broker lets ten seconds of the quota pass at once. The topic has more bytes than that.
    const entities = [{ entityType: ClientQuotaEntityTypes.CLIENT_ID, entityName: 'tallyroom' }];
    const ops = [{ key: ClientQuotaKeys.CONSUMER_BYTE_RATE, value: 8_000, remove: false as const }];
    await admin.alterClientQuotas({ entries: [{ entities, ops }] });
  });
  const producer = await openTransactionalProducer(throttled, 'throttled', null);
  const values = Array.from({ length: 12 }, () => randomBytes(10_000).toString('hex'));
  for (const [n, value] of values.entries()) await producer.publish([message(topic, String(n), value)]);
  await producer.close();
  assert.deepEqual(valuesOf(await readTopic(throttled, topic, 0, 0, 1)), values);
});

interface Step {
  readonly producer: number;
  readonly what: 'send' | 'commit' | 'abort';
  readonly records: number;
}

/** @returns the values that were committed, in the order in which they were sent. */
async function playSteps(topic: string, producers: readonly Producer[], steps: readonly Step[]): Promise<string[]> {
  const sent: { value: string; transaction: object }[] = [];
  const open = new Map<number, Awaited<ReturnType<Producer['beginTransaction']>>>();
  const committed = new Set<object>();
  const end = async (producer: number, what: 'commit' | 'abort'): Promise<void> => {
    const transaction = open.get(producer);
    if (transaction === undefined) return;
    open.delete(producer);
    await transaction[what]();
    if (what === 'commit') committed.add(transaction);
  };
  for (const { producer, what, records } of steps) {
    if (what !== 'send') {
      await end(producer, what);
      continue;
    }
    const transaction = open.get(producer) ?? (await producers[producer]!.beginTransaction());
    open.set(producer, transaction);
    const values = Array.from({ length: records }, (_, i) => `${producer}: ${sent.length + i}`);
    await transaction.send({ messages: values.map((value) => message(topic, 'k', value)) });
    sent.push(...values.map((value) => ({ value, transaction })));
  }
  for (const producer of [...open.keys()]) await end(producer, producer === 1 ? 'abort' : 'commit');
  return sent.filter(({ transaction }) => committed.has(transaction)).map(({ value }) => value);
}
