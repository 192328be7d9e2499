import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { assert } from '../../domain/assert.ts';
import { type ElectionIndex, indexElection } from '../../domain/election/election-index.ts';
import { VOTER_PERSON_FIELDS, type VoterPerson } from '../../domain/election/voter.ts';
import { createVoterColumns, writeVoters } from '../../domain/log/voter-records.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import { type Roll, type RollBatch, type StagedPeople, VOTERS_PER_BATCH_MAX } from '../../ports/roll.ts';
import { appendLog, readLogEnd } from './append.ts';
import { copyIn, RowBuffer, textField, voterRows } from './copy.ts';
import { type Database, inTransaction, lockOrAbort } from './database.ts';

/** One process registers at a time: its connection holds the lock of the election's roll. */
export async function openRoll(database: Database, entry: ElectionEntry, signal?: AbortSignal): Promise<Roll> {
  const client = await database.connect();
  const number = entry.election_no;
  const buffer = new RowBuffer();
  let index: ElectionIndex | null = null;
  const compiled = (definition: ElectionEntry['definition']): ElectionIndex => {
    assert(definition !== null, 'the election is defined before voters reach the log');
    index ??= indexElection(definition);
    return index;
  };
  await lockOrAbort(database, client, signal, () =>
    client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`tallyroom ${number} roll`]),
  );

  const storeVoters = async (batch: Parameters<Roll['append']>[1]): Promise<void> => {
    const { voters, people } = batch;
    await giveIds(client, voters.ids, voters.count);
    if (people === null)
      await copyIn(
        client,
        'COPY voters (voter_id, election_no, location_no) FROM STDIN (FORMAT binary)',
        voterRows(buffer, number, voters.ids, voters.locations, voters.count),
      );
    else
      await copyIn(
        client,
        `COPY voters (voter_id, election_no, location_no, ${VOTER_PERSON_FIELDS.join(', ')}) FROM STDIN`,
        Buffer.from(
          people.map((person, i) => personLine(number, voters.ids[i]!, voters.locations[i]!, person)).join(''),
        ),
      );
  };
  const appendVoters = async (batch: RollBatch, definition: ElectionEntry['definition']): Promise<void> => {
    crashPoint('register.before-log-append');
    const end = await readLogEnd(client, number, 'voters', batch.partition);
    await appendLog(client, {
      election_no: number,
      topic: 'voters',
      partition: batch.partition,
      expected_offset: end.next_offset,
      records: batch.voters.count,
      entries: batch.voters.count,
      batches: 0,
      hash: null,
      text: writeVoters(compiled(definition), batch.voters, 0, batch.voters.count, end.next_seq),
    });
    crashPoint('register.after-log-append');
  };
  const commit = async (work: () => Promise<void>): Promise<void> => {
    await inTransaction(client, async () => {
      await work();
      crashPoint('register.before-commit');
    });
    crashPoint('register.after-commit');
  };
  const advance = (source: string, from: number, to: number): Promise<unknown> =>
    client.query('SELECT advance_source($1, $2, 0, $3, $4)', [number, source, from, to]);

  return {
    async position(source) {
      await client.query('INSERT INTO source_offsets VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING', [number, source]);
      const { rows } = await client.query<{ next_offset: string }>(
        'SELECT next_offset FROM source_offsets WHERE election_no = $1 AND source = $2 AND partition = 0',
        [number, source],
      );
      return Number(rows[0]!.next_offset);
    },
    append: (defined, batch) =>
      commit(async () => {
        await advance(batch.source, batch.from, batch.to);
        await storeVoters(batch);
        await appendVoters(batch, defined.definition);
      }),
    async stage(batch) {
      let repeated: number[] = [];
      await commit(async () => {
        await advance(batch.source, batch.from, batch.to);
        await insertLocations(client, number, batch.new_locations);
        repeated = await insertPeople(client, number, batch);
      });
      return repeated;
    },
    async stagedLocations() {
      const { rows } = await client.query<{ name: string; voters: string }>(
        `SELECT name, count(v.voter_id) AS voters FROM locations l
         LEFT JOIN voters v ON v.election_no = l.election_no AND v.location_no = l.location_no
         WHERE l.election_no = $1 GROUP BY l.location_no, name ORDER BY l.location_no`,
        [number],
      );
      return rows.map((row) => ({ name: row.name, voters: Number(row.voters) }));
    },
    async stagedBefore(id) {
      const { rows } = await client.query<{ location_no: number; voters: string }>(
        'SELECT location_no, count(*) AS voters FROM voters WHERE election_no = $1 AND voter_id < $2 GROUP BY location_no',
        [number, id],
      );
      return new Map(rows.map((row) => [row.location_no, Number(row.voters)]));
    },
    async readStaged(from, into) {
      const { rows } = await client.query<{ voter_id: string; location_no: number }>(
        'SELECT voter_id, location_no FROM voters WHERE election_no = $1 AND voter_id >= $2 ORDER BY voter_id LIMIT $3',
        [number, from, into.ids.length],
      );
      for (const [i, row] of rows.entries()) {
        into.ids[i] = Number(row.voter_id);
        into.locations[i] = row.location_no;
      }
      into.count = rows.length;
      return rows.length;
    },
    publish: (defined, batch) =>
      commit(async () => {
        await advance(batch.source, batch.from, batch.to);
        await appendVoters(batch, defined.definition);
      }),
    async finish(votersTotal) {
      await client.query(
        `WITH finished AS (UPDATE elections SET voters_total = $2 WHERE election_no = $1 RETURNING election_no)
         SELECT pg_notify('tallyroom_log', $3) FROM finished`,
        [number, votersTotal, `${number}/voters/end/0`],
      );
    },
    async close() {
      await client.end().catch(() => {});
    },
  };
}

/**
 * Ids are handed out in blocks of one full batch, so that two elections can register at once. A crash leaves a gap. With a
 * smaller batch a database would hand the same ids out again.
 */
async function giveIds(client: pg.Client, ids: Float64Array, count: number): Promise<void> {
  assert(count <= VOTERS_PER_BATCH_MAX, `a batch of the roll has at most ${VOTERS_PER_BATCH_MAX} voters`);
  const { rows } = await client.query<{ block: string }>("SELECT nextval('voter_id_blocks') AS block");
  const first = Number(rows[0]!.block) * VOTERS_PER_BATCH_MAX;
  for (let i = 0; i < count; i++) ids[i] = first + i;
}

function personLine(electionNo: number, id: number, location: number, person: VoterPerson): string {
  let line = `${id}\t${electionNo}\t${location}`;
  for (const field of VOTER_PERSON_FIELDS) line += `\t${textField(person[field])}`;
  return `${line}\n`;
}

async function insertLocations(client: pg.Client, electionNo: number, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await client.query(
    `INSERT INTO locations (election_no, location_no, location_id, name, type)
     SELECT $1, (SELECT count(*) FROM locations WHERE election_no = $1) + place - 1, name, name, 'location'
     FROM unnest($2::text[]) WITH ORDINALITY AS staged (name, place)`,
    [electionNo, names],
  );
}

/** @returns the positions of people whom the roll has already. */
async function insertPeople(client: pg.Client, electionNo: number, batch: StagedPeople): Promise<number[]> {
  const { people } = batch;
  const ids = createVoterColumns(people.length).ids;
  await giveIds(client, ids, people.length);
  const rows = people.map((person, i) => ({
    ...person,
    voter_id: ids[i]!,
    election_no: electionNo,
    location_no: batch.locations[i]!,
  }));
  const { rows: inserted } = await client.query<{ voter_id: string }>(
    'INSERT INTO voters SELECT * FROM jsonb_populate_recordset(NULL::voters, $1) ON CONFLICT DO NOTHING RETURNING voter_id',
    [JSON.stringify(rows)],
  );
  const stored = new Set(inserted.map((row) => Number(row.voter_id)));
  return people.flatMap((_, i) => (stored.has(ids[i]!) ? [] : [i]));
}
