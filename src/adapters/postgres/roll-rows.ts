import type pg from 'pg';
import { assert } from '../../domain/assert.ts';
import { createVoterColumns } from '../../domain/log/voter-records.ts';
import { type StagedPeople, VOTERS_PER_BATCH_MAX } from '../../ports/roll.ts';
import type { RollDigests } from './roll-root.ts';

/** The rows of table `voters`. */

/**
 * Ids are given in blocks of one full batch, so that two elections can register at the same time. A
 * crash leaves a gap. With smaller blocks a database would give the same ids out again.
 */
export async function giveIds(client: pg.Client, ids: Float64Array, count: number): Promise<void> {
  assert(count <= VOTERS_PER_BATCH_MAX, `a batch of the roll has at most ${VOTERS_PER_BATCH_MAX} voters`);
  const { rows } = await client.query<{ block: string }>("SELECT nextval('voter_id_blocks') AS block");
  const first = Number(rows[0]!.block) * VOTERS_PER_BATCH_MAX;
  for (let i = 0; i < count; i++) ids[i] = first + i;
}

/** Each location with the number of its voters with an id below this one, also of those removed. */
export async function registeredLocations(
  client: pg.Client,
  electionNo: number,
  below: number = Number.MAX_SAFE_INTEGER,
): Promise<{ location: number; voters: number }[]> {
  const { rows } = await client.query<{ location_no: number; voters: string }>(
    'SELECT location_no, count(*) AS voters FROM voters WHERE election_no = $1 AND voter_id < $2 GROUP BY location_no',
    [electionNo, below],
  );
  return rows.map(({ location_no, voters }) => ({ location: location_no, voters: Number(voters) }));
}

/**
 * Stores people under new ids, and the digest of them.
 * @param revision as {@link RollDigests.store} has it
 * @returns the ids given, and the positions of people who are already on the roll. Those are not
 * stored.
 */
export async function insertPeople(
  client: pg.Client,
  electionNo: number,
  batch: Pick<StagedPeople, 'people' | 'locations'>,
  digests: RollDigests,
  revision: 0 | null,
): Promise<{ ids: Float64Array; repeated: readonly number[] }> {
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
  const kept = people.flatMap((_, i) => (stored.has(ids[i]!) ? [i] : []));
  await digests.store(revision, {
    ids: Float64Array.from(kept, (i) => ids[i]!),
    locations: Int32Array.from(kept, (i) => batch.locations[i]!),
    count: kept.length,
    people: kept.map((i) => people[i]!),
  });
  return { ids, repeated: people.flatMap((_, i) => (stored.has(ids[i]!) ? [] : [i])) };
}
