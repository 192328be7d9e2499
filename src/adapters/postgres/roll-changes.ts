import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { indexElection } from '../../domain/election/election-index.ts';
import { REMOVAL_KEY_PREFIX, type RemovalRecord } from '../../domain/log/records.ts';
import { createVoterColumns, writeVoters } from '../../domain/log/voter-records.ts';
import { definitionOf } from '../../ports/elections.ts';
import { type LateVoter, type Removal, type RollChange, VOTERS_PER_BATCH_MAX } from '../../ports/roll.ts';
import { appendDefinition, appendLog, readLogEnd } from './append.ts';
import { inTransaction } from './database.ts';
import { findElection, lockElection } from './elections.ts';
import { LOG_CHANNEL } from './notifications.ts';
import { type Revision, reviseDescription } from './revisions.ts';
import { RollDigests, recordRollRoot } from './roll-root.ts';
import { insertPeople, registeredLocations } from './roll-rows.ts';
import { findVoters, type Query, votersOfOldSpelling } from './voter-lookup.ts';

/**
 * Late changes of a complete roll. The caller's connection holds the lock of the roll. Each change
 * is one transaction, with one revision of the description.
 */

type Refused = { position: number; reason: RollChange['refused'][number]['reason'] };

/** The position of the source that brings staged voters to the topic: the next voter id. */
const PUBLISHED = 'publish';

/** Adds voters to table and topic. */
export function addLate(
  client: pg.Client,
  electionNo: number,
  source: string,
  voters: readonly LateVoter[],
): Promise<RollChange> {
  return change(client, electionNo, source, async () => {
    const refused = await alreadyThere(client, electionNo, voters);
    const out = new Set(refused.map(({ position }) => position));
    const added = new Map<number, number>();
    const digests = new RollDigests(client, electionNo);
    let changed = 0;
    for (let from = 0; from < voters.length; from += VOTERS_PER_BATCH_MAX) {
      const block = voters.slice(from, from + VOTERS_PER_BATCH_MAX);
      const positions = block.flatMap((_, i) => (out.has(from + i) ? [] : [from + i]));
      if (positions.length === 0) continue;
      const stored = await storeBlock(
        client,
        electionNo,
        from / VOTERS_PER_BATCH_MAX,
        positions.map((at) => voters[at]!),
        digests,
      );
      for (const at of stored.repeated) refused.push({ position: positions[at]!, reason: 'on-the-roll' });
      for (const location of stored.locations) added.set(location, (added.get(location) ?? 0) + 1);
      changed += stored.locations.length;
    }
    if (changed > 0) await revise(client, electionNo, added, { reason: 'voters-added', source, voters_added: changed });
    return { changed, refused };
  });
}

/** Removes voters who have not voted. */
export function removeLate(
  client: pg.Client,
  electionNo: number,
  source: string,
  removals: readonly Removal[],
): Promise<RollChange> {
  return change(client, electionNo, source, async () => {
    // First of all: no batch of votes commits between the look and the removal.
    const { revision } = await lockElection(client, electionNo);
    const known = await findVoters(
      queryOf(client),
      electionNo,
      removals.map((removal) => removal.registration_number),
    );
    const refused: Refused[] = [];
    const records: RemovalRecord[] = [];
    const removed = new Set<number>();
    const fewer = new Map<number, number>();
    for (const [position, { registration_number, reason }] of removals.entries()) {
      const voter = known.get(registration_number);
      if (voter === undefined || removed.has(voter.voter_id)) refused.push({ position, reason: 'not-on-the-roll' });
      else if (voter.has_voted) refused.push({ position, reason: 'has-voted' });
      else {
        removed.add(voter.voter_id);
        records.push({ voter_id: voter.voter_id, reason, revision: revision + 1 });
        fewer.set(voter.location, (fewer.get(voter.location) ?? 0) - 1);
      }
    }
    if (records.length === 0) return { changed: 0, refused };
    await client.query(
      `UPDATE voters SET removed_in = $2, removal_reason = removed.reason
       FROM unnest($3::bigint[], $4::text[]) AS removed (voter_id, reason)
       WHERE voters.voter_id = removed.voter_id AND election_no = $1`,
      [electionNo, revision + 1, records.map(({ voter_id }) => voter_id), records.map(({ reason }) => reason)],
    );
    await appendDefinition(
      client,
      electionNo,
      records.map((record) => ({ key: `${REMOVAL_KEY_PREFIX}${record.voter_id}`, value: JSON.stringify(record) })),
    );
    await revise(client, electionNo, fewer, { reason: 'voters-removed', source, voters_removed: records.length });
    return { changed: records.length, refused };
  });
}

/** One transaction, unless the source was taken before. */
function change(
  client: pg.Client,
  electionNo: number,
  source: string,
  work: () => Promise<{ changed: number; refused: readonly Refused[] }>,
): Promise<RollChange> {
  const run = async (): Promise<RollChange> => {
    const { rows } = await client.query('SELECT 1 FROM revisions WHERE election_no = $1 AND source = $2', [
      electionNo,
      source,
    ]);
    const wasTaken = rows.length > 0;
    const { changed, refused } = wasTaken ? { changed: 0, refused: [] } : await work();
    crashPoint('roll-change.before-commit');
    return { entry: await findElection(client, electionNo), changed, was_taken_before: wasTaken, refused };
  };
  return inTransaction(client, run).then((done) => {
    crashPoint('roll-change.after-commit');
    return done;
  });
}

const queryOf =
  (client: pg.Client): Query =>
  async (sql, values) =>
    (await client.query(sql, [...values])).rows;

async function alreadyThere(client: pg.Client, electionNo: number, voters: readonly LateVoter[]): Promise<Refused[]> {
  const numbers = voters.map(({ person }) => person.registration_number);
  const known = await findVoters(queryOf(client), electionNo, numbers);
  for (const [key, voter] of await votersOfOldSpelling(queryOf(client), electionNo)) known.set(key, voter);
  return voters.flatMap(({ person, location }, position): Refused[] => {
    const voter = known.get(person.registration_number);
    if (voter === undefined) return [];
    return [{ position, reason: voter.location === location ? 'on-the-roll' : 'on-the-roll-elsewhere' }];
  });
}

/**
 * Puts one block of voters into table and topic.
 * @returns the locations of those stored, and the positions of those whose number or UUID is taken.
 */
async function storeBlock(
  client: pg.Client,
  electionNo: number,
  block: number,
  late: readonly LateVoter[],
  digests: RollDigests,
): Promise<{ locations: readonly number[]; repeated: readonly number[] }> {
  const places = new Map(
    (await registeredLocations(client, electionNo)).map(({ location, voters }) => [location, voters]),
  );
  const people = late.map(({ person }) => person);
  const locations = late.map(({ location }) => location);
  const { ids, repeated } = await insertPeople(client, electionNo, { people, locations }, digests, null);
  const out = new Set(repeated);
  const voters = createVoterColumns(late.length);
  for (const [i, { location }] of late.entries()) {
    if (out.has(i)) continue;
    const place = places.get(location) ?? 0;
    places.set(location, place + 1);
    voters.ids[voters.count] = ids[i]!;
    voters.locations[voters.count] = location;
    voters.places[voters.count++] = place;
  }
  if (voters.count > 0) {
    const entry = await findElection(client, electionNo);
    const partition = block % entry.partitions;
    const end = await readLogEnd(client, electionNo, 'voters', partition);
    await appendLog(client, {
      election_no: electionNo,
      topic: 'voters',
      partition,
      expected_offset: end.next_offset,
      records: voters.count,
      entries: voters.count,
      batches: 0,
      hash: null,
      text: writeVoters(indexElection(definitionOf(entry)), voters, 0, voters.count, end.next_seq),
    });
    // A later `register` goes on behind them.
    await client.query(
      `INSERT INTO source_offsets VALUES ($1, $2, 0, $3)
       ON CONFLICT (election_no, source, partition) DO UPDATE SET next_offset = $3`,
      [electionNo, PUBLISHED, ids[late.length - 1]! + 1],
    );
  }
  return { locations: [...voters.locations.subarray(0, voters.count)], repeated };
}

/** Changes the electorates by these numbers of voters, and the number of all voters. */
async function revise(
  client: pg.Client,
  electionNo: number,
  byLocation: ReadonlyMap<number, number>,
  revision: Omit<Revision, 'election'>,
): Promise<void> {
  const inForce = await lockElection(client, electionNo);
  const definition = definitionOf(inForce);
  const locations = definition.locations.map((location, number) => ({
    ...location,
    registered_voters: (location.registered_voters ?? 0) + (byLocation.get(number) ?? 0),
  }));
  await reviseDescription(client, inForce, { ...revision, election: { ...definition, locations } });
  await recordRollRoot(client, electionNo, inForce.revision + 1);
  await client.query(
    `WITH counted AS (UPDATE elections SET voters_total = voters_total + $2 WHERE election_no = $1 RETURNING election_no)
     SELECT pg_notify($3, $4) FROM counted`,
    [
      electionNo,
      (revision.voters_added ?? 0) - (revision.voters_removed ?? 0),
      LOG_CHANNEL,
      `${electionNo}/voters/end/0`,
    ],
  );
}
