import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { OperationalError } from '../../base/errors.ts';
import { sha256 } from '../../base/sha256.ts';
import type { ReplayedVotes } from '../../domain/ballots/replay.ts';
import { DEFINITION_FORMAT, type DefinitionFormat, hashedDefinition } from '../../domain/election/definition.ts';
import { canonicalDefinition, type Election, type ElectionId } from '../../domain/election/election.ts';
import { parseOrigin } from '../../domain/election/origin.ts';
import { DEFINITION_KEY, type DefinitionRecord } from '../../domain/log/records.ts';
import type { ElectionEntry, Elections, NewElection, WantedElection } from '../../ports/elections.ts';
import { TOPICS } from '../../ports/log.ts';
import { appendKeyed } from './append.ts';
import { type Database, inTransaction } from './database.ts';
import { insertNonce } from './nonce.ts';
import { reviseDescription } from './revisions.ts';

/** 128 random bits are drawn twice by no two elections. */
const INSTANCE_BYTES = 16;
/** Any number of our own: processes that make elections wait for each other on this lock. */
const MAKING_LOCK = 0x7a11_0002;
const PARTITIONED_TOPICS = new Set(['voters', 'votes', 'returns']);

export type ElectionRow = Omit<ElectionEntry, 'id' | 'arguments' | 'voters_total'> & {
  election_id: ElectionId;
  arguments: unknown;
  voters_total: string | null;
};

export const ELECTION_COLUMNS =
  'election_no, election_id, name, arguments, seed, partitions, definition, format, definition_hash, revision, generation, voters_total';

/** @throws OperationalError DATABASE_FAILED where the row does not say what it was made from. */
export function entryOf({ election_id, voters_total, ...row }: ElectionRow): ElectionEntry {
  const origin = parseOrigin(row.arguments);
  if (!origin.ok)
    throw new OperationalError('DATABASE_FAILED', {
      message: `table elections does not say what election ${election_id} was made from: ${origin.error}`,
      nextStep: 'Restore the row from a backup: it was changed by hand.',
    });
  return {
    ...row,
    id: election_id,
    arguments: origin.value,
    voters_total: voters_total === null ? null : Number(voters_total),
  };
}

export function openElections(database: Database): Elections {
  const find = async (where: string, parameters: readonly unknown[]): Promise<ElectionEntry | null> => {
    const [row] = await database.query<ElectionRow>(`SELECT ${ELECTION_COLUMNS} FROM elections ${where}`, parameters);
    return row === undefined ? null : entryOf(row);
  };
  const transact = async <Value>(work: (client: pg.Client) => Promise<Value>): Promise<Value> => {
    await using client = await database.connect();
    return await inTransaction(client, () => work(client));
  };
  return {
    latest: () => find('ORDER BY election_no DESC LIMIT 1', []),
    find: (id) => find('WHERE election_id = $1', [id]),
    create: (entry) => transact((client) => createElection(client, entry)),
    findOrCreate: (wanted) => transact((client) => findOrCreate(client, wanted)),
    async define(entry, election, replayed = []) {
      const defined = await transact(async (client) => {
        const written = await define(client, entry, election, replayed);
        crashPoint('define.before-commit');
        return written;
      });
      crashPoint('define.after-commit');
      return defined;
    },
    revise: (entry, election) =>
      transact(async (client) => {
        const inForce = await lockElection(client, entry.election_no);
        await reviseDescription(client, inForce, { election, reason: 'description' });
        return findElection(client, entry.election_no);
      }),
    replayed: ({ election_no }) =>
      database.query<ReplayedVotes & pg.QueryResultRow>(
        `SELECT location_no AS location, candidate_no AS candidate, votes::float8 AS votes FROM replayed_votes WHERE election_no = $1`,
        [election_no],
      ),
    entriesInLog: (entry) => entriesInLog(database, entry),
    async beginGeneration(entry) {
      const [row] = await database.query<ElectionRow>(
        `UPDATE elections SET generation = generation + 1 WHERE election_no = $1 RETURNING ${ELECTION_COLUMNS}`,
        [entry.election_no],
      );
      return entryOf(row!);
    },
    async fixEngine({ election_no }, engine) {
      const sql = 'UPDATE elections SET engine = coalesce(engine, $2) WHERE election_no = $1 RETURNING engine';
      const [row] = await database.query<{ engine: 'local' | 'spark' }>(sql, [election_no, engine]);
      return row!.engine;
    },
  };
}

/**
 * The look and the making are one transaction, under a lock that each of them takes. Otherwise two
 * processes could both find nothing, and the same voter would be on the rolls of two elections.
 */
async function findOrCreate(client: pg.Client, wanted: WantedElection): Promise<ElectionEntry> {
  await client.query('SELECT pg_advisory_xact_lock($1)', [MAKING_LOCK]);
  const found = wanted.fresh ? null : await findWanted(client, wanted);
  if (found !== null) return found;
  return createElection(client, wanted.exact_id ? wanted : { ...wanted, id: await freeId(client, wanted.id) });
}

/** A file may move, so the paths are not compared. */
async function findWanted(client: pg.Client, wanted: WantedElection): Promise<ElectionEntry | null> {
  const { rows } = wanted.exact_id
    ? await client.query<ElectionRow>(`SELECT ${ELECTION_COLUMNS} FROM elections WHERE election_id = $1`, [wanted.id])
    : await client.query<ElectionRow>(
        `SELECT ${ELECTION_COLUMNS} FROM elections
         ORDER BY jsonb_strip_nulls(arguments - 'paths') = jsonb_strip_nulls($1::jsonb - 'paths') DESC,
           election_no DESC LIMIT 1`,
        [JSON.stringify(wanted.arguments)],
      );
  return rows[0] === undefined ? null : entryOf(rows[0]);
}

/** The id itself where no election has it, otherwise the first free one of id-2, id-3... */
async function freeId(client: pg.Client, id: ElectionId): Promise<ElectionId> {
  const { rows } = await client.query<{ election_id: string }>('SELECT election_id FROM elections');
  const taken = new Set(rows.map((row) => row.election_id));
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? id : (`${id}-${number}` as ElectionId);
    if (!taken.has(candidate)) return candidate;
  }
}

async function entriesInLog(database: Database, { election_no, definition }: ElectionEntry): Promise<number[]> {
  const rows = await database.query<{ next_seq: string }>(
    'SELECT next_seq FROM log_ends WHERE election_no = $1 AND topic = $2 ORDER BY partition',
    [election_no, definition?.source === 'returns' ? 'returns' : 'votes'],
  );
  return rows.map((row) => Number(row.next_seq));
}

async function createElection(client: pg.Client, entry: NewElection): Promise<ElectionEntry> {
  const { rows } = await client.query<ElectionRow>(
    `INSERT INTO elections (election_id, name, source, arguments, seed, partitions) VALUES ($1, $2, 'ballots', $3, $4, $5)
     ON CONFLICT (election_id) DO NOTHING RETURNING ${ELECTION_COLUMNS}`,
    [entry.id, entry.name, JSON.stringify(entry.arguments), entry.seed, entry.partitions],
  );
  if (rows.length === 0)
    throw new OperationalError('ELECTION_DIFFERS', {
      message: `there is already an election ${entry.id}`,
      nextStep: 'Give this one another --id.',
    });
  const created = entryOf(rows[0]!);
  const number = created.election_no;
  await insertNonce(client, number);
  // Rows go straight into the tables of the election. Its number is a column default, so COPY does
  // not send it with every row.
  for (const [table, key] of [
    ['participation', ', ADD PRIMARY KEY (voter_id)'],
    ['votes', ''],
  ] as const) {
    await client.query(`CREATE TABLE ${table}_${number} (LIKE ${table} INCLUDING ALL)`);
    await client.query(
      `ALTER TABLE ${table}_${number} ALTER election_no SET DEFAULT ${number}, ADD CHECK (election_no = ${number})${key}`,
    );
    await client.query(`ALTER TABLE ${table} ATTACH PARTITION ${table}_${number} FOR VALUES IN (${number})`);
    await client.query(`ALTER TABLE ${table}_${number} DROP CONSTRAINT ${table}_${number}_election_no_check`);
  }
  for (const topic of TOPICS)
    for (let partition = 0; partition < (PARTITIONED_TOPICS.has(topic) ? entry.partitions : 1); partition++)
      await client.query('INSERT INTO log_ends (election_no, topic, partition) VALUES ($1, $2, $3)', [
        number,
        topic,
        partition,
      ]);
  return created;
}

async function define(
  client: pg.Client,
  entry: ElectionEntry,
  election: Election,
  replayed: readonly ReplayedVotes[],
): Promise<ElectionEntry> {
  const text = canonicalDefinition(election);
  const format: DefinitionFormat = entry.definition === null ? DEFINITION_FORMAT : entry.format;
  const hash = sha256(hashedDefinition(election, format));
  const { rows } = await client.query<ElectionRow>(
    `UPDATE elections SET definition = $2, definition_hash = $3, name = $4, format = $5, source = $6
     WHERE election_no = $1 AND (definition_hash IS NULL OR definition = $2::jsonb) RETURNING ${ELECTION_COLUMNS}`,
    [entry.election_no, text, hash, election.name, format, election.source],
  );
  if (rows.length === 0)
    throw new OperationalError('ELECTION_DIFFERS', {
      message: `election ${entry.id} is defined already, and not like this`,
      nextStep: 'Start a new election beside it with --fresh.',
    });
  const defined = entryOf(rows[0]!);
  const { rows: known } = await client.query('SELECT 1 FROM contests WHERE election_no = $1 LIMIT 1', [
    entry.election_no,
  ]);
  if (known.length > 0) return defined;
  await insertDefinition(client, entry.election_no, election);
  await client.query(
    `INSERT INTO replayed_votes SELECT $1, location, candidate, votes
     FROM unnest($2::integer[], $3::integer[], $4::bigint[]) AS replayed (location, candidate, votes)`,
    [
      entry.election_no,
      replayed.map((row) => row.location),
      replayed.map((row) => row.candidate),
      replayed.map((row) => row.votes),
    ],
  );
  const record: DefinitionRecord = {
    format,
    election,
    hash,
    partitions: entry.partitions,
    defined_at: new Date().toISOString(),
    instance: randomBytes(INSTANCE_BYTES).toString('hex'),
  };
  await client.query('UPDATE elections SET instance = $2, defined_at = $3 WHERE election_no = $1', [
    entry.election_no,
    record.instance,
    record.defined_at,
  ]);
  await appendKeyed(client, entry.election_no, 'definition', 0, [
    { key: DEFINITION_KEY, value: JSON.stringify(record) },
  ]);
  return defined;
}

async function insertDefinition(client: pg.Client, electionNo: number, election: Election): Promise<void> {
  const contestNumbers = new Map(election.contests.map((contest, number) => [contest.id, number]));
  const insert = (table: string, columns: string, rows: readonly unknown[]): Promise<unknown> =>
    client.query(
      `INSERT INTO ${table} (election_no, ${columns}) SELECT $1, ${columns} FROM jsonb_populate_recordset(NULL::${table}, $2)
       ON CONFLICT DO NOTHING`,
      [electionNo, JSON.stringify(rows)],
    );
  // Staged locations were numbered in the order of their appearance. The definition keeps those
  // numbers and has more fields for each.
  await client.query('DELETE FROM locations WHERE election_no = $1', [electionNo]);
  await insert(
    'contests',
    'contest_no, contest_id, name, vote_for, seats',
    election.contests.map((contest, contest_no) => ({ ...contest, contest_no, contest_id: contest.id })),
  );
  await insert(
    'parties',
    'party_id, name',
    election.parties.map((party) => ({ party_id: party.id, name: party.name })),
  );
  await insert(
    'candidates',
    'candidate_no, contest_no, candidate_id, name, party_id, biography, platform, photo, aggregate',
    election.candidates.map((candidate, candidate_no) => ({
      ...candidate,
      candidate_no,
      contest_no: contestNumbers.get(candidate.contest_id),
      candidate_id: candidate.id,
    })),
  );
  await insert(
    'locations',
    'location_no, location_id, name, type, parent_id, registered_voters',
    [...election.locations, ...election.parents].map((location, location_no) => ({
      ...location,
      location_no,
      location_id: location.id,
    })),
  );
}

/**
 * The election as it stands, with its row locked: no batch of votes commits meanwhile, and no other
 * revision is made. It is the first lock that a transaction takes.
 */
export async function lockElection(client: pg.Client, electionNo: number): Promise<ElectionEntry> {
  return findElection(client, electionNo, ' FOR UPDATE');
}

/** The election as this transaction sees it. */
export async function findElection(client: pg.Client, electionNo: number, lock = ''): Promise<ElectionEntry> {
  const { rows } = await client.query<ElectionRow>(
    `SELECT ${ELECTION_COLUMNS} FROM elections WHERE election_no = $1${lock}`,
    [electionNo],
  );
  return entryOf(rows[0]!);
}

/** Refuses a table without its unique constraint, since "one voter, one vote" would not hold. */
export async function assertUniqueVoters(database: Database, electionNo: number): Promise<void> {
  const rows = await database.query(
    `SELECT 1 FROM pg_index WHERE indrelid = to_regclass($1) AND indisunique AND indisvalid AND indpred IS NULL
       AND indkey::text = (SELECT attnum::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'voter_id')`,
    [`participation_${electionNo}`],
  );
  if (rows.length === 0)
    throw new OperationalError('DATABASE_UNSAFE', {
      message: `table participation_${electionNo} has no unique index on voter_id, so a voter could vote twice`,
      nextStep: `Restore the backup with its constraints, or add it: ALTER TABLE participation_${electionNo} ADD PRIMARY KEY (voter_id).`,
    });
}
