import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type BundledConnection, openBundledServer } from '../src/bundled-postgres/server.ts';
import { conditions, print } from './support.ts';

const VOTES = 10_000;
const CONNECTIONS = 2;
const POLL_MS = 20;

/**
 * The usual demonstration of this pipeline, on the same server with the same settings. For each
 * voter there is one INSERT of the vote, one of a record for the log, and one commit. A consumer
 * adds the records to totals. It uses prepared statements and the number of connections of our own
 * pipeline, so only the design holds it back.
 */
export async function measureUsualDemo(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'tallyroom-demo-'));
  const server = await openBundledServer({ dataDir });
  const [consumer, ...producers] = await Promise.all(
    Array.from({ length: CONNECTIONS + 1 }, () => connect(server.connection)),
  );
  try {
    await consumer!.query(
      'CREATE TABLE demo_votes (voter_id bigint PRIMARY KEY, candidate_id integer NOT NULL, voted_at timestamptz NOT NULL)',
    );
    await consumer!.query(
      'CREATE TABLE demo_log (producer integer NOT NULL, record_id bigserial NOT NULL, record text NOT NULL, PRIMARY KEY (producer, record_id))',
    );
    const begun = performance.now();
    await Promise.all([...producers.map(produce), consume(consumer!)]);
    print({
      name: 'usual-demo',
      votes: VOTES,
      connections: CONNECTIONS,
      votes_per_s: Math.round((VOTES * 1000) / (performance.now() - begun)),
      ...conditions(),
    });
  } finally {
    for (const client of [consumer!, ...producers]) await client.end();
    await server.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function connect(connection: BundledConnection): Promise<pg.Client> {
  const client = new pg.Client({ ...connection });
  await client.connect();
  return client;
}

/**
 * For each voter of a producer a vote and its record, with one commit.
 * @param producer its number, and its first voter.
 */
async function produce(client: pg.Client, producer: number): Promise<void> {
  for (let voter = producer; voter < VOTES; voter += CONNECTIONS) {
    const record = JSON.stringify({ voter_id: voter, candidate_id: voter % 3, voted_at: new Date() });
    await client.query('BEGIN');
    await client.query({
      name: 'vote',
      text: 'INSERT INTO demo_votes VALUES ($1, $2, now())',
      values: [voter, voter % 3],
    });
    await client.query({
      name: 'record',
      text: 'INSERT INTO demo_log (producer, record) VALUES ($1, $2)',
      values: [producer, record],
    });
    await client.query('COMMIT');
  }
}

/** Adds all records to a total, those of one producer after those of the other. */
async function consume(client: pg.Client): Promise<void> {
  const totals = new Map<number, number>();
  const next = new Array<number>(CONNECTIONS).fill(0);
  for (let counted = 0; counted < VOTES; ) {
    const before = counted;
    for (const producer of next.keys()) {
      const { rows } = await client.query<{ record_id: string; record: string }>({
        name: 'read',
        text: 'SELECT record_id, record FROM demo_log WHERE producer = $1 AND record_id > $2 ORDER BY record_id LIMIT 500',
        values: [producer, next[producer]],
      });
      for (const row of rows) {
        const { candidate_id } = JSON.parse(row.record);
        totals.set(candidate_id, (totals.get(candidate_id) ?? 0) + 1);
        next[producer] = Number(row.record_id);
        counted++;
      }
    }
    // Polling without a pause would take the core that the producers need.
    if (counted === before) await sleep(POLL_MS);
  }
  const total = [...totals.values()].reduce((sum, votes) => sum + votes, 0);
  if (total !== VOTES) throw new Error(`the demonstration counted ${total} of ${VOTES} votes`);
}
