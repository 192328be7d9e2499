import { parseArgs } from 'node:util';
import { Producer } from '@platformatic/kafka';
import pg from 'pg';
import { clientOptions } from '../src/adapters/kafka/client.ts';
import { openPartitionReader } from '../src/adapters/kafka/reader.ts';
import type { KafkaSettings } from '../src/adapters/kafka/settings.ts';
import { withAdmin } from '../src/adapters/kafka/topics.ts';
import { copyIn, participationRows, RowBuffer, voteRows } from '../src/adapters/postgres/copy.ts';
import { createVoteColumns } from '../src/domain/ballots/vote-columns.ts';
import type { Engine } from '../src/ports/counter.ts';
import { registerElection } from '../src/stages/register.ts';
import { verify } from '../src/stages/verify.ts';
import { silent } from '../test/support/progress.ts';
import { type ClusterServers, clusterServers } from './servers.ts';
import { conditions, makeReplay, median, print, withFreshBackend } from './support.ts';
import { voteAndCount } from './throughput.ts';

/** The aim on two cores, with all servers on the machine. */
const VOTES_PER_SECOND_TARGETS: Record<Engine, number> = { local: 150_000, spark: 100_000 };

/**
 * Votes a second from a voter's record in Kafka to a published result. Each vote goes through
 * PostgreSQL (unique index, COPY, fsync on), table `log`, the relay and Kafka. The same run also
 * measures the same servers with COPY alone, with producing and consuming alone, and with one row
 * and one commit a vote. Registration is not part of it. `verify` runs afterwards, untimed.
 * Options: --votes N, --repeat N, --engine local|spark (both if it is left out).
 */
export async function bench(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      votes: { type: 'string', default: '1000000' },
      repeat: { type: 'string', default: '3' },
      engine: { type: 'string' },
    },
  });
  const votes = Number(values.votes);
  const engines: Engine[] = values.engine === undefined ? ['local', 'spark'] : [values.engine as Engine];
  const servers = await clusterServers(
    engines.includes('spark') ? ['kafka', 'postgres', 'spark'] : ['kafka', 'postgres'],
  );
  try {
    const limits = await measureLimits(servers, votes);
    const demo = await measureRowByRow(servers);
    for (const engine of engines) {
      const rates: number[] = [];
      for (let run = 0; run < Number(values.repeat); run++) rates.push(await measure(servers, engine, votes));
      const target = VOTES_PER_SECOND_TARGETS[engine];
      print({
        name: 'cluster',
        engine,
        votes,
        votes_per_s: median(rates),
        runs: rates,
        limit: target,
        ratio: Number((median(rates) / target).toFixed(2)),
        ...limits,
        ratio_to_copy: Number((median(rates) / limits.copy_votes_per_s).toFixed(2)),
        ratio_to_kafka: Number((median(rates) / limits.kafka_votes_per_s).toFixed(2)),
        row_by_row_votes_per_s: demo,
        ratio_to_row_by_row: Math.round(median(rates) / demo),
        ...conditions(),
      });
    }
  } finally {
    await servers.close();
  }
}

async function measure(servers: ClusterServers, engine: Engine, votes: number): Promise<number> {
  return withFreshBackend(async (backend) => {
    const entry = await makeReplay(backend, votes);
    const signal = new AbortController().signal;
    await registerElection({ backend, entry, progress: silent(), signal });
    await backend.settle(entry, signal);
    const figures = await voteAndCount(backend, entry, votes, engine);
    await using log = await backend.openLog(entry);
    const { passed, checks } = await verify(entry, log, backend, signal);
    if (!passed) throw new Error(`verify disagrees, so the figure does not count: ${JSON.stringify(checks)}`);
    print({ name: 'cluster-once', engine, votes, ...figures, ...conditions() });
    return figures.votes_per_s;
  }, servers);
}

const CANDIDATES = 9;
const LOCATIONS = 87;
const BATCH = 20_000;
const VOTES_PER_RECORD = 500;

interface Limits {
  readonly copy_votes_per_s: number;
  readonly kafka_votes_per_s: number;
  readonly kafka_consume_votes_per_s: number;
}

/** The rate of the servers without any of our own work: the least work that the pipeline needs. */
async function measureLimits({ databaseUrl, kafka }: ClusterServers, votes: number): Promise<Limits> {
  const copy = await measureCopy(databaseUrl, votes);
  const { produced, consumed } = await measureKafka(kafka, votes);
  const limits = { copy_votes_per_s: copy, kafka_votes_per_s: produced, kafka_consume_votes_per_s: consumed };
  print({ name: 'cluster-limits', votes, ...limits, ...conditions() });
  return limits;
}

/**
 * COPY of participation and votes over two connections, into tables like ours. Commits every 20,000
 * votes.
 */
async function measureCopy(url: string, votes: number): Promise<number> {
  const clients = await Promise.all([0, 1].map(() => connect(url)));
  try {
    await clients[0]!.query('DROP SCHEMA IF EXISTS bench CASCADE');
    await clients[0]!.query('CREATE SCHEMA bench');
    await clients[0]!.query('CREATE TABLE bench.participation (voter_id bigint PRIMARY KEY)');
    await clients[0]!.query('CREATE TABLE bench.votes (batch_no integer, location_no integer, selections integer[])');
    const begun = performance.now();
    await Promise.all(
      clients.map(async (client, part) => {
        const voters = new RowBuffer();
        const rows = new RowBuffer();
        const columns = createVoteColumns(BATCH, BATCH);
        columns.count = BATCH;
        for (let i = 0; i < BATCH; i++) {
          columns.locations[i] = i % LOCATIONS;
          columns.starts[i] = i;
          columns.selections[i] = i % CANDIDATES;
        }
        columns.starts[BATCH] = BATCH;
        for (let first = part * BATCH; first < votes; first += 2 * BATCH) {
          const ids = Float64Array.from({ length: BATCH }, (_, i) => first + i);
          await client.query('BEGIN');
          await copyIn(client, 'COPY bench.participation FROM STDIN (FORMAT binary)', participationRows(voters, ids));
          await copyIn(client, 'COPY bench.votes FROM STDIN (FORMAT binary)', voteRows(rows, columns, first / BATCH));
          await client.query('COMMIT');
        }
      }),
    );
    return perSecond(votes, begun);
  } finally {
    await clients[0]!.query('DROP SCHEMA IF EXISTS bench CASCADE');
    await Promise.all(clients.map((client) => client.end()));
  }
}

/** Records of 500 votes, compressed like ours, produced to and consumed from two partitions. */
async function measureKafka(settings: KafkaSettings, votes: number): Promise<{ produced: number; consumed: number }> {
  const topic = `bench-${process.pid}`;
  await withAdmin(settings, (admin) =>
    admin.createTopics({ topics: [topic], partitions: 2, replicas: settings.replication }),
  );
  const producer = new Producer({ ...clientOptions(settings), compression: 'zstd' });
  const readers = [0, 1].map((partition) => openPartitionReader(settings, topic, partition));
  try {
    const record = Buffer.from(boxLike());
    let begun = performance.now();
    for (let sent = 0; sent < votes; sent += BATCH)
      await producer.send({
        messages: Array.from({ length: BATCH / VOTES_PER_RECORD }, (_, i) => ({
          topic,
          partition: (sent / BATCH) % 2,
          key: Buffer.from(String(i)),
          value: record,
        })),
        acks: -1,
      });
    const produced = perSecond(votes, begun);
    begun = performance.now();
    let read = 0;
    for (const reader of readers)
      for (let at = 0; ; ) {
        const { records, next } = await reader.fetch(at, 0);
        if (records.length === 0) break;
        for (const { value } of records) read += value!.toString('utf8').length > 0 ? VOTES_PER_RECORD : 0;
        at = next;
      }
    if (read < votes) throw new Error(`consumed ${read} of ${votes} votes`);
    return { produced, consumed: perSecond(votes, begun) };
  } finally {
    await producer.close();
    for (const reader of readers) await reader.close();
    await withAdmin(settings, (admin) => admin.deleteTopics({ topics: [topic] }));
  }
}

function boxLike(): string {
  const votes = Array.from({ length: VOTES_PER_RECORD }, (_, i) => {
    const candidate = `Candidate ${1 + (i % CANDIDATES)} and Running Mate ${1 + (i % CANDIDATES)}`;
    return { location_id: String(27001 + 2 * (i % LOCATIONS)), selections: { 'us-president': [candidate] } };
  });
  return JSON.stringify({ seq: 0, definition: 'a'.repeat(64), votes, hash: 'b'.repeat(64) });
}

const DEMO_VOTES = 4_000;
const DEMO_CONNECTIONS = 2;

/**
 * The usual demonstration on these servers: for each voter one INSERT, one commit, and one record
 * that is produced and awaited.
 */
async function measureRowByRow({ databaseUrl, kafka }: ClusterServers): Promise<number> {
  const topic = `bench-demo-${process.pid}`;
  const clients = await Promise.all(Array.from({ length: DEMO_CONNECTIONS }, () => connect(databaseUrl)));
  const producers = clients.map(() => new Producer({ ...clientOptions(kafka) }));
  await withAdmin(kafka, (admin) => admin.createTopics({ topics: [topic], partitions: DEMO_CONNECTIONS, replicas: 1 }));
  const [first] = clients;
  try {
    await first!.query('DROP SCHEMA IF EXISTS bench CASCADE');
    await first!.query('CREATE SCHEMA bench');
    await first!.query(
      'CREATE TABLE bench.votes (voter_id bigint PRIMARY KEY, candidate_id integer, voted_at timestamptz)',
    );
    const begun = performance.now();
    await Promise.all(
      clients.map(async (client, part) => {
        for (let voter = part; voter < DEMO_VOTES; voter += DEMO_CONNECTIONS) {
          const vote = { voter_id: voter, candidate_id: voter % CANDIDATES };
          await client.query({
            name: 'vote',
            text: 'INSERT INTO bench.votes VALUES ($1, $2, now())',
            values: [vote.voter_id, vote.candidate_id],
          });
          const value = Buffer.from(JSON.stringify(vote));
          await producers[part]!.send({ messages: [{ topic, partition: part, value }], acks: -1 });
        }
      }),
    );
    const rate = perSecond(DEMO_VOTES, begun);
    print({ name: 'cluster-row-by-row', votes: DEMO_VOTES, votes_per_s: rate, ...conditions() });
    return rate;
  } finally {
    await first!.query('DROP SCHEMA IF EXISTS bench CASCADE');
    for (const client of clients) await client.end();
    for (const producer of producers) await producer.close();
    await withAdmin(kafka, (admin) => admin.deleteTopics({ topics: [topic] }));
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

const perSecond = (n: number, begun: number): number => Math.round((n * 1000) / (performance.now() - begun));
