/** Changes by hand of every table and topic of an election, each undone afterwards. */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type pg from 'pg';

/** The kinds of change: of one value, of a row or record, or of two that trade places. */
export type Kind = 'change' | 'swap' | 'delete' | 'add';

/** One tampering. `what` is a column, the field of a record, or `row`. */
export interface Tampering {
  readonly place: string;
  readonly what: string;
  readonly kind: Kind;
  /** @returns false where it would change nothing, since there is nothing to change. */
  apply(database: pg.Client): Promise<boolean>;
}

/** The tables that an election has rows in, with the columns that make an added row another one. */
const TABLES: Readonly<Record<string, string>> = {
  elections: '',
  contests: "contest_no = contest_no + 100, contest_id = contest_id || 'x'",
  parties: "party_id = party_id || 'x'",
  candidates: "candidate_no = candidate_no + 100, candidate_id = candidate_id || 'x'",
  locations: "location_no = location_no + 100, location_id = location_id || 'x'",
  replayed_votes: 'candidate_no = candidate_no + 1000',
  voters: 'voter_id = voter_id + 1000000, registration_number = NULL, uuid = NULL',
  nonces: '',
  roll_blocks: 'block = block + 1000',
  roll_roots: 'revision = revision + 100',
  participation: `voter_id = (SELECT min(voter_id) FROM voters WHERE election_no = scratch.election_no
    AND voter_id NOT IN (SELECT voter_id FROM participation))`,
  votes: '',
  batches: 'batch_no = batch_no + 1000, first_seq = first_seq + 1000000',
  rejections: 'source_offset = source_offset + 1',
  source_offsets: "source = source || 'x'",
  log_ends: 'partition = partition + 100',
  writers: "name = name || 'x'",
  revisions: "revision = revision + 100, source = source || 'x'",
};

/** Keeps a copy of every table, from which each tampering is undone. */
export async function keepTables(database: pg.Client): Promise<void> {
  // As a superuser who repairs a database: neither foreign keys nor triggers are in the way.
  await database.query('SET session_replication_role = replica; CREATE SCHEMA kept');
  for (const table of [...Object.keys(TABLES), 'log'])
    await database.query(`CREATE TABLE kept.${table} AS TABLE ${table}`);
}

const putBack = (database: pg.Client, table: string): Promise<unknown> => replaceBy(database, table, `kept.${table}`);

async function replaceBy(database: pg.Client, table: string, other: string): Promise<void> {
  await database.query(
    `BEGIN; DELETE FROM ${table}; INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM ${other}; COMMIT`,
  );
}

/** Undoes whatever was done to these tables. */
export async function undo(database: pg.Client, { place }: Tampering): Promise<void> {
  await database.query('ROLLBACK');
  if (place.startsWith('topic ')) for (const table of ['log', 'log_ends']) await putBack(database, table);
  else await putBack(database, place);
}

/** Every tampering of the tables of an election that has these rows. */
export async function tableTamperings(database: pg.Client, electionNo: number): Promise<Tampering[]> {
  const tamperings: Tampering[] = [];
  for (const [table, another] of Object.entries(TABLES)) {
    const { rows } = await database.query<{ column: string; type: string }>(
      `SELECT attname AS column, format_type(atttypid, NULL) AS type FROM pg_attribute
       WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [table],
    );
    const edit = (what: string, kind: Kind, sql: string): void => {
      tamperings.push({ place: table, what, kind, apply: (client) => editTable(client, table, electionNo, sql) });
    };
    const mine = `election_no = ${electionNo}`;
    for (const { column, type } of rows) {
      const first = `(SELECT ctid FROM scratch WHERE ${mine} ORDER BY ${column} IS NULL, ctid LIMIT 1)`;
      edit(column, 'change', `UPDATE scratch SET ${column} = ${changedValue(column, type)} WHERE ctid = ${first}`);
      const other = `SELECT ctid, ${column} AS value FROM scratch WHERE ${mine} AND ${column} IS DISTINCT FROM
        (SELECT ${column} FROM scratch WHERE ctid = ${first}) ORDER BY ctid LIMIT 1`;
      edit(
        column,
        'swap',
        `UPDATE scratch SET ${column} = pair.value FROM (
           SELECT one.ctid AS place, two.value FROM (SELECT ctid, ${column} AS value FROM scratch WHERE ctid = ${first}) AS one, (${other}) AS two
           UNION ALL
           SELECT two.ctid, one.value FROM (SELECT ctid, ${column} AS value FROM scratch WHERE ctid = ${first}) AS one, (${other}) AS two
         ) AS pair WHERE scratch.ctid = pair.place`,
      );
    }
    const first = `(SELECT ctid FROM scratch WHERE ${mine} ORDER BY ctid LIMIT 1)`;
    edit('row', 'delete', `DELETE FROM scratch WHERE ctid = ${first}`);
    edit(
      'row',
      'add',
      `INSERT INTO scratch SELECT * FROM scratch WHERE ctid = ${first};
       ${another === '' ? '' : `UPDATE scratch SET ${another} WHERE ctid = (SELECT max(ctid) FROM scratch)`}`,
    );
  }
  // An election that is deleted or doubled is another election.
  return tamperings.filter(({ place, what }) => place !== 'elections' || (what !== 'row' && what !== 'election_no'));
}

function changedValue(column: string, type: string): string {
  if (column === 'partition') return '1 - partition';
  if (column === 'election_no') return '3 - election_no';
  if (column === 'definition') return `jsonb_set(definition, '{candidates,0,name}', '"Somebody Else"')`;
  if (column === 'arguments') return `jsonb_set(arguments, '{voters}', '77')`;
  if (type === 'text')
    return `CASE WHEN ${column} ~ '^[0-9a-f]{32,}$' THEN reverse(${column}) ELSE coalesce(${column}, '') || 'x' END`;
  if (type === 'timestamp with time zone') return `coalesce(${column}, '2026-01-01') + interval '1 year'`;
  if (type === 'date') return `coalesce(${column}, '2000-01-01') + 1`;
  if (type === 'boolean') return `NOT ${column}`;
  if (type === 'bytea') return `set_byte(${column}, 0, 255 - get_byte(${column}, 0))`;
  if (type === 'integer[]') return `CASE WHEN ${column} = '{0}' THEN '{1}'::integer[] ELSE '{0}'::integer[] END`;
  return `coalesce(${column}, 0) + 1`;
}

/** @returns false where the statement changes no row of the table. */
async function editTable(client: pg.Client, table: string, electionNo: number, sql: string): Promise<boolean> {
  await client.query(`DROP TABLE IF EXISTS scratch; CREATE TABLE scratch AS TABLE kept.${table}`);
  const { rows: before } = await client.query('SELECT 1 FROM scratch WHERE election_no = $1 LIMIT 1', [electionNo]);
  if (before.length === 0) return false;
  await client.query(sql);
  const { rows } = await client.query(
    `(SELECT scratch::text FROM scratch EXCEPT ALL SELECT kept::text FROM kept.${table} AS kept)
     UNION ALL (SELECT kept::text FROM kept.${table} AS kept EXCEPT ALL SELECT scratch::text FROM scratch) LIMIT 1`,
  );
  if (rows.length === 0) return false;
  await replaceBy(client, table, 'scratch');
  return true;
}

interface Stored {
  readonly key: string;
  readonly value: string;
}

/** Every tampering of the records of a topic: each field of one record of each kind. */
export async function topicTamperings(database: pg.Client, electionNo: number, topic: string): Promise<Tampering[]> {
  const place = `topic ${topic}`;
  const records = (await readTopic(database, electionNo, topic)).records;
  const tamperings: Tampering[] = [];
  const edit = (what: string, kind: Kind, change: (records: Stored[]) => Stored[] | null): void => {
    tamperings.push({ place, what, kind, apply: (client) => editTopic(client, electionNo, topic, change) });
  };
  const kinds = new Map(records.map((record) => [kindOf(record), record.key]));
  for (const [kind, key] of kinds) {
    const at = (all: Stored[]): number => all.findLastIndex((record) => record.key === key);
    const sample = JSON.parse(records[at(records)]!.value);
    for (const path of leavesOf(sample))
      edit(`${kind} ${path.filter((part) => !/^\d+$/.test(part)).join('.')}`, 'change', (all) =>
        all.with(at(all), { key, value: JSON.stringify(withChanged(JSON.parse(all[at(all)]!.value), path)) }),
      );
    edit(kind, 'delete', (all) => (key === '' ? all.toSpliced(1, 1) : all.filter((record) => record.key !== key)));
    edit(kind, 'add', (all) => [...all, { key: key === '' ? '' : `${key}x`, value: all[at(all)]!.value }]);
    edit(kind, 'swap', (all) => {
      const other = all.findLastIndex(
        (record) =>
          kindOf(record) === kind && record.value !== all[at(all)]!.value && (key === '' || record.key !== key),
      );
      if (other === -1) return null;
      const [one, two] = [all[at(all)]!, all[other]!];
      return all.with(at(all), { ...one, value: two.value }).with(other, { ...two, value: one.value });
    });
  }
  return tamperings;
}

/** Records of one kind have the same fields. */
const kindOf = ({ key }: Stored): string =>
  key === '' || key.startsWith('[') ? 'record' : (/^[a-z-]+(?=:|$)/.exec(key)?.[0] ?? 'record');

/** The paths of the values in an object; of an array only that of its first entry. */
function leavesOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (Array.isArray(value)) return value.length === 0 ? [] : leavesOf(value[0], [...path, '0']);
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, [...path, name]));
}

function withChanged(value: unknown, path: readonly string[]): unknown {
  const [name, ...rest] = path;
  if (name !== undefined) {
    const copy = structuredClone(value) as Record<string, unknown>;
    copy[name] = withChanged(copy[name], rest);
    return copy;
  }
  if (typeof value === 'number') return Number.isInteger(value) ? value + 1 : value / 2;
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') return 1;
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return value.replace(/^\d{4}/, '2020');
  return /^[0-9a-f]{32,}$/.test(value) ? [...value].reverse().join('') : `${value}x`;
}

async function readTopic(database: pg.Client, electionNo: number, topic: string) {
  const { rows } = await database.query<{ base_offset: string; record_count: number; payload: Buffer }>(
    'SELECT base_offset, record_count, payload FROM kept.log WHERE election_no = $1 AND topic = $2 AND partition = 0 ORDER BY base_offset',
    [electionNo, topic],
  );
  const text = rows.map(({ payload }) => zstdDecompressSync(payload).toString()).join('');
  const records: Stored[] = text
    .split('\n')
    .slice(0, -1)
    .map((line) => ({ key: line.slice(0, line.indexOf('\t')), value: line.slice(line.indexOf('\t') + 1) }));
  return {
    base: Number(rows[0]?.base_offset ?? 0),
    count: rows.reduce((sum, row) => sum + row.record_count, 0),
    records,
  };
}

/** Writes the changed records of partition 0. Added records move the end, as a forger would. */
async function editTopic(
  client: pg.Client,
  electionNo: number,
  topic: string,
  change: (records: Stored[]) => Stored[] | null,
): Promise<boolean> {
  const { base, count, records } = await readTopic(client, electionNo, topic);
  const changed = change(records);
  if (changed === null || JSON.stringify(changed) === JSON.stringify(records)) return false;
  const added = Math.max(0, changed.length - records.length);
  const where = [electionNo, topic];
  await client.query('DELETE FROM log WHERE election_no = $1 AND topic = $2 AND partition = 0', where);
  const text = changed.map(({ key, value }) => `${key}\t${value}\n`).join('');
  await client.query('INSERT INTO log VALUES ($1, $2, 0, $3, $4, $5)', [
    ...where,
    base,
    count + added,
    zstdCompressSync(Buffer.from(text)),
  ]);
  await client.query(
    'UPDATE log_ends SET next_offset = next_offset + $3 WHERE election_no = $1 AND topic = $2 AND partition = 0',
    [...where, added],
  );
  return true;
}
