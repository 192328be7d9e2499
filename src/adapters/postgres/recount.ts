import type pg from 'pg';
import { readSql } from '../../base/resources.ts';
import { sha256 } from '../../base/sha256.ts';
import { assert } from '../../domain/assert.ts';
import { createTally, deriveUndervotes, type Tally } from '../../domain/counting/tally.ts';
import { cellAt, indexElection, slotAt } from '../../domain/election/election-index.ts';
import { definitionOf, type ElectionEntry } from '../../ports/elections.ts';
import type { Electorate, Moment, Recount, Turnout, VoteEnds, VoterRange } from '../../ports/recount.ts';
import { type Database, lockOrAbort } from './database.ts';
import { openBatches } from './recount-batches.ts';
import { recountParticipation } from './recount-participation.ts';
import { recountRoll } from './roll-root.ts';

/** A few differences show the fault. */
const DIFFERENCES_MAX = 5;

export function openRecount(database: Database): Recount {
  return {
    async moment({ election_no }, signal) {
      const sql = readSql('postgres/recount-moment.sql');
      const [row] = await ask<pg.QueryResultRow & Moment>(database, signal, sql, [election_no]);
      return row!;
    },
    tally: (entry, ends, signal) => recountTally(database, entry, ends, signal),
    async turnout({ election_no }, signal) {
      const sql = readSql('postgres/recount-turnout.sql');
      const [row] = await ask<pg.QueryResultRow & Turnout>(database, signal, sql, [election_no, DIFFERENCES_MAX]);
      return row!;
    },
    participation: ({ election_no }, signal) => recountParticipation(database, election_no, signal),
    electorate: ({ election_no }, signal) => readElectorate(database, election_no, signal),
    rollBlocks: ({ election_no }, blocks, signal) => recountRoll(database, election_no, blocks, signal),
    openBatches: ({ election_no }, signal) => openBatches(database, election_no, signal),
    compareVoters: (entry, range) => compareVoters(database, entry, range),
    async rejections(entry) {
      const rows = await database.query<{ reason: string; n: string }>(
        'SELECT reason, count(*) AS n FROM rejections WHERE election_no = $1 GROUP BY reason ORDER BY reason',
        [entry.election_no],
      );
      return new Map(rows.map((row) => [row.reason, Number(row.n)]));
    },
  };
}

/** Runs a long query on a connection of its own. It is cancelled when the signal aborts. */
async function ask<Row extends pg.QueryResultRow>(
  database: Database,
  signal: AbortSignal,
  sql: string,
  parameters: readonly unknown[],
): Promise<Row[]> {
  signal.throwIfAborted();
  await using client = await database.connect();
  const run = async (): Promise<Row[]> => (await client.query<Row>(sql, [...parameters])).rows;
  return await lockOrAbort(database, client, signal, run);
}

async function recountTally(
  database: Database,
  entry: ElectionEntry,
  ends: VoteEnds,
  signal: AbortSignal,
): Promise<{ tally: Tally; offBallot: number }> {
  const index = indexElection(definitionOf(entry));
  const tally = createTally(index);
  const rows = await ask<{
    kind: 'ballots' | 'overvoted' | 'votes';
    location_no: number;
    contest_no: number;
    candidate_no: number;
    n: string;
  }>(database, signal, readSql('postgres/recount.sql'), [
    entry.election_no,
    entry.partitions,
    ends.map(({ next_batch }) => next_batch),
  ]);
  let offBallot = 0;
  for (const { kind, location_no, contest_no, candidate_no, n } of rows) {
    let at = location_no;
    if (kind === 'overvoted') at = slotAt(index, location_no, contest_no);
    // A candidate of another contest than the definition's is on no ballot.
    if (kind === 'votes')
      at = index.contestOfCandidate[candidate_no] === contest_no ? cellAt(index, location_no, candidate_no) : -1;
    if (tally[kind][at] === undefined) offBallot += Number(n);
    else tally[kind][at] = Number(n);
  }
  // The table has no rows for undervotes.
  deriveUndervotes(index, tally, tally.ballots.keys());
  return { tally, offBallot };
}

async function readElectorate(database: Database, electionNo: number, signal: AbortSignal): Promise<Electorate> {
  const [row] = await ask<{
    revision: number;
    voters_total: number | null;
    published: number;
    places: { location: number; voters: number; removed: number }[];
  }>(
    database,
    signal,
    `SELECT revision, voters_total::float8,
       (SELECT coalesce(sum(next_seq), 0)::float8 FROM log_ends WHERE election_no = $1 AND topic = 'voters') AS published,
       (SELECT coalesce(jsonb_agg(to_jsonb(p)), '[]') FROM (
          SELECT location_no AS location, count(*) AS voters, count(*) FILTER (WHERE removed_in IS NOT NULL) AS removed
          FROM voters WHERE election_no = $1 GROUP BY location_no) AS p) AS places
     FROM elections WHERE election_no = $1`,
    [electionNo],
  );
  assert(row !== undefined, 'the row of the election');
  const { places, ...rest } = row;
  return {
    ...rest,
    voters: places.reduce((sum, { voters }) => sum + voters, 0),
    removed: places.reduce((sum, { removed }) => sum + removed, 0),
    by_location: new Map(places.map(({ location, voters, removed }) => [location, voters - removed])),
  };
}

/**
 * The voters of the table with these ids are the same, and there is none between them. One hash is
 * compared; rows are read only where it differs.
 */
async function compareVoters(
  database: Database,
  { election_no }: ElectionEntry,
  { ids, locations }: VoterRange,
): Promise<string[]> {
  const range = [election_no, ids[0], ids.at(-1)];
  const [row] = await database.query<{ hash: string | null }>(
    `SELECT encode(sha256(convert_to(string_agg(voter_id || ' ' || location_no, ',' ORDER BY voter_id), 'UTF8')), 'hex') AS hash
     FROM voters WHERE election_no = $1 AND voter_id BETWEEN $2 AND $3`,
    range,
    'hash-voters',
  );
  if (row!.hash === sha256(Array.from(ids, (id, i) => `${id} ${locations[i]}`).join(','))) return [];
  const rows = await database.query<{ voter_id: string; location_no: number }>(
    'SELECT voter_id, location_no FROM voters WHERE election_no = $1 AND voter_id BETWEEN $2 AND $3 ORDER BY voter_id',
    range,
  );
  const differences: string[] = [];
  let at = 0;
  for (const { voter_id, location_no } of rows) {
    const id = Number(voter_id);
    for (; at < ids.length && ids[at]! < id; at++) differences.push(`voter ${ids[at]} is not in table voters`);
    if (ids[at] !== id) differences.push(`voter ${id} of table voters is not in topic voters`);
    else if (locations[at++] !== location_no) differences.push(`voter ${id} has another location in table voters`);
  }
  for (; at < ids.length; at++) differences.push(`voter ${ids[at]} is not in table voters`);
  return differences.slice(0, DIFFERENCES_MAX);
}
