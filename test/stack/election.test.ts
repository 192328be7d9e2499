/**
 * A whole election on Kafka, PostgreSQL 15 and Spark, as a user holds it, and as seen by programs
 * that know nothing of Tallyroom.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type pg from 'pg';
import { openKafkaLog } from '../../src/adapters/kafka/log.ts';
import { withAdmin } from '../../src/adapters/kafka/topics.ts';
import type { ElectionId } from '../../src/domain/election/election.ts';
import type { Results } from '../../src/domain/results/results.ts';
import { COMPACTED_TOPICS, recordsOf, TOPICS, type Topic } from '../../src/ports/log.ts';
import { ensureJars, findJava } from '../../src/stack/java.ts';
import { assertMinnesota, MINNESOTA_VOTERS, minnesota, NEEDS_DATA } from '../support/minnesota.ts';
import { addressOf, completeResults, numbersOf } from '../support/results.ts';
import { JARS, NEEDS_STACK } from '../support/stack.ts';
import { openStackElection, type StackElection } from '../support/stack-election.ts';
import type { Started } from '../support/tallyroom.ts';
import { succeeded } from '../support/workspace.ts';

const ONCE = ['--rate', 'max', '--port', '0', '--once', '--json'];
const VOTERS = 500;
const BALLOTS = 350;
const MAKING = ['--voters', String(VOTERS), '--seed', '29'];

async function interrupt(command: Started): Promise<string> {
  command.child.kill('SIGINT');
  const { code, stderr } = await command.ended;
  assert.equal(code, 0, stderr);
  return stderr;
}

/** The bytes that a viewer gets, and the tag that identifies the state. */
async function snapshotOf(address: string): Promise<{ etag: string | null; text: string }> {
  const response = await fetch(`${address}api/results`);
  assert.equal(response.status, 200);
  return { etag: response.headers.get('etag'), text: await response.text() };
}

/** The records of each topic, as the command `topics` lists them. */
async function listTopics(election: StackElection): Promise<Map<string, number>> {
  const lines = succeeded(await election.run(['topics']))
    .trimEnd()
    .split('\n');
  const records = new Map(lines.map((line) => [line.split('\t')[0]!, Number(line.split('\t')[1])]));
  assert.deepEqual(
    [...records.keys()],
    TOPICS.map((topic) => `${election.id}.${topic}`),
  );
  return records;
}

const partitionsOf = (topic: Topic): readonly number[] => (COMPACTED_TOPICS.has(topic) ? [0] : [0, 1]);

/** The number of committed records in an election's topics. */
async function recordsIn({ id, kafka }: StackElection): Promise<number> {
  const log = openKafkaLog({ settings: kafka, election: id as ElectionId, committedEnd: null, assertFed: () => {} });
  try {
    let records = 0;
    for (const topic of TOPICS)
      for (const partition of partitionsOf(topic))
        for (let from = 0; ; ) {
          const batches = await log.read(topic, partition, from);
          if (batches.length === 0) break;
          for (const batch of batches) {
            for (const _ of recordsOf(batch)) records++;
            from = batch.base_offset + batch.count;
          }
        }
    return records;
  } finally {
    await log.close();
  }
}

interface Line {
  readonly partition: string;
  readonly key: string;
  readonly value: string;
}

/** The longest time that Kafka's own consumer waits for a record that does not come. */
const CONSUMER_MS_MAX = 60_000;

/**
 * The output of Kafka's own console consumer for all topics of an election, started as its
 * documentation says.
 */
async function consume({ id, kafka }: StackElection, records: number): Promise<Line[]> {
  const [java, jars] = [await findJava(), await ensureJars(JARS, 'kafka', () => {})];
  const consumer = ['-Xmx256m', '-cp', join(jars, '*'), 'org.apache.kafka.tools.consumer.ConsoleConsumer'];
  const printed = ['partition', 'key'].flatMap((what) => ['--formatter-property', `print.${what}=true`]);
  const { stdout } = await promisify(execFile)(
    java,
    [
      ...[...consumer, '--bootstrap-server', kafka.brokers.join(), '--include', `${id}\\..*`, '--from-beginning'],
      ...['--isolation-level', 'read_committed', '--max-messages', String(records), ...printed],
      ...['--timeout-ms', String(CONSUMER_MS_MAX)],
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [partition = '', key = '', ...rest] = line.split('\t');
      return { partition, key, value: rest.join('\t') };
    });
}

/** An election that was held with a process for each stage. */
interface Held {
  readonly election: StackElection;
  readonly address: string;
  readonly results: Results;
  readonly dashboards: readonly Started[];
}

async function hold(context: TestContext): Promise<Held> {
  const election = openStackElection(context);
  succeeded(await election.run(['register', ...MAKING]));
  const dashboards = [1, 2].map(() => election.start(['dashboard', '--port', '0']));
  const count = election.start(['count', '--engine', 'spark']);
  const vote = await election.run(['vote', '--rate', 'max']);
  succeeded(vote);
  assert.match(vote.stderr, /350 votes cast, 0 refused/);
  const [address] = (await Promise.all(dashboards.map(addressOf))) as [string];
  const results = await completeResults(address);
  assert.match(await interrupt(count), /Counted 350 votes/);
  return { election, address, results, dashboards };
}

const selectBy = async (database: pg.Client, text: string, id: string): Promise<Map<string, number>> => {
  const { rows } = await database.query<{ name: string; n: string }>(text, [id]);
  return new Map(rows.map(({ name, n }) => [name, Number(n)]));
};

const sorted = (counts: Iterable<readonly [string, number]>) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1));

describe('an election on Kafka, PostgreSQL 15 and Spark', { skip: NEEDS_STACK, concurrency: 1 }, () => {
  test('Minnesota 2024 whole, counted by Spark: every county exact', {
    ...NEEDS_DATA,
    timeout: 300_000,
  }, async (context) => {
    const election = openStackElection(context);
    const run = await election.run(['run', ...minnesota(), '--engine', 'spark', ...ONCE]);
    assertMinnesota(JSON.parse(succeeded(run)));
    assert.match(succeeded(await election.run(['verify'])), /Everything agrees: 3,253,920 votes/);
    const records = await listTopics(election);
    assert.equal(records.get(`${election.id}.voters`), MINNESOTA_VOTERS);
  });

  test('with a process for each stage', async (context) => {
    const { election, address, results, dashboards } = await hold(context);
    const first = await snapshotOf(address);
    assert.equal(results.sequence, BALLOTS);

    await context.test('two dashboards show the same state: to the byte, with the same tag', async () => {
      const other = await addressOf(dashboards[1]!);
      assert.notEqual(other, address);
      await completeResults(other);
      assert.deepEqual(await snapshotOf(other), first);
      assert.ok(first.etag);
      const known = await fetch(`${other}api/results`, { headers: { 'if-none-match': first.etag } });
      assert.equal(known.status, 304);
    });

    await context.test('plain SQL sees the roll, the participation and the totals', async () => {
      const database = await election.connect();
      const voters = await selectBy(
        database,
        `SELECT location_id AS name, count(*) AS n
         FROM voters JOIN elections USING (election_no) JOIN locations USING (election_no, location_no)
         WHERE election_id = $1 GROUP BY location_id`,
        election.id,
      );
      const participation = await selectBy(
        database,
        `SELECT location_id AS name, count(*) AS n
         FROM participation JOIN voters USING (election_no, voter_id) JOIN elections USING (election_no)
           JOIN locations USING (election_no, location_no)
         WHERE election_id = $1 GROUP BY location_id`,
        election.id,
      );
      const ballots = await selectBy(
        database,
        `SELECT location_id AS name, count(*) AS n
         FROM votes JOIN elections USING (election_no) JOIN locations USING (election_no, location_no)
         WHERE election_id = $1 GROUP BY location_id`,
        election.id,
      );
      const totals = await selectBy(
        database,
        `SELECT candidate_id AS name, count(*) AS n
         FROM votes CROSS JOIN unnest(selections) AS candidate_no JOIN elections USING (election_no)
           JOIN candidates USING (election_no, candidate_no)
         WHERE election_id = $1 GROUP BY candidate_id`,
        election.id,
      );
      const shown = results.locations.filter(({ ballots_cast }) => ballots_cast! > 0);
      assert.deepEqual(
        sorted(voters),
        sorted(results.locations.flatMap(({ id, registered_voters: n }) => (n ? [[id, n] as const] : []))),
      );
      const cast = sorted(shown.map(({ id, ballots_cast }) => [id, ballots_cast!] as const));
      assert.deepEqual(sorted(participation), cast);
      assert.deepEqual(sorted(ballots), cast);
      assert.deepEqual(sorted(totals), sorted(results.contests[0]!.candidates.map(({ id, votes }) => [id, votes])));
    });

    await context.test('the topics are listed and printed', async () => {
      const records = await listTopics(election);
      assert.equal(records.get(`${election.id}.voters`), VOTERS);
      const printed = succeeded(await election.run(['topics', 'votes-per-candidate']));
      const totals = new Map(
        printed
          .trimEnd()
          .split('\n')
          .map((line) => line.split('\t'))
          .map(([key, value]) => [(JSON.parse(key!) as string[])[1]!, Number(JSON.parse(value!).votes)]),
      );
      assert.deepEqual(sorted(totals), sorted(results.contests[0]!.candidates.map(({ id, votes }) => [id, votes])));
    });

    await context.test(
      "Kafka's own console consumer reads it all as JSON with keys, and no personal data",
      async () => {
        const lines = await consume(election, await recordsIn(election));
        const records = lines.map((line) => ({ ...line, value: JSON.parse(line.value) }));
        const dense = (of: typeof records): void => {
          const offsets = of.map(({ partition, key }) => `${partition} ${key}`).sort();
          const expected = ['Partition:0', 'Partition:1'].flatMap((partition) =>
            of.filter((each) => each.partition === partition).map((_, offset) => `${partition} ${offset}`),
          );
          assert.deepEqual(offsets, expected.sort());
        };
        const voters = records.filter(({ value }) => 'voter_id' in value);
        assert.equal(new Set(voters.map(({ value }) => value.voter_id)).size, VOTERS);
        dense(voters);
        const boxes = records.filter(({ value }) => Array.isArray(value.votes));
        dense(boxes);
        const contest = results.contests[0]!;
        const cast = new Map<string, number>(contest.candidates.map(({ id }) => [id, 0]));
        const votes = boxes.flatMap(({ value }) => value.votes as { selections: Record<string, string[]> }[]);
        for (const { selections } of votes)
          for (const candidate of selections[contest.id] ?? []) cast.set(candidate, cast.get(candidate)! + 1);
        assert.equal(votes.length, BALLOTS);
        const totals = sorted(contest.candidates.map(({ id, votes: n }) => [id, n] as const));
        assert.deepEqual(sorted(cast), totals);
        // The last record of each key is valid.
        const published = new Map(
          records
            .filter(({ key }) => contest.candidates.some(({ id }) => key === JSON.stringify([contest.id, id])))
            .map(({ key, value }) => [(JSON.parse(key) as string[])[1]!, Number(value.votes)]),
        );
        assert.deepEqual(sorted(published), totals);
        await assertImpersonal(await election.connect(), election.id, lines);
      },
    );

    succeeded(await election.run(['verify']));
    for (const dashboard of dashboards) await interrupt(dashboard);

    await context.test(
      'a dashboard that starts when all stages have ended needs the compacted topics alone',
      async () => {
        const others = TOPICS.filter((topic) => !COMPACTED_TOPICS.has(topic)).map((topic) => `${election.id}.${topic}`);
        await withAdmin(election.kafka, (admin) => admin.deleteTopics({ topics: others }));
        const dashboard = election.start(['dashboard', '--port', '0'], {
          DATABASE_URL: undefined,
          SPARK_REMOTE: undefined,
        });
        const third = await addressOf(dashboard);
        await completeResults(third);
        assert.deepEqual(await snapshotOf(third), first);
        assert.doesNotMatch(await interrupt(dashboard), /database|PostgreSQL/i);
      },
    );
  });

  test('both engines give the same numbers; the engine that began a count goes on with it', async (context) => {
    const [spark, local] = [openStackElection(context), openStackElection(context)];
    const run = (election: StackElection, ...more: string[]) => election.run(['run', ...MAKING, ...more, ...ONCE]);
    const counted = succeeded(await run(spark, '--engine', 'spark'));
    const expected = succeeded(await run(local));
    assert.deepEqual(numbersOf(counted), numbersOf(expected));
    assert.equal(succeeded(await run(spark, '--engine', 'spark')), counted);
    for (const [election, began, other] of [
      [spark, 'spark', 'local'],
      [local, 'local', 'spark'],
    ] as const)
      for (const ended of [await run(election, '--engine', other), await election.run(['count', '--engine', other])]) {
        assert.deepEqual([ended.code, ended.stdout], [2, '']);
        assert.match(
          ended.stderr,
          new RegExp(`Error: .*${election.id} was begun with --engine ${began}\\nNext: .*--fresh`),
        );
      }
    for (const election of [spark, local]) succeeded(await election.run(['verify']));
  });
});

/** Checks that no record contains anything that table `voters` says of a person. */
async function assertImpersonal(database: pg.Client, id: string, lines: readonly Line[]): Promise<void> {
  const { rows } = await database.query<{ needle: string | null }>(
    `SELECT DISTINCT unnest(array[registration_number, uuid, email, phone, cell, street, postcode, picture,
                                  first_name || ' ' || last_name]) AS needle
     FROM voters JOIN elections USING (election_no) WHERE election_id = $1`,
    [id],
  );
  const text = lines.map(({ key, value }) => `${key}\n${value}`).join('\n');
  const names = await database.query<{ name: string }>(
    'SELECT candidates.name FROM candidates JOIN elections USING (election_no) WHERE election_id = $1',
    [id],
  );
  // A candidate may share a name with a voter. A postcode of three letters may be part of any text.
  const needles = rows.flatMap(({ needle }) =>
    needle !== null && needle.length >= 6 && !names.rows.some(({ name }) => name.includes(needle)) ? [needle] : [],
  );
  assert.ok(needles.length > VOTERS, `${needles.length} values`);
  assert.deepEqual(
    needles.filter((needle) => text.includes(needle)),
    [],
  );
}
