import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { assert } from '../../domain/assert.ts';
import { type ElectionIndex, indexElection } from '../../domain/election/election-index.ts';
import { VOTER_PERSON_FIELDS } from '../../domain/election/voter.ts';
import { type VoterColumns, writeVoters } from '../../domain/log/voter-records.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import type { LateVoter, Removal, Roll, RollBatch, RollChange, StagedPeople } from '../../ports/roll.ts';
import { appendLog, readLogEnd } from './append.ts';
import { copyIn, PersonRows, RowBuffer, voterRows } from './copy.ts';
import { type Connection, type Database, inTransaction, lockOrAbort } from './database.ts';
import { LOG_CHANNEL } from './notifications.ts';
import { addLate, removeLate } from './roll-changes.ts';
import { RollDigests, recordRollRoot } from './roll-root.ts';
import { giveIds, insertPeople, registeredLocations } from './roll-rows.ts';
import { advanceSource, ensurePosition } from './sources.ts';

type VoterBatch = Parameters<Roll['append']>[1];
type SourceStep = Pick<RollBatch, 'source' | 'from' | 'to'>;

/** Opens the roll. One process registers at a time: its connection holds the lock of the roll. */
export async function openRoll(database: Database, entry: ElectionEntry, signal?: AbortSignal): Promise<Roll> {
  await using opening = new AsyncDisposableStack();
  const client = opening.use(await database.connect());
  await lockOrAbort(database, client, signal, () =>
    client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`tallyroom ${entry.election_no} roll`]),
  );
  opening.move();
  return new PostgresRoll(client, entry.election_no);
}

class PostgresRoll implements Roll {
  readonly #client: Connection;
  readonly #number: number;
  readonly #buffer = new RowBuffer();
  readonly #digests: RollDigests;
  readonly #people = new PersonRows();
  #index: ElectionIndex | null = null;

  constructor(client: Connection, electionNo: number) {
    this.#client = client;
    this.#number = electionNo;
    this.#digests = new RollDigests(client, electionNo);
  }

  position(source: string): Promise<number> {
    return ensurePosition(this.#client, this.#number, { name: source, partition: 0 });
  }

  append({ definition }: ElectionEntry, batch: VoterBatch): Promise<void> {
    return this.#commit(batch, async () => {
      await this.#storeVoters(batch);
      await this.#appendVoters(batch, definition);
    });
  }

  async stage(batch: StagedPeople): Promise<readonly number[]> {
    let repeated: readonly number[] = [];
    await this.#commit(batch, async () => {
      await insertLocations(this.#client, this.#number, batch.new_locations);
      repeated = (await insertPeople(this.#client, this.#number, batch, this.#digests, 0)).repeated;
    });
    return repeated;
  }

  async stagedLocations(): Promise<{ name: string; voters: number }[]> {
    const { rows } = await this.#client.query<{ name: string; voters: string }>(
      `SELECT name, count(v.voter_id) AS voters FROM locations l
       LEFT JOIN voters v ON v.election_no = l.election_no AND v.location_no = l.location_no
       WHERE l.election_no = $1 GROUP BY l.location_no, name ORDER BY l.location_no`,
      [this.#number],
    );
    return rows.map((row) => ({ name: row.name, voters: Number(row.voters) }));
  }

  async stagedBefore(id: number): Promise<Map<number, number>> {
    const locations = await registeredLocations(this.#client, this.#number, id);
    return new Map(locations.map(({ location, voters }) => [location, voters]));
  }

  async readStaged(from: number, into: VoterColumns): Promise<number> {
    const { rows } = await this.#client.query<{ voter_id: string; location_no: number }>(
      'SELECT voter_id, location_no FROM voters WHERE election_no = $1 AND voter_id >= $2 ORDER BY voter_id LIMIT $3',
      [this.#number, from, into.ids.length],
    );
    for (const [i, row] of rows.entries()) {
      into.ids[i] = Number(row.voter_id);
      into.locations[i] = row.location_no;
    }
    into.count = rows.length;
    return rows.length;
  }

  publish({ definition }: ElectionEntry, batch: RollBatch): Promise<void> {
    return this.#commit(batch, () => this.#appendVoters(batch, definition));
  }

  async finish(votersTotal: number): Promise<void> {
    await inTransaction(this.#client, async () => {
      const { rowCount } = await this.#client.query(
        'UPDATE elections SET voters_total = $2 WHERE election_no = $1 AND voters_total IS NULL',
        [this.#number, votersTotal],
      );
      if (rowCount === 1) await recordRollRoot(this.#client, this.#number, 0);
      await this.#client.query('SELECT pg_notify($1, $2)', [LOG_CHANNEL, `${this.#number}/voters/end/0`]);
    });
  }

  addLate(source: string, voters: readonly LateVoter[]): Promise<RollChange> {
    return addLate(this.#client, this.#number, source, voters);
  }

  removeLate(source: string, removals: readonly Removal[]): Promise<RollChange> {
    return removeLate(this.#client, this.#number, source, removals);
  }

  close(): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Moves the source and then runs `work`, in one transaction. */
  async #commit({ source, from, to }: SourceStep, work: () => Promise<void>): Promise<void> {
    await inTransaction(this.#client, async () => {
      await advanceSource(this.#client, this.#number, { name: source, partition: 0 }, from, to);
      await work();
      crashPoint('register.before-commit');
    });
    crashPoint('register.after-commit');
  }

  async #storeVoters({ voters, people }: VoterBatch): Promise<void> {
    await giveIds(this.#client, voters.ids, voters.count);
    if (people === null)
      await copyIn(
        this.#client,
        'COPY voters (voter_id, election_no, location_no) FROM STDIN (FORMAT binary)',
        voterRows(this.#buffer, this.#number, voters.ids, voters.locations, voters.count),
      );
    else {
      for (const [i, person] of people.entries())
        this.#people.add([voters.ids[i]!, this.#number, voters.locations[i]!], person);
      await copyIn(
        this.#client,
        `COPY voters (voter_id, election_no, location_no, ${VOTER_PERSON_FIELDS.join(', ')}) FROM STDIN`,
        this.#people.take(),
      );
    }
    await this.#digests.store(0, { ...voters, people });
  }

  async #appendVoters(batch: RollBatch, definition: ElectionEntry['definition']): Promise<void> {
    assert(definition !== null, 'the election is defined before voters reach the log');
    this.#index ??= indexElection(definition);
    crashPoint('register.before-log-append');
    const end = await readLogEnd(this.#client, this.#number, 'voters', batch.partition);
    await appendLog(this.#client, {
      election_no: this.#number,
      topic: 'voters',
      partition: batch.partition,
      expected_offset: end.next_offset,
      records: batch.voters.count,
      entries: batch.voters.count,
      batches: 0,
      hash: null,
      text: writeVoters(this.#index, batch.voters, 0, batch.voters.count, end.next_seq),
    });
    crashPoint('register.after-log-append');
  }
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
