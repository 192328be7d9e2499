import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { openBundledServer } from '../../src/bundled-postgres/server.ts';
import { serversOf } from '../../src/cli/config.ts';
import type { VoteColumns } from '../../src/domain/ballots/vote-columns.ts';
import type { Election, ElectionId } from '../../src/domain/election/election.ts';
import { indexElection } from '../../src/domain/election/election-index.ts';
import { originOf } from '../../src/domain/election/origin.ts';
import { createVoterColumns, readVoters, type VoterColumns } from '../../src/domain/log/voter-records.ts';
import type { Backend } from '../../src/ports/backend.ts';
import type { CastBatch } from '../../src/ports/ballot-batch.ts';
import type { ClaimedPartition } from '../../src/ports/ballot-box.ts';
import type { ElectionEntry } from '../../src/ports/elections.ts';
import type { Log } from '../../src/ports/log.ts';
import { openBooth } from '../../src/stages/voting/booth.ts';
import { openBackend } from '../../src/wire/backend.ts';
import { temporaryDirectory } from '../support/tallyroom.ts';
import { type Tampering, tamperingInKafka, tamperingInTable } from './tampering.ts';

/** A backend under test, and its database for tests that look or tamper. */
export interface TestBackend {
  readonly backend: Backend;
  readonly database: pg.Pool;
  /** A second process, from the point of view of the backend. */
  openAnother(): Promise<Backend>;
  readonly tampering: Tampering;
  close(): Promise<void>;
}

export interface BackendUnderTest {
  readonly name: string;
  open(): Promise<TestBackend>;
}

/** The backends that every contract suite runs on. */
export const BACKENDS: readonly BackendUnderTest[] =
  process.env.TALLYROOM_TEST_STACK === '1'
    ? [{ name: 'PostgreSQL and Kafka', open: openCluster }]
    : [{ name: 'embedded', open: openEmbedded }];

/** The servers that `npm run test:stack` has started; each test has elections of its own there. */
async function openCluster(): Promise<TestBackend> {
  const directory = temporaryDirectory();
  const options = { dataDir: directory.path, ...serversOf(process.env), onProgress: () => {} };
  const backend = await openBackend(options);
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 2 });
  return {
    backend,
    database: pool,
    tampering: tamperingInKafka(options.kafka!),
    openAnother: () => openBackend(options),
    async close() {
      await pool.end();
      await backend.close();
      directory.remove();
    },
  };
}

async function openEmbedded(): Promise<TestBackend> {
  const directory = temporaryDirectory();
  const server = await openBundledServer({ dataDir: directory.path });
  const { host, port, user, database } = server.connection;
  const url = `postgresql:///${database}?host=${encodeURIComponent(host)}&port=${port}&user=${user}`;
  const options = {
    dataDir: directory.path,
    databaseUrl: url,
    kafka: null,
    sparkRemote: null,
    onProgress: () => {},
  };
  const backend = await openBackend(options);
  const pool = new pg.Pool({ ...server.connection, max: 2 });
  return {
    backend,
    database: pool,
    tampering: tamperingInTable(pool),
    openAnother: () => openBackend(options),
    async close() {
      await pool.end();
      await backend.close();
      await server.close();
      directory.remove();
    },
  };
}

const run = randomBytes(4).toString('hex');
let made = 0;

/** An election of its own for one test. */
export async function defineElection(backend: Backend, election: Election, partitions = 2): Promise<ElectionEntry> {
  const id = `test-${run}-${++made}` as ElectionId;
  const origin = originOf({ kind: 'generated' });
  const entry = await backend.elections.create({ id, name: election.name, arguments: origin, seed: '1', partitions });
  return backend.elections.define(entry, { ...election, id });
}

/** Registers voters of these location numbers, in order, in one partition. @returns their ids. */
export async function registerVoters(
  backend: Backend,
  entry: ElectionEntry,
  locations: readonly number[],
  partition = 0,
): Promise<VoterColumns> {
  const voters = createVoterColumns(Math.max(1, locations.length));
  if (locations.length === 0) return voters;
  voters.count = locations.length;
  voters.locations.set(locations);
  voters.places.set(locations.map((_, place) => place));
  const roll = await backend.openRoll(entry);
  const from = await roll.position('register');
  await roll.append(entry, { source: 'register', from, to: from + locations.length, partition, voters, people: null });
  await roll.close();
  await backend.settle(entry, AbortSignal.timeout(SETTLE_MS_MAX));
  return voters;
}

/** A limit for the wait, so that a relay that does not work fails the test. */
export const SETTLE_MS_MAX = 20_000;

/** All voters of a partition of topic `voters`. */
export async function readRoll(log: Log, entry: ElectionEntry, partition: number): Promise<VoterColumns[]> {
  const read: VoterColumns[] = [];
  for (let from = 0; ; ) {
    const batches = await log.read('voters', partition, from);
    if (batches.length === 0) return read;
    for (const batch of batches) {
      const voters = createVoterColumns(batch.count);
      readVoters(indexElection(entry.definition!), batch.text, batch.base_offset, 0).read(voters, batch.count);
      read.push(voters);
      from = batch.base_offset + batch.count;
    }
  }
}

/** A batch of these votes by these voters, sealed as the stage seals it. */
export function castBatch(
  entry: ElectionEntry,
  { next_offset }: Pick<ClaimedPartition, 'next_offset'>,
  votes: VoteColumns,
  voters: readonly number[],
): CastBatch {
  const booth = openBooth(entry, Math.max(1, votes.count), Math.max(1, votes.starts[votes.count]!));
  booth.cast.count = votes.count;
  booth.cast.locations.set(votes.locations.subarray(0, votes.count));
  booth.cast.starts.set(votes.starts.subarray(0, votes.count + 1));
  booth.cast.selections.set(votes.selections.subarray(0, votes.starts[votes.count]!));
  return {
    next_offset: next_offset + votes.count,
    voters: Float64Array.from(voters),
    voter_offsets: Float64Array.from(voters, (_, i) => next_offset + i),
    rejections: [],
    seal: (accepted, end) => booth.seal(end, accepted),
  };
}
