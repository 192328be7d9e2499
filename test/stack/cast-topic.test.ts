/**
 * Real cast votes from a Kafka topic of another system: each vote counts once, also if a process is
 * killed, records are repeated or removed, or a command starts twice.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, type TestContext, test } from 'node:test';
import { type Admin, type Message, Producer } from '@platformatic/kafka';
import type pg from 'pg';
import { clientOptions } from '../../src/adapters/kafka/client.ts';
import { openForeignTopic } from '../../src/adapters/kafka/foreign.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/settings.ts';
import { withAdmin } from '../../src/adapters/kafka/topics.ts';
import { OperationalError } from '../../src/base/errors.ts';
import { startBroker } from '../support/broker.ts';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { NEEDS_STACK } from '../support/stack.ts';
import { openStackElection, type StackElection } from '../support/stack-election.ts';
import type { Ended, Started } from '../support/tallyroom.ts';
import { readTopic } from '../support/topics.ts';
import { succeeded } from '../support/workspace.ts';

const VOTERS_EACH = 1_500;
const never = new AbortController().signal;

/** An election whose voters are registered and have not voted; its log has two partitions. */
async function openCouncil(context: TestContext, environment: NodeJS.ProcessEnv = {}): Promise<StackElection> {
  const election = openStackElection(context, environment);
  const registered = await election.run([
    ...['register', '--election', election.file('council.json', JSON.stringify({ ...COUNCIL, id: election.id }))],
    ...['--roll', election.file('roll.csv', councilRoll(VOTERS_EACH))],
  ]);
  succeeded(registered);
  assert.match(registered.stderr, /3,000 voters are registered/);
  return election;
}

/** A topic that another system writes. */
interface SourceTopic {
  readonly name: string;
  /** The value of `--from`. */
  readonly from: string;
  /** Sends records to a partition in one request, which is committed at once. */
  send(partition: number, values: readonly (string | Buffer | null)[]): Promise<void>;
  /** Sends them in a transaction that is aborted. */
  abort(partition: number, values: readonly string[]): Promise<void>;
  make(partitions: number): Promise<void>;
  /** Adds partitions until the topic has this number, and sends to them from now on. */
  grow(partitions: number): Promise<void>;
  remove(): Promise<void>;
  withAdmin<Value>(work: (admin: Admin) => Promise<Value>): Promise<Value>;
}

async function openSource(context: TestContext, kafka: KafkaSettings, partitions: number): Promise<SourceTopic> {
  const name = `polls.${randomBytes(6).toString('hex')}`;
  const options = { ...clientOptions(kafka), idempotent: true, autocreateTopics: false };
  const producer = new Producer(options);
  const transactional = new Producer({
    ...options,
    transactionalId: `${name}.aborted`,
    producerId: -1n,
    producerEpoch: -1,
  });
  /** Keys belong to the other system: some are missing, and none means anything to Tallyroom. */
  const messagesOf = (partition: number, values: readonly (string | Buffer | null)[]) =>
    values.map((value, i) => ({
      topic: name,
      partition,
      ...(i % 2 === 0 ? { key: Buffer.from(`booth ${i}`) } : {}),
      ...(value === null ? {} : { value: Buffer.from(value) }),
    })) as Message[];
  const withOurs: SourceTopic['withAdmin'] = (work) => withAdmin(kafka, work);
  const isThere = async (admin: Admin): Promise<boolean> => (await admin.listTopics()).includes(name);
  const source: SourceTopic = {
    name,
    from: `topic:${name}`,
    async send(partition, values) {
      await producer.send({ messages: messagesOf(partition, values) });
    },
    async abort(partition, values) {
      const transaction = await transactional.beginTransaction();
      await transaction.send({ messages: messagesOf(partition, values) });
      await transaction.abort();
    },
    make: (count) =>
      withOurs(async (admin) => {
        await admin.createTopics({ topics: [name], partitions: count, replicas: 1 });
        while (!(await isThere(admin)));
      }),
    async grow(count) {
      await withOurs((admin) => admin.createPartitions({ topics: [{ name, count, assignments: null }] }));
      // While the client knows of fewer partitions, it sends to one of those.
      const known = async () => (await producer.metadata({ topics: [name], forceUpdate: true })).topics.get(name);
      while ((await known())?.partitionsCount !== count);
    },
    remove: () =>
      withOurs(async (admin) => {
        await admin.deleteTopics({ topics: [name] });
        while (await isThere(admin));
      }),
    withAdmin: withOurs,
  };
  context.after(async () => {
    await producer.close();
    await transactional.close();
    await withOurs(async (admin) => {
      if (await isThere(admin)) await admin.deleteTopics({ topics: [name] });
    });
  });
  await source.make(partitions);
  return source;
}

const vote = (registration_number: unknown, location_id: string, selections: unknown = {}, more: object = {}): string =>
  JSON.stringify({ registration_number, location_id, selections, ...more });

/** Votes of northern voters, from one ordinal to another, all for the same candidate. */
const votesFor = (mayor: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => vote(numberOf('north', from + i), 'north', { mayor: [mayor] }));

const castFrom = (source: SourceTopic): string[] => ['vote', '--from', source.from, '--once'];

const votedBy = ({ stderr }: Ended): string | undefined => /[\d,]+ votes? cast, [\d,]+ refused/.exec(stderr)?.[0];

const castBy = (ended: Ended): number => Number(/[\d,]+/.exec(votedBy(ended)!)![0].replace(',', ''));

/** Checks that the command ends with exit code 2 and the message. */
function refused({ code, stderr }: Ended, reason: RegExp): void {
  assert.equal(code, 2, stderr);
  assert.match(stderr, reason);
  assert.match(stderr, /Next: +\w/);
}

async function interrupt(command: Started): Promise<Ended> {
  command.child.kill('SIGINT');
  const ended = await command.ended;
  assert.equal(ended.code, 130, ended.stderr);
  return ended;
}

interface Outcome {
  /** The number of voters for each choice, as cast: candidates joined by `|`. */
  readonly ballots: { readonly [choice: string]: number };
  readonly rejections: { readonly [reason: string]: number };
}

/** The ballots and rejections, once the published results and both recounts agree with them. */
async function outcomeOf(election: StackElection): Promise<Outcome> {
  succeeded(await election.run(['count', '--once']));
  const verified = JSON.parse(succeeded(await election.run(['verify', '--json'])));
  assert.equal(verified.passed, true);
  const client = await election.connect();
  const { rows } = await client.query<{ selections: number[]; n: number }>(
    `SELECT selections, count(*)::int AS n FROM votes_${await numberIn(client, election.id)} GROUP BY selections`,
  );
  const names = COUNCIL.candidates.map(({ name }) => name);
  return {
    ballots: Object.fromEntries(
      rows.map(({ selections, n }) => [selections.map((each) => names[each]).join('|') || 'blank', n]),
    ),
    rejections: verified.rejections,
  };
}

async function numberIn(client: pg.Client, id: string): Promise<number> {
  const { rows } = await client.query('SELECT election_no FROM elections WHERE election_id = $1', [id]);
  return rows[0].election_no;
}

/**
 * The test uses the same wake-up as readers of the log. Resolves when this number of voters has
 * voted.
 */
async function openTurnout(election: StackElection): Promise<(voters: number) => Promise<void>> {
  const client = await election.connect();
  const number = await numberIn(client, election.id);
  let wake = (): void => {};
  client.on('notification', () => wake());
  await client.query('LISTEN tallyroom_log');
  return async (voters) => {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const { rows } = await client.query(`SELECT count(*)::int AS n FROM participation_${number}`);
      if (rows[0].n >= voters) return;
      await woken;
    }
  };
}

describe('cast votes from a topic of another system', { skip: NEEDS_STACK, concurrency: 2 }, () => {
  test('every reason for a refusal, beside votes that count; a later start takes the new votes and repeats nothing', async (context) => {
    const election = await openCouncil(context);
    const source = await openSource(context, election.kafka, 3);
    await source.send(0, [
      vote('N0001', 'north', { mayor: ['Ada'], board: ['Cy', 'Di'] }),
      'N0005;north;Ada',
      null,
      Buffer.from([0x7b, 0xff, 0x7d]),
      '["N0005", "north"]',
      vote('N0005', 'north', {}, { note: 'x'.repeat(1_000_000) }),
      vote('N0005', 'north', {}, { booth: 7 }),
      vote(5, 'north'),
      '{"registration_number": "N0005", "selections": {}}',
      vote('N0005', 'north', { mayor: 'Ada' }),
      vote('N0002', 'north'),
      '',
    ]);
    await source.send(1, [
      vote('N0003', 'north', { mayor: ['Ada', 'Bob'] }),
      vote('X0001', 'north', { mayor: ['Ada'] }),
      vote('N0005', 'south', { mayor: ['Ada'] }),
      vote('N0005', 'west', { mayor: ['Ada'] }),
      vote('N0005', 'north', { senate: ['Ada'] }),
      vote('S0005', 'south', { board: ['Cy'] }),
      vote('N0005', 'north', { mayor: ['Eve'] }),
      vote('N0005', 'north', { mayor: ['Ada', 'Ada'] }),
      vote('N0003', 'north', { mayor: ['Bob'] }),
    ]);
    await source.abort(2, [vote('N0006', 'north', { mayor: ['Bob'] }), 'and no vote at all']);
    await source.send(2, [vote('S0001', 'south', { mayor: ['Bob'] })]);
    await source.abort(2, [vote('N0007', 'north', { mayor: ['Bob'] })]);
    const cast = await election.run(castFrom(source));
    succeeded(cast);
    assert.equal(votedBy(cast), '4 votes cast, 18 refused', cast.stderr);
    for (const [place, reason] of [
      ['0:1', /: the record is not a JSON object\. Next: write one JSON object a record\.$/],
      ['0:2', /: the record has no value\. Next: /],
      ['0:3', /: the record is not UTF-8\. Next: /],
      ['0:4', /: the record is not a JSON object\. Next: /],
      ['0:5', /: the record is longer than 1000000 bytes\. Next: write one vote a record\.$/],
      ['0:6', /: there is a key that no vote has\. Next: /],
      ['0:7', /: registration_number: is not text\. Next: /],
      ['0:8', /: location_id: is not text\. Next: /],
      ['0:9', /: selections: is not an object of lists\. Next: /],
      ['0:11', /: the record is not a JSON object\. Next: /],
      ['1:1', /: the registration number is not on the roll\. Next: /],
      ['1:2', /: the voter is registered in another location\. Next: /],
      ['1:3', /: location_id: is not a location of the election\. Next: /],
      ['1:4', /: selections: names a contest that is not in the election\. Next: /],
      ['1:5', /: selections: names a contest that is not on the ballot of this location\. Next: /],
      ['1:6', /: selections: names a candidate who does not stand in the contest\. Next: /],
      ['1:7', /: selections: names a candidate twice\. Next: /],
      ['1:8', /: the voter has voted already, and that vote stays\. Next: /],
    ] as const) {
      const said = cast.stderr.split('\n').find((each) => each.startsWith(`${source.from}/${place}: `));
      assert.match(said ?? `nothing of ${place} in ${cast.stderr}`, reason);
    }
    assert.doesNotMatch(cast.stderr, /[NSX]000|Ada|Bob|Eve|senate|west|booth|xxx/);

    assert.equal(votedBy(await election.run(castFrom(source))), '0 votes cast, 0 refused');
    await source.send(2, [vote('N0001', 'north', { mayor: ['Bob'] }), vote('S0002', 'south', { mayor: ['Ada'] })]);
    const more = await election.run(castFrom(source));
    succeeded(more);
    assert.equal(votedBy(more), '1 vote cast, 1 refused');
    assert.match(more.stderr, new RegExp(`${source.from}/2:\\d+: the voter has voted already`));
    assert.equal(votedBy(await election.run(castFrom(source))), '0 votes cast, 0 refused');
    assert.deepEqual(await outcomeOf(election), {
      ballots: { 'Ada|Cy|Di': 1, blank: 1, 'Ada|Bob': 1, Bob: 1, Ada: 1 },
      rejections: {
        malformed: 10,
        'unknown-voter': 1,
        'wrong-location': 1,
        'unknown-location': 1,
        'unknown-contest': 1,
        'contest-not-on-ballot': 1,
        'unknown-candidate': 1,
        'repeated-candidate': 1,
        'already-voted': 2,
      },
    });
  });

  test('without --once it follows the topic, partitions that are added later too, until Ctrl-C', async (context) => {
    const election = await openCouncil(context);
    const source = await openSource(context, election.kafka, 1);
    const turnout = await openTurnout(election);
    const following = election.start(['vote', '--from', source.from]);
    await following.says(new RegExp(`Taking votes from topic ${source.name} \\(1 partition\\), until Ctrl-C\\.`));
    await source.send(0, votesFor('Ada', 1, 100));
    await turnout(100);
    await source.abort(0, votesFor('Bob', 101, 200));
    await source.send(0, votesFor('Ada', 151, 250));
    await turnout(200);
    await source.grow(3);
    await source.send(2, votesFor('Bob', 301, 400));
    await turnout(300);
    assert.equal((await readTopic(election.kafka, source.name, 2)).length, 100, 'the partition that was added');
    assert.equal(votedBy(await interrupt(following)), '300 votes cast, 0 refused');
    await source.send(1, votesFor('Bob', 401, 500));
    assert.equal(votedBy(await election.run(castFrom(source))), '100 votes cast, 0 refused');
    assert.deepEqual(await outcomeOf(election), { ballots: { Ada: 200, Bob: 200 }, rejections: {} });
  });

  test('killed before and after a commit, the first and a later one: the next start goes on exactly there', async (context) => {
    const election = await openCouncil(context);
    let voters = 0;
    for (const point of ['vote.before-commit', 'vote.after-commit'])
      for (const nth of [1, 3]) {
        const source = await openSource(context, election.kafka, 4);
        for (let partition = 0; partition < 4; partition++) {
          // Each partition repeats voters of its own and names an unknown one.
          const votes = votesFor('Ada', voters + 1, voters + 50);
          const again = votesFor('Bob', voters + 1, voters + 5);
          await source.send(partition, [...votes, ...again, vote('X0001', 'north')]);
          voters += 50;
        }
        const died = await election.run(castFrom(source), { TALLYROOM_CRASH_AT: `${point}#${nth}` });
        assert.equal(died.signal, 'SIGKILL', `the point was not passed: ${died.stderr}`);
        const next = await election.run(castFrom(source));
        succeeded(next);
        // Nothing of the first partition is committed before its commit, all of it after.
        const partitions = 4 - (nth - 1) - (point === 'vote.after-commit' ? 1 : 0);
        assert.equal(votedBy(next), `${partitions * 50} votes cast, ${partitions * 6} refused`, `${point}#${nth}`);
      }
    assert.deepEqual(await outcomeOf(election), {
      ballots: { Ada: voters },
      rejections: { 'already-voted': 80, 'unknown-voter': 16 },
    });
  });

  test('two processes share the partitions; one is killed in the middle; the other takes all, each vote once', async (context) => {
    const election = await openCouncil(context);
    const source = await openSource(context, election.kafka, 4);
    const turnout = await openTurnout(election);
    const share = async (command: Started, partitions: number): Promise<number[]> => {
      const list = Array.from({ length: partitions }, () => '\\d').join(', ');
      const [, said] = await command.says(new RegExp(`Taking votes from partitions (${list}) of topic`));
      return said!.split(', ').map(Number);
    };
    const both = [election.start(['vote', '--from', source.from]), election.start(['vote', '--from', source.from])];
    const shares = await Promise.all(both.map((each) => share(each, 2)));
    assert.deepEqual(shares.flat().toSorted(), [0, 1, 2, 3]);
    const [killed, other] = both;
    const sendTo = async (from: number, to: number): Promise<void> => {
      for (let at = from; at <= to; at += 25) await source.send((at >> 3) % 4, votesFor('Ada', at, at + 24));
    };
    const sending = sendTo(1, 1_000);
    await turnout(200);
    killed!.child.kill('SIGKILL');
    assert.equal((await killed!.ended).signal, 'SIGKILL');
    assert.deepEqual(await share(other!, 4), [0, 1, 2, 3]);
    await sending;
    await sendTo(501, VOTERS_EACH);
    await turnout(VOTERS_EACH);
    // Two more processes with an end in sight find no votes, or only votes that are refused.
    const late = await Promise.all([election.run(castFrom(source)), election.run(castFrom(source))]);
    for (const each of late) assert.equal(castBy(each), 0, each.stderr);
    await interrupt(other!);
    assert.deepEqual(await outcomeOf(election), {
      ballots: { Ada: VOTERS_EACH },
      rejections: { 'already-voted': 500 },
    });
  });

  test('the topic and a file with the same voters at once: each voter once, in any order', async (context) => {
    const election = await openCouncil(context);
    const source = await openSource(context, election.kafka, 2);
    await source.send(0, votesFor('Ada', 1, 600));
    await source.send(1, votesFor('Ada', 601, 1_200));
    const file = election.file('votes.ndjson', votesFor('Bob', 301, VOTERS_EACH).join('\n'));
    const both = await Promise.all([election.run(castFrom(source)), election.run(['vote', '--votes', file])]);
    for (const each of both) succeeded(each);
    const [ada, bob] = both.map(castBy);
    assert.equal(ada! + bob!, VOTERS_EACH);
    assert.ok(ada! >= 300 && bob! >= 300, `${ada} and ${bob}`);
    const { ballots, rejections } = await outcomeOf(election);
    assert.deepEqual(Object.fromEntries(Object.entries(ballots)), { Ada: ada, Bob: bob });
    assert.deepEqual(rejections, { 'already-voted': 900 });
  });

  test('a topic that does not exist, belongs to the election itself, or lost records is refused by name', async (context) => {
    const election = await openCouncil(context);
    refused(
      await election.run(['vote', '--from', 'topic:polls.nowhere', '--once']),
      /there is no topic polls\.nowhere in Kafka/,
    );
    refused(
      await election.run(['vote', '--from', `topic:${election.id}.votes`, '--once']),
      new RegExp(`topic ${election.id}\\.votes is one of election ${election.id} itself`),
    );
    refused(
      await election.run(['vote', '--from', 'topic:polls', '--once'], { KAFKA_BROKERS: undefined }),
      /--from topic:polls is in Kafka, and KAFKA_BROKERS is not set/,
    );
    const source = await openSource(context, election.kafka, 2);
    const removeTo = (partition: number, offset: bigint): Promise<unknown> =>
      source.withAdmin((admin) =>
        admin.deleteRecords({ topics: [{ name: source.name, partitions: [{ partition, offset }] }] }),
      );
    await source.send(1, votesFor('Ada', 1, 10));
    assert.equal(votedBy(await election.run(castFrom(source))), '10 votes cast, 0 refused');
    await source.send(1, votesFor('Ada', 11, 30));
    await removeTo(1, 20n);
    const lacking = new RegExp(
      `partition 1 of topic ${source.name} lacks the records from offset 10 to 19: they were removed before they were read`,
    );
    refused(await election.run(castFrom(source)), lacking);
    refused(await election.run(['vote', '--from', source.from]), lacking);
    // Records that were taken may be removed.
    const other = await openSource(context, election.kafka, 1);
    await other.send(0, votesFor('Ada', 11, 20));
    assert.equal(votedBy(await election.run(castFrom(other))), '10 votes cast, 0 refused');
    await other.withAdmin((admin) =>
      admin.deleteRecords({ topics: [{ name: other.name, partitions: [{ partition: 0, offset: 10n }] }] }),
    );
    await other.send(0, votesFor('Ada', 21, 30));
    assert.equal(votedBy(await election.run(castFrom(other))), '10 votes cast, 0 refused');
    assert.deepEqual(await outcomeOf(election), { ballots: { Ada: 30 }, rejections: {} });
  });

  test('a topic that was removed or made again under its name is refused by name', async (context) => {
    const election = await openCouncil(context);
    const source = await openSource(context, election.kafka, 1);
    // No vote was taken yet, so another topic may take its place.
    assert.equal(votedBy(await election.run(castFrom(source))), '0 votes cast, 0 refused');
    await source.remove();
    await source.make(2);
    await source.send(1, votesFor('Ada', 1, 10));
    const turnout = await openTurnout(election);
    const following = election.start(['vote', '--from', source.from]);
    await turnout(10);
    await source.remove();
    refused(await following.ended, new RegExp(`there is no topic ${source.name} in Kafka`));
    await source.make(2);
    await source.send(1, votesFor('Bob', 11, 30));
    refused(
      await election.run(castFrom(source)),
      new RegExp(`${source.from} was removed and made again since votes were taken from it`),
    );
    assert.deepEqual(await outcomeOf(election), { ballots: { Ada: 10 }, rejections: {} });
  });

  test('a topic that is truncated or made again while it is open: nothing else is read in its place', async (context) => {
    const { kafka } = openStackElection(context);
    const source = await openSource(context, kafka, 2);
    const topic = await openForeignTopic(kafka, source.name);
    context.after(() => topic.close());
    await source.send(0, ['first', 'second']);
    const read = await topic.read(0, 1, never);
    assert.deepEqual(
      read.records.map(({ offset, value }) => [offset, String(value)]),
      [[1, 'second']],
    );
    assert.deepEqual(await topic.ends(), [2, 0]);
    await assert.rejects(topic.read(0, 99, never), {
      code: 'INPUT_REFUSED',
      message: `partition 0 of topic ${source.name} ends at offset 2, and votes were taken up to offset 99: its records were removed`,
    });
    await source.remove();
    await source.make(2);
    for (const partition of [0, 1]) await source.send(partition, ['third', 'fourth', 'fifth']);
    const madeAgain = (error: unknown): boolean =>
      error instanceof OperationalError &&
      error.code === 'INPUT_REFUSED' &&
      error.message === `topic ${source.name} was removed and made again while votes were taken from it`;
    // Partition 1 was never read. Its reader asks for the topic's id only now, and learns of the
    // new topic.
    for (const partition of [0, 1]) await assert.rejects(topic.read(partition, 2, never), madeAgain);
    await assert.rejects(topic.ends(), madeAgain);
    const anew = await openForeignTopic(kafka, source.name);
    context.after(() => anew.close());
    assert.notEqual(anew.identity, topic.identity);
    assert.ok(Number.isSafeInteger(anew.identity) && Number.isSafeInteger(topic.identity));
  });

  test('a broker is killed', async (owner) => {
    const broker = await startBroker(owner);
    // A test of its own, so that its connections to the broker are gone before the broker is.
    await owner.test('while votes are followed: it waits, says so once, and goes on', async (context) => {
      const election = await openCouncil(context, { KAFKA_BROKERS: `127.0.0.1:${broker.port}` });
      const source = await openSource(context, election.kafka, 2);
      const turnout = await openTurnout(election);
      await source.send(0, votesFor('Ada', 1, 100));
      const following = election.start(['vote', '--from', source.from]);
      await turnout(100);
      await broker.kill();
      await following.says(/Kafka does not answer\. Waiting for it; nothing committed is lost\./);
      await broker.start();
      await source.send(0, votesFor('Ada', 101, 200));
      await source.send(1, votesFor('Ada', 201, 300));
      await turnout(300);
      const { stderr } = await interrupt(following);
      assert.match(stderr, /300 votes cast, 0 refused/);
      assert.equal(stderr.match(/Kafka does not answer/g)?.length, 1, stderr);
      assert.deepEqual(await outcomeOf(election), { ballots: { Ada: 300 }, rejections: {} });
    });
  });
});
