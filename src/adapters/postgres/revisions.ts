import type pg from 'pg';
import { OperationalError } from '../../base/errors.ts';
import { sha256 } from '../../base/sha256.ts';
import { countingDifference } from '../../domain/election/definition.ts';
import { canonicalDefinition, type Election } from '../../domain/election/election.ts';
import { REVISION_KEY_PREFIX, type RevisionReason, type RevisionRecord } from '../../domain/log/records.ts';
import { definitionOf, type ElectionEntry } from '../../ports/elections.ts';
import { appendDefinition } from './append.ts';

export interface Revision {
  /** The whole definition with its new description. */
  readonly election: Election;
  readonly reason: RevisionReason;
  /** The file that voters were added or removed by, as its hash. A file counts once. */
  readonly source?: string;
  readonly voters_added?: number;
  readonly voters_removed?: number;
}

/**
 * Makes the next revision of the description inside the caller's transaction, which holds the row
 * of the election: tables, table `revisions`, and topic `definition`.
 * @returns false where it would change nothing.
 * @throws OperationalError INPUT_REFUSED where the counting definition would change.
 */
export async function reviseDescription(
  client: pg.Client,
  inForce: ElectionEntry,
  revision: Revision,
): Promise<boolean> {
  const { election, reason } = revision;
  const difference = countingDifference(definitionOf(inForce), election);
  if (difference !== null)
    throw new OperationalError('INPUT_REFUSED', {
      message: `a revision changes names and numbers of voters, and never how votes are counted: ${difference}`,
      nextStep: 'Correct the file, or make a new election from it with --fresh.',
    });
  const text = canonicalDefinition(election);
  if (reason === 'description' && text === canonicalDefinition(definitionOf(inForce))) return false;
  const record: RevisionRecord = {
    revision: inForce.revision + 1,
    election,
    description_hash: sha256(text),
    made_at: new Date().toISOString(),
    reason,
  };
  await client.query('UPDATE elections SET definition = $2, name = $3, revision = $4 WHERE election_no = $1', [
    inForce.election_no,
    text,
    election.name,
    record.revision,
  ]);
  await client.query('INSERT INTO revisions VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', [
    inForce.election_no,
    record.revision,
    record.description_hash,
    reason,
    revision.source ?? null,
    revision.voters_added ?? 0,
    revision.voters_removed ?? 0,
    record.made_at,
  ]);
  await describeTables(client, inForce.election_no, election);
  await appendDefinition(client, inForce.election_no, [
    { key: `${REVISION_KEY_PREFIX}${record.revision}`, value: JSON.stringify(record) },
  ]);
  return true;
}

/** Brings the tables of the definition to a new description. Their numbers stay. */
async function describeTables(client: pg.Client, electionNo: number, election: Election): Promise<void> {
  const { contests, parties, candidates, locations, parents } = election;
  const run = (sql: string, rows: readonly unknown[]): Promise<unknown> =>
    client.query(sql, [electionNo, JSON.stringify(rows)]);
  await run(
    `UPDATE contests SET name = new.name FROM jsonb_to_recordset($2) AS new (contest_no integer, name text)
     WHERE election_no = $1 AND contests.contest_no = new.contest_no`,
    contests.map(({ name }, contest_no) => ({ contest_no, name })),
  );
  await run(
    `INSERT INTO parties (election_no, party_id, name) SELECT $1, id, name FROM jsonb_to_recordset($2) AS new (id text, name text)
     ON CONFLICT (election_no, party_id) DO UPDATE SET name = excluded.name`,
    parties,
  );
  await run(
    `UPDATE candidates SET name = new.name, party_id = new.party_id, biography = new.biography,
       platform = new.platform, photo = new.photo
     FROM jsonb_populate_recordset(NULL::candidates, $2) AS new
     WHERE candidates.election_no = $1 AND candidates.candidate_no = new.candidate_no`,
    candidates.map((candidate, candidate_no) => ({ ...candidate, candidate_no })),
  );
  await run(
    `DELETE FROM parties WHERE election_no = $1
       AND party_id NOT IN (SELECT id FROM jsonb_to_recordset($2) AS kept (id text))`,
    parties,
  );
  await client.query('DELETE FROM locations WHERE election_no = $1', [electionNo]);
  await run(
    `INSERT INTO locations (election_no, location_no, location_id, name, type, parent_id, registered_voters)
     SELECT $1, location_no, location_id, name, type, parent_id, registered_voters
     FROM jsonb_populate_recordset(NULL::locations, $2)`,
    [...locations, ...parents].map((location, location_no) => ({
      ...location,
      location_no,
      location_id: location.id,
    })),
  );
}
