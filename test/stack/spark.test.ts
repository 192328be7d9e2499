/**
 * The Spark counter on a real Kafka and a real Spark server. `npm run test:stack` starts and names
 * both.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { Producer, stringSerializers } from '@platformatic/kafka';
import fc from 'fast-check';
import { openKafkaLog } from '../../src/adapters/kafka/log.ts';
import { openTransactionalProducer } from '../../src/adapters/kafka/producer.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { topicId, withAdmin } from '../../src/adapters/kafka/topics.ts';
import { openKafkaWriter } from '../../src/adapters/kafka/writer.ts';
import { openSparkClient } from '../../src/adapters/spark/client.ts';
import { createSparkCounter, type SparkCounter } from '../../src/adapters/spark/counter.ts';
import { queryName } from '../../src/adapters/spark/plan.ts';
import { openQueryHome, sessionId } from '../../src/adapters/spark/query.ts';
import { parseSparkRemote } from '../../src/adapters/spark/remote.ts';
import { OperationalError } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/sha256.ts';
import { BoxCounter } from '../../src/domain/counting/box-counter.ts';
import type { Tally } from '../../src/domain/counting/tally.ts';
import { candidateKey, canonicalDefinition, type Election, partyNames } from '../../src/domain/election/election.ts';
import {
  candidateAt,
  cellsOf,
  type ElectionIndex,
  indexElection,
  slotContest,
  slotsOf,
} from '../../src/domain/election/election-index.ts';
import { originOf } from '../../src/domain/election/origin.ts';
import { chainStart, createBoxWriter } from '../../src/domain/log/box.ts';
import { cellKey, REMOVED, REVISION_KEY_PREFIX } from '../../src/domain/log/records.ts';
import type { ClosableLog } from '../../src/ports/backend.ts';
import type { ElectionEntry } from '../../src/ports/elections.ts';
import { recordsOf, TOPICS, type Topic } from '../../src/ports/log.ts';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { arbitraryElectionWithBallots, type Ballot, toColumns } from '../support/elections.ts';
import { openStackElection, type StackElection } from '../support/stack-election.ts';
import { testElection } from '../support/test-count.ts';
import { deleteTopics, makeTopics } from '../support/topics.ts';
import { succeeded } from '../support/workspace.ts';

const remote = process.env.SPARK_REMOTE ?? '';
const settings: KafkaSettings = {
  brokers: (process.env.KAFKA_BROKERS ?? '').split(','),
  tls: null,
  sasl: null,
  replication: 1,
};
const SKIPPED = process.env.TALLYROOM_TEST_STACK === undefined && 'no servers: npm run test:stack starts them';

/** An election in Kafka: the votes cast, and their tally by the in-process counter. */
interface Played {
  /** As a command that starts now finds it. */
  entry: ElectionEntry;
  /** The id that Kafka gave its topic `votes`. */
  readonly topic_id: string;
  readonly index: ElectionIndex;
  readonly log: ClosableLog;
  readonly said: string[];
  readonly expected: Tally;
  readonly ends: number[];
  /**
   * Casts ballots in boxes.
   * @param change is applied to the text of each box after the expected tally has counted it
   */
  cast(ballots: readonly Ballot[], partition?: number, change?: (box: string) => string): Promise<void>;
  /** Makes the next revision of the description: other names, parties and electorates. */
  revise(): Promise<void>;
  /** Puts a record into topic `votes` as a foreign program would. */
  intrude(key: Buffer | null, value: Buffer | null, partition?: number): Promise<void>;
  counter(boxesPerBatch?: number): SparkCounter;
  /** Counts until all votes cast are counted. @returns the counter that counted them */
  countAll(): Promise<SparkCounter>;
}

let producer: Producer<string, string, string, string>;
let rawProducer: Producer<Buffer, Buffer, Buffer, Buffer>;
const played: Played[] = [];
const prefix = `spark-test-${randomBytes(4).toString('hex')}`;
const never = new AbortController().signal;

async function play(election: Election, name = `${prefix}-${played.length}`): Promise<Played> {
  const id = name as Election['id'];
  const partitions = 2;
  const definition: Election = { ...election, id };
  const definition_hash = sha256(canonicalDefinition(definition));
  const index = indexElection(definition);
  const entry: ElectionEntry = {
    election_no: 1,
    id,
    name: definition.name,
    arguments: originOf({ kind: 'generated' }),
    seed: '1',
    partitions,
    definition,
    definition_hash,
    format: 2,
    revision: 0,
    generation: 1,
    voters_total: null,
  };
  await makeTopics(settings, id, partitions);
  const topic_id = await topicId(settings, `${id}.votes`);
  const log = openKafkaLog({ settings, election: id, committedEnd: null, assertFed: () => {} });
  const count = new BoxCounter(index, definition_hash, partitions, sha256);
  const writer = createBoxWriter(index, definition_hash, sha256);
  const heads = Array.from({ length: partitions }, (_, p) => chainStart(sha256, id, definition_hash, p));
  const boxes = new Array<number>(partitions).fill(0);
  const said: string[] = [];
  let epoch = 0;

  const self: Played = {
    entry,
    topic_id,
    index,
    log,
    said,
    expected: count.tally,
    ends: new Array<number>(partitions).fill(0),
    async cast(ballots, partition = 0, change = (box) => box) {
      const { text, hash: head } = writer.write(toColumns(ballots), self.ends[partition]!, heads[partition]!);
      heads[partition] = head;
      self.ends[partition]! += ballots.length;
      const values = text.split('\n').flatMap((line) => (line === '' ? [] : [line.slice(1)]));
      for (const value of values) count.countBox(partition, value);
      const messages = values.map((value) => ({
        topic: `${id}.votes`,
        partition,
        key: String(boxes[partition]!++),
        value: change(value),
      }));
      if (messages.length > 0) await producer.send({ messages, acks: -1 });
    },
    async revise() {
      const revision = self.entry.revision + 1;
      const described = redescribed(definition, revision);
      self.entry = { ...self.entry, definition: described, revision };
      const value = JSON.stringify({ revision, election: described });
      const messages = [{ topic: `${id}.definition`, partition: 0, key: REVISION_KEY_PREFIX + revision, value }];
      await producer.send({ messages, acks: -1 });
    },
    async intrude(key, value, partition = 0) {
      const message = { topic: `${id}.votes`, partition, ...(key && { key }), ...(value && { value }) };
      await rawProducer.send({ messages: [message], acks: -1 });
    },
    counter: (boxesPerBatch) =>
      createSparkCounter({
        remote: parseSparkRemote(remote),
        kafka: { brokers: settings.brokers.join(','), properties: {} },
        log,
        openWriter: () =>
          openKafkaWriter({
            settings,
            election: id,
            name: 'count',
            raiseEpoch: async () => ++epoch,
            currentEpoch: async () => epoch,
          }),
        prepareTopics: async () => topic_id,
        clock: () => new Date(),
        say: (line) => said.push(line),
        ...(boxesPerBatch === undefined ? {} : { boxes_per_batch_max: boxesPerBatch }),
      }),
    async countAll() {
      const done = new AbortController();
      const published = (covers: readonly number[]): void => {
        if (covers.every((seq, partition) => seq >= self.ends[partition]!)) done.abort();
      };
      const counter = self.counter();
      await counter.run(self.entry, { published, say() {} }, done.signal);
      return counter;
    },
  };
  played.push(self);
  return self;
}

/** Every name, party and electorate is another one. */
const redescribed = (election: Election, revision: number): Election => ({
  ...election,
  parties: election.parties.map((party) => ({ ...party, name: `${party.name} of ${revision}` })),
  candidates: election.candidates.map((candidate) => ({ ...candidate, name: `${candidate.name} "${revision}"` })),
  locations: election.locations.map((location) => ({
    ...location,
    name: `${location.name} 北 ${revision}`,
    registered_voters: 500 * revision,
  })),
});

/** The last value of each key of a topic. */
async function latest(log: ClosableLog, topic: Topic): Promise<Map<string, Record<string, unknown>>> {
  const values = new Map<string, Record<string, unknown>>();
  for (let from = 0; ; ) {
    const batches = await log.read(topic, 0, from);
    if (batches.length === 0) return values;
    for (const batch of batches) {
      for (const { key, value } of recordsOf(batch))
        if (value === REMOVED) values.delete(key);
        else values.set(key, JSON.parse(value));
      from = batch.base_offset + batch.count;
    }
  }
}

/** The records that the topics must hold for a tally, by key; the numbers of each record alone. */
function expectedResults({ index, expected: tally }: Played): Map<string, number> {
  const { election } = index;
  const results = new Map<string, number>();
  const totals = new Map<number, number>(election.candidates.map((_, number) => [number, 0]));
  for (const [location, { id }] of election.locations.entries()) {
    results.set(`ballots:${id}`, tally.ballots[location]!);
    results.set(`turnout ${id}`, tally.ballots[location]!);
    for (const slot of slotsOf(index, location)) {
      const contestId = slotContest(index, slot).id;
      if (tally.overvoted[slot]! > 0)
        results.set(`overvotes:${JSON.stringify([id, contestId])}`, tally.overvoted[slot]!);
      for (const cell of cellsOf(index, slot)) {
        const candidate = candidateAt(index, slot, cell);
        totals.set(candidate, totals.get(candidate)! + tally.votes[cell]!);
        if (tally.votes[cell]! > 0)
          results.set(
            `cell:${JSON.stringify([id, contestId, election.candidates[candidate]!.id])}`,
            tally.votes[cell]!,
          );
      }
    }
  }
  for (const [candidate, votes] of totals) {
    const { contest_id, id } = election.candidates[candidate]!;
    results.set(`candidate ${JSON.stringify([contest_id, id])}`, votes);
  }
  return results;
}

const NUMBERS = ['ballots_cast', 'votes', 'overvoted_ballots'];
const numberIn = (value: Record<string, unknown>): number => {
  const name = NUMBERS.find((each) => typeof value[each] === 'number');
  assert.ok(name !== undefined, JSON.stringify(value));
  return value[name] as number;
};

async function publishedResults({ log }: Played): Promise<Map<string, number>> {
  const results = new Map<string, number>();
  for (const [key, value] of await latest(log, 'results-by-location'))
    if (key !== 'totals' && key !== 'recount' && !key.startsWith('progress:')) results.set(key, numberIn(value));
  for (const [key, value] of await latest(log, 'votes-per-candidate')) results.set(`candidate ${key}`, numberIn(value));
  for (const [key, value] of await latest(log, 'turnout-by-location')) results.set(`turnout ${key}`, numberIn(value));
  return results;
}

const sorted = (results: Map<string, number>) => [...results].toSorted(([a], [b]) => (a < b ? -1 : 1));

async function assertCounted(election: Played): Promise<void> {
  assert.deepEqual(sorted(await publishedResults(election)), sorted(expectedResults(election)));
}

/** Each record follows the description in force, and its turnout is of its own numbers. */
async function assertDescribed({ entry, log }: Played): Promise<void> {
  const { definition, revision } = entry;
  const parties = partyNames(definition!);
  const candidates = await latest(log, 'votes-per-candidate');
  assert.equal(candidates.size, definition!.candidates.length);
  for (const candidate of definition!.candidates) {
    const record = candidates.get(candidateKey(candidate.contest_id, candidate.id))!;
    assert.deepEqual(
      [record.name, record.party, record.revision],
      [candidate.name, parties(candidate), revision],
      candidate.id,
    );
  }
  const turnouts = await latest(log, 'turnout-by-location');
  assert.equal(turnouts.size, definition!.locations.length);
  for (const { id, name, registered_voters } of definition!.locations) {
    const record = turnouts.get(id)!;
    assert.deepEqual([record.name, record.registered_voters, record.revision], [name, registered_voters, revision], id);
    assert.equal(record.turnout, Number(record.ballots_cast) / registered_voters!);
  }
}

const totalsOf = async ({ log }: Played) => (await latest(log, 'results-by-location')).get('totals')!;

const manyBallots = (index: ElectionIndex, ballots: number): Ballot[] =>
  Array.from({ length: ballots }, (_, i) => ({
    location: i % index.election.locations.length,
    selections: [i % index.election.candidates.length],
  }));

const damaged = (what: RegExp) => (error: unknown) =>
  error instanceof OperationalError && error.code === 'LOG_DAMAGED' && !error.canRetry && what.test(error.message);

interface RunningCounter {
  readonly stop: AbortController;
  readonly done: Promise<void>;
  /** Resolves once this number of votes is published. */
  covers(votes: number): Promise<void>;
}

function startCounter(election: Played, boxesPerBatch?: number): RunningCounter {
  const stop = new AbortController();
  const waiting = new Map<number, () => void>();
  let total = 0;
  const published = (covers: readonly number[]): void => {
    total = covers.reduce((sum, seq) => sum + seq, 0);
    for (const [votes, resolve] of waiting) if (votes <= total) resolve();
  };
  const done = election.counter(boxesPerBatch).run(election.entry, { published, say() {} }, stop.signal);
  done.catch(() => {});
  return {
    stop,
    done,
    covers(votes) {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (votes <= total) resolve();
      waiting.set(votes, resolve);
      return Promise.race([promise, done]);
    },
  };
}

/** A counter in a process of its own. Resolves once it has published something. */
async function startChild({ entry, topic_id }: Played): Promise<ChildProcess> {
  const path = (file: string): string => JSON.stringify(new URL(`../../src/adapters/${file}`, import.meta.url).href);
  const program = `
    import { openKafkaLog } from ${path('kafka/log.ts')};
    import { createSparkCounter } from ${path('spark/counter.ts')};
    import { parseSparkRemote } from ${path('spark/remote.ts')};
    const [entry, topicId, settings, remote] = JSON.parse(process.env.CHILD);
    const log = openKafkaLog({ settings, election: entry.id, committedEnd: null, assertFed() {} });
    const counter = createSparkCounter({
      remote: parseSparkRemote(remote),
      kafka: { brokers: settings.brokers.join(), properties: {} },
      log,
      openWriter: async () => ({ epoch: 1, async publish() {}, async [Symbol.asyncDispose]() {} }),
      prepareTopics: async () => topicId,
      clock: () => new Date(),
      say() {},
    });
    await counter.run(entry, { published: (covers) => console.log(covers) }, new AbortController().signal);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CHILD: JSON.stringify([entry, topic_id, settings, remote]) },
  });
  await once(child.stdout!, 'data');
  return child;
}

const homeOf = ({ entry, topic_id }: Played) => {
  const client = openSparkClient(parseSparkRemote(remote));
  const plan = {
    name: queryName(entry.id, topic_id, entry.generation),
    configuration: {},
    source: {},
    sink: {},
  };
  return { client, home: openQueryHome(client, plan, 'tallyroom') };
};

/** The run of the election's query on the server, or null. */
async function findQuery(election: Played): Promise<string | null> {
  const { client, home } = homeOf(election);
  try {
    return (await home.find())?.run_id ?? null;
  } finally {
    client.close();
  }
}

/** Waits until the results hold this number of votes, without any counter. */
const untilVotes = (election: Played, votes: number): Promise<void> =>
  untilResults(election, (results) => results.get('totals')?.ballots === votes);

/** Waits until the totals name the revision in force. */
const untilRevision = (election: Played): Promise<void> =>
  untilResults(election, (results) => results.get('totals')?.revision === election.entry.revision);

/** The turnout record of a location, once it is as wanted. */
async function untilTurnout(
  { id, kafka }: StackElection,
  location: string,
  accepts: (record: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  const log = openKafkaLog({
    settings: kafka,
    election: id as Election['id'],
    committedEnd: null,
    assertFed: () => {},
  });
  try {
    for (;;) {
      const end = await log.end('turnout-by-location', 0);
      const record = (await latest(log, 'turnout-by-location')).get(location);
      if (record !== undefined && accepts(record)) return record;
      await log.wait('turnout-by-location', 0, end, never);
    }
  } finally {
    await log.close();
  }
}

/** Waits until this number of states was published, or all votes are counted. */
const untilBatches = (election: Played, batches: number): Promise<void> => {
  const seen = new Set<unknown>();
  const all = election.ends.reduce((sum, end) => sum + end, 0);
  return untilResults(election, (results) => {
    const totals = results.get('totals');
    return seen.add(totals?.as_of).size > batches || totals?.ballots === all;
  });
};

async function untilResults(
  { log }: Played,
  accepts: (results: Map<string, Record<string, unknown>>) => boolean,
): Promise<void> {
  for (;;) {
    const end = await log.end('results-by-location', 0);
    if (accepts(await latest(log, 'results-by-location'))) return;
    await log.wait('results-by-location', 0, end, never);
  }
}

/** Ends a session on the server, as a timeout or an administrator would. */
async function closeSession({ entry, topic_id }: Played, number: number): Promise<void> {
  const { host, port } = parseSparkRemote(remote);
  const connection = connect(`http://${host}:${port}`);
  const session = Buffer.from(sessionId(queryName(entry.id, topic_id, entry.generation), number));
  const user = Buffer.from('tallyroom');
  const context = Buffer.concat([Buffer.from([0x0a, user.length]), user]);
  const message = Buffer.concat([
    Buffer.from([0x0a, session.length]),
    session,
    Buffer.from([0x12, context.length]),
    context,
  ]);
  const request = connection.request({
    ':method': 'POST',
    ':path': '/spark.connect.SparkConnectService/ReleaseSession',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  request.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  request.resume();
  await once(request, 'close');
  connection.close();
}

describe('the Spark counter', { skip: SKIPPED, concurrency: 1 }, () => {
  before(() => {
    const options = { clientId: 'test', bootstrapBrokers: [...settings.brokers] };
    producer = new Producer({ ...options, serializers: stringSerializers });
    rawProducer = new Producer(options);
  });
  after(async () => {
    await producer.close();
    await rawProducer.close();
    for (const { log } of played) await log.close();
    await withAdmin(settings, async (admin) => {
      const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(prefix));
      await admin.deleteTopics({ topics });
    });
  });

  test('publishes a zero report of an election without a vote, once', async () => {
    const election = await play(testElection());
    await election.countAll();
    await assertCounted(election);
    const totals = await totalsOf(election);
    assert.equal(totals.ballots, 0);
    assert.equal(totals.definition, election.entry.definition_hash);
    const end = await election.log.end('results-by-location', 0);
    await election.countAll();
    assert.equal(await election.log.end('results-by-location', 0), end);
  });

  test('publishes it also after a counter died while publishing its own', async () => {
    const election = await play(testElection());
    const { id } = election.entry;
    const dying = await openTransactionalProducer(settings, `${id}.count`, null);
    const death = new Error('in the middle');
    const half = {
      topic: `${id}.results-by-location`,
      partition: 0,
      key: Buffer.from('totals'),
      value: Buffer.from('{}'),
    };
    await assert.rejects(
      dying.publish([half], [], () => {
        throw death;
      }),
      death,
    );
    await dying.close();
    await election.cast([{ location: 0, selections: [0] }]);
    await election.countAll();
    await assertCounted(election);
    const candidates = await latest(election.log, 'votes-per-candidate');
    assert.equal(candidates.size, election.index.election.candidates.length, 'those without a vote, too');
  });

  test('gives the tally of the in-process counter on random elections', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryElectionWithBallots, async ({ index, ballots }) => {
        const election = await play(index.election);
        const half = Math.floor(ballots.length / 2);
        await election.cast(ballots.slice(0, half), 0);
        await election.cast(ballots.slice(half), 1);
        await election.countAll();
        await assertCounted(election);
      }),
      { numRuns: 8 },
    );
  });

  test('counts 3,000 locations and 3,000 candidates', { timeout: 300_000 }, async () => {
    const names = Array.from({ length: 1_000 }, (_, i) => `Candidate ${i} "O'Neill" \\ $\{x} 北京 😀`);
    const election = await play(testElection({ locations: 3_000, contests: [names, names, names] }));
    const ballots = Array.from({ length: 9_000 }, (_, i) => ({
      location: i % 3_000,
      selections: [i % 1_000, 1_000 + ((i * 7) % 1_000), 2_000 + ((i * 13) % 1_000)],
    }));
    await election.cast(ballots.slice(0, 5_000), 0);
    await election.cast(ballots.slice(5_000), 1);
    await election.countAll();
    await assertCounted(election);
    for (const { name } of (await latest(election.log, 'votes-per-candidate')).values())
      assert.ok(names.includes(String(name)), String(name));
  });

  test('gives names, parties, turnout and progress', async () => {
    const election = await play(testElection());
    await election.cast([{ location: 0, selections: [0] }]);
    const { gauges } = await election.countAll();
    assert.deepEqual(
      gauges!().find(({ name }) => name === 'tallyroom_spark_votes'),
      { name: 'tallyroom_spark_votes', help: 'Votes that the results which Spark published include.', value: 1 },
    );
    const { locations } = election.index.election;
    const turnout = (await latest(election.log, 'turnout-by-location')).get(locations[0]!.id)!;
    const { registered_voters } = locations[0]!;
    assert.equal(turnout.name, locations[0]!.name);
    assert.equal(turnout.registered_voters, registered_voters);
    assert.equal(turnout.turnout, registered_voters === null ? null : 1 / registered_voters);
    const results = await latest(election.log, 'results-by-location');
    const { as_of, ...progress } = results.get('progress:0')!;
    assert.deepEqual(progress, { partition: 0, votes: 1, seq_end: 1, is_dense: true, epoch: 1 });
    assert.match(String(as_of), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(results.get('totals')!.as_of, as_of);
  });

  test('ignores fields that it does not know', async () => {
    const election = await play(testElection());
    const extend = (box: string): string =>
      box
        .replace('{"seq":', '{"sealed_by":{"name":["x"],"at":1e9},"seq":')
        .replaceAll('{"location_id"', '{"device":null,"location_id"');
    await election.cast(manyBallots(election.index, 700), 0, extend);
    await election.countAll();
    await assertCounted(election);
    assert.equal((await totalsOf(election)).malformed, 0);
  });

  test('numbers foreign records and goes on', async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 600));
    const hash = election.entry.definition_hash;
    const vote = '{"location_id":"L0001","selections":{}}';
    const foreign: readonly (readonly [key: string | null, value: string | Buffer | null])[] = [
      ['7', null],
      ['7', ''],
      ['7', 'not JSON'],
      ['7', '{"seq":600,"definition":"'],
      ['7', Buffer.from([0xff, 0xfe, 0x00, 0xd8, 0x7b])],
      ['7', 'null'],
      ['7', '17'],
      ['7', '"text"'],
      ['7', '[]'],
      ['7', `[${vote}]`],
      ['7', '{}'],
      ['7', '['.repeat(100_000)],
      ['7', `{"seq":600,"definition":"${hash}","votes":"none"}`],
      ['7', `{"seq":600,"definition":"${hash}","votes":[]}`],
      ['7', `{"seq":600,"definition":"${hash}","votes":[1,2]}`],
      ['7', `{"seq":600,"definition":"${hash}","votes":[{"location_id":"L0001","selections":["Ada"]}]}`],
      ['7', `{"seq":600,"definition":"${hash}","votes":[{"location_id":"L0001","selections":{"contest-1":"Ada"}}]}`],
      ['7', `{"seq":600,"definition":"${hash}","votes":[${new Array(501).fill(vote).join()}]}`],
      ['7', `{"seq":600,"votes":[${vote}]}`],
      ['7', `{"definition":"${hash}","votes":[${vote}]}`],
      ['7', `{"seq":-1,"definition":"${hash}","votes":[${vote}]}`],
      ['7', `{"seq":0.5,"definition":"${hash}","votes":[${vote}]}`],
      ['7', `{"seq":"none","definition":"${hash}","votes":[${vote}]}`],
      ['7', `{"seq":9223372036854775807,"definition":"${hash}","votes":[${vote}]}`],
      ['7', `{"seq":1e400,"definition":"${hash}","votes":[${vote}]}`],
      ['7', `{"seq":${'9'.repeat(5_000)},"definition":"${hash}","votes":[${vote}]}`],
      [null, `{"seq":600,"definition":"${hash}","votes":[${vote}]}`],
      ['box-7', `{"seq":600,"definition":"${hash}","votes":[${vote}]}`],
    ];
    for (const [key, value] of foreign)
      await election.intrude(
        key === null ? null : Buffer.from(key),
        typeof value === 'string' ? Buffer.from(value) : value,
      );
    await election.cast(manyBallots(election.index, 30));
    await election.countAll();
    await assertCounted(election);
    assert.equal((await totalsOf(election)).malformed, foreign.length);
    assert.ok(election.said.some((line) => line.includes(`${foreign.length} records that are not boxes`)));
  });

  test('stops with an alarm at votes of another definition, and counts none of them', async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 60));
    const other = `{"seq":60,"definition":"${'f'.repeat(64)}","votes":[{"location_id":"L0001","selections":{}}]}`;
    await election.intrude(Buffer.from('1'), Buffer.from(other));
    await assert.rejects(
      election.counter().run(election.entry, { say() {}, published() {} }, never),
      damaged(/another definition/),
    );
    await assertCounted(election);
    assert.equal((await totalsOf(election)).other_definition, 1);
    assert.equal(await findQuery(election), null);
  });

  test('stops with an alarm at a box that comes twice, or a gap', async () => {
    for (const seq of [0, 400]) {
      const election = await play(testElection());
      await election.cast(manyBallots(election.index, 60));
      const box = `{"seq":${seq},"definition":"${election.entry.definition_hash}","votes":[{"location_id":"L0001","selections":{}}]}`;
      await election.intrude(Buffer.from('1'), Buffer.from(box));
      await assert.rejects(
        election.counter().run(election.entry, { say() {}, published() {} }, never),
        damaged(/gap or a repeat/),
      );
    }
  });

  test('stops with an alarm at a vote of a location or a candidate that is not in the election', async () => {
    for (const vote of [
      '{"location_id":["L0001"],"selections":{}}',
      '{"selections":{}}',
      'null',
      '{"location_id":"L0001","selections":{"contest-1":["Dora"]}}',
      '{"location_id":"L0001","selections":{"contest-1":[null]}}',
    ]) {
      const election = await play(testElection());
      const box = `{"seq":0,"definition":"${election.entry.definition_hash}","votes":[${vote}]}`;
      await election.intrude(Buffer.from('0'), Buffer.from(box));
      await assert.rejects(
        election.counter().run(election.entry, { say() {}, published() {} }, never),
        damaged(/definition lacks/),
      );
    }
  });

  test('the query outlives a counter that is killed, and the next counter finds it', { timeout: 120_000 }, async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 100));
    const child = await startChild(election);
    const before = await findQuery(election);
    assert.ok(before !== null);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await election.cast(manyBallots(election.index, 100));
    await untilVotes(election, 200);
    assert.equal(await findQuery(election), before);
    await election.cast(manyBallots(election.index, 50));
    await election.countAll();
    await assertCounted(election);
    assert.equal(await findQuery(election), null);
  });

  test('two counters share the query; the second goes on when the first has stopped it', {
    timeout: 120_000,
  }, async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 100));
    const first = startCounter(election);
    const second = startCounter(election);
    await Promise.all([first.covers(100), second.covers(100)]);
    first.stop.abort();
    await first.done;
    await election.cast(manyBallots(election.index, 100));
    await second.covers(200);
    second.stop.abort();
    await second.done;
    await assertCounted(election);
    assert.equal(await findQuery(election), null);
  });

  test('a stop in the middle of counting leaves a whole state, from which the next counter goes on', {
    timeout: 300_000,
  }, async () => {
    const election = await play(testElection({ locations: 500 }));
    for (let batch = 0; batch < 20; batch++) await election.cast(manyBallots(election.index, 20_000), batch % 2);
    const running = startCounter(election, 100);
    await untilBatches(election, 3);
    running.stop.abort();
    await running.done;
    const results = await latest(election.log, 'results-by-location');
    let ballots = 0;
    for (const [key, value] of results) if (key.startsWith('ballots:')) ballots += Number(value.ballots_cast);
    assert.equal(ballots, results.get('totals')!.ballots);
    await election.countAll();
    await assertCounted(election);
  });

  test('goes on in a new session with the same checkpoint after its session was closed', {
    timeout: 120_000,
  }, async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 100));
    await election.countAll();
    await closeSession(election, 0);
    await election.cast(manyBallots(election.index, 100));
    await election.countAll();
    await assertCounted(election);
  });

  test('counts from the first vote after all topics were removed and made again', { timeout: 120_000 }, async () => {
    const first = await play(testElection());
    // The second micro-batch completes the first one in the checkpoint. The new topic has the
    // length of the first one.
    for (let batch = 0; batch < 2; batch++) {
      await first.cast(manyBallots(first.index, 100));
      await first.countAll();
    }
    await deleteTopics(
      settings,
      TOPICS.map((topic) => `${first.entry.id}.${topic}`),
    );
    const second = await play(testElection(), first.entry.id);
    await second.cast(manyBallots(second.index, 100));
    await second.countAll();
    await assertCounted(second);
  });

  test('results that were damaged while no counter ran are an alarm, and no wait without end', {
    timeout: 120_000,
  }, async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 90));
    await election.countAll();
    const key = cellKey('L0001', 'contest-1', 'Ada');
    const cell = (await latest(election.log, 'results-by-location')).get(key);
    const topic = `${election.entry.id}.results-by-location`;
    const value = JSON.stringify({ ...cell, votes: 20 });
    await producer.send({ messages: [{ topic, partition: 0, key, value }], acks: -1 });
    await assert.rejects(
      election.countAll(),
      damaged(/the votes of its candidates add up to 80, and its totals say 90/),
    );
    assert.equal(await findQuery(election), null);
    const recount: Played = { ...election, entry: { ...election.entry, generation: 2 } };
    const counter = startCounter(recount);
    await counter.covers(90);
    counter.stop.abort();
    await counter.done;
    await assertCounted(recount);
  });

  test('a recount replaces every record, and fences the counter of the results before it', {
    timeout: 300_000,
  }, async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 90));
    const earlier = startCounter(election);
    await earlier.covers(90);
    // Two cells of one contest and location are changed by opposite amounts, so all sums hold.
    const known = (await latest(election.log, 'results-by-location')).get(cellKey('L0001', 'contest-1', 'Ada'));
    const forge = (topic: Topic, key: string, value: object) =>
      producer.send({
        messages: [{ topic: `${election.entry.id}.${topic}`, partition: 0, key, value: JSON.stringify(value) }],
        acks: -1,
      });
    for (const [candidate_id, votes] of [
      ['Ada', 20],
      ['Ben', 10],
    ] as const)
      await forge('results-by-location', cellKey('L0001', 'contest-1', candidate_id), {
        ...known,
        candidate_id,
        votes,
      });
    await forge('votes-per-candidate', 'X', {});
    const recount: Played = { ...election, entry: { ...election.entry, generation: 2 } };
    const later = startCounter(recount);
    await later.covers(90);
    await assert.rejects(earlier.done, (error) => error instanceof OperationalError && error.code === 'FENCED');
    assert.equal(await findQuery(election), null);
    await recount.cast(manyBallots(recount.index, 9), 1);
    await later.covers(99);
    later.stop.abort();
    await later.done;
    await assertCounted(recount);
    for (const topic of ['results-by-location', 'votes-per-candidate', 'turnout-by-location'] as const)
      for (const [key, { epoch }] of await latest(election.log, topic)) assert.equal(epoch, 2, `${topic} ${key}`);
    assert.equal(election.said.filter((line) => line.includes('Counting again from the first vote')).length, 1);
  });

  test('follows a revision while nobody votes, with two counters, and one that was made while none ran', {
    timeout: 300_000,
  }, async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 100));
    const counters = [startCounter(election), startCounter(election)];
    await Promise.all(counters.map(({ covers }) => covers(100)));
    await election.revise();
    await untilRevision(election);
    await assertDescribed(election);
    await assertCounted(election);
    await election.cast(manyBallots(election.index, 2), 1);
    await Promise.all(counters.map(({ covers }) => covers(102)));
    for (const { stop } of counters) stop.abort();
    await Promise.all(counters.map(({ done }) => done));
    await assertDescribed(election);
    await assertCounted(election);
    assert.equal(election.said.filter((line) => line.includes('follow description 1')).length, 1);
    await election.revise();
    await election.countAll();
    await assertDescribed(election);
    await assertCounted(election);
    assert.equal((await totalsOf(election)).revision, 2);
    // A counter that finds every record under the description in force publishes none.
    const end = await election.log.end('turnout-by-location', 0);
    await election.countAll();
    assert.equal(await election.log.end('turnout-by-location', 0), end);
    assert.equal(await findQuery(election), null);
  });

  test('follows a revision in the middle of counting', { timeout: 300_000 }, async () => {
    const election = await play(testElection({ locations: 500 }));
    for (let batch = 0; batch < 20; batch++) await election.cast(manyBallots(election.index, 20_000), batch % 2);
    const running = startCounter(election, 100);
    await untilBatches(election, 2);
    await election.revise();
    await Promise.all([running.covers(400_000), untilRevision(election)]);
    running.stop.abort();
    await running.done;
    await assertDescribed(election);
    await assertCounted(election);
    // No location has a vote from here on, so a query that only goes on would change no name.
    await election.revise();
    await election.countAll();
    await assertDescribed(election);
    await assertCounted(election);
  });

  test('replaces a record that an earlier moment has overwritten', { timeout: 120_000 }, async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 90));
    await election.countAll();
    const turnout = (await latest(election.log, 'turnout-by-location')).get('L0001')!;
    const value = JSON.stringify({ ...turnout, ballots_cast: 1, as_of: '2000-01-01T00:00:00.000Z' });
    const topic = `${election.entry.id}.turnout-by-location`;
    await producer.send({ messages: [{ topic, partition: 0, key: 'L0001', value }], acks: -1 });
    await election.revise();
    await election.countAll();
    await assertDescribed(election);
    await assertCounted(election);
  });

  test('a roll that grows and a description that is revised, by commands; verify agrees', {
    timeout: 300_000,
  }, async (context) => {
    const election = openStackElection(context);
    const council = { ...COUNCIL, id: election.id };
    const file = election.file('council.json', JSON.stringify(council));
    const roll = election.file('roll.csv', councilRoll(100));
    succeeded(await election.run(['register', '--election', file, '--roll', roll]));
    const votes = (name: string, ordinal: number): string =>
      election.file(
        name,
        `registration_number,location_id,mayor,board\n${numberOf('north', ordinal)},north,Ada,Cy\n${numberOf('south', ordinal)},south,Bob,\n`,
      );
    const counting = election.start(['count', '--engine', 'spark']);
    succeeded(await election.run(['vote', '--votes', votes('votes.csv', 1)]));
    await untilTurnout(election, 'north', ({ ballots_cast }) => ballots_cast === 1);
    const more = election.file('more.csv', 'registration_number,location_id,name\nN9001,north,Late\n');
    succeeded(await election.run(['register', '--add', more]));
    const north = await untilTurnout(election, 'north', ({ revision }) => revision === 1);
    assert.deepEqual([north.registered_voters, north.ballots_cast, north.turnout], [101, 1, 1 / 101]);
    succeeded(await election.run(['verify']));
    succeeded(await election.run(['vote', '--votes', votes('later.csv', 2)]));
    await untilTurnout(election, 'south', ({ ballots_cast, revision }) => ballots_cast === 2 && revision === 1);
    counting.child.kill('SIGINT');
    assert.equal((await counting.ended).code, 0);
    succeeded(await election.run(['verify']));
    const locations = council.locations.map((each) => ({ ...each, name: `${each.name} ward` }));
    const revised = election.file('revised.json', JSON.stringify({ ...council, locations }));
    succeeded(await election.run(['register', '--revise', revised]));
    succeeded(await election.run(['count', '--once', '--engine', 'spark']));
    const south = await untilTurnout(election, 'south', ({ revision }) => revision === 2);
    assert.deepEqual([south.name, south.ballots_cast, south.registered_voters], ['South ward', 2, 100]);
    succeeded(await election.run(['verify']));
  });

  test('says why the query has ended', { timeout: 300_000 }, async () => {
    const election = await play(testElection());
    await election.cast(manyBallots(election.index, 100));
    const running = startCounter(election);
    await running.covers(100);
    await withAdmin(settings, (admin) => admin.deleteTopics({ topics: [`${election.entry.id}.votes`] }));
    await assert.rejects(running.done, (error) => error instanceof OperationalError && error.code === 'SPARK_FAILED');
  });
});
