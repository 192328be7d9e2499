/** Every kind of tampering that `verify` finds, with exit code 1 and its place. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type pg from 'pg';
import { openWorkspace, succeeded } from '../support/workspace.ts';

/** The tables that the cases tamper with. Each is saved and put back. */
const TABLES = ['votes_1', 'participation_1', 'batches', 'log', 'source_offsets'];

/**
 * Rewrites the records of one batch of the log: the last batch of a topic whose text the change
 * affects.
 */
async function editLog(database: pg.Client, topic: string, edit: (text: string) => string): Promise<void> {
  const { rows } = await database.query<{ ctid: string; payload: Buffer }>(
    'SELECT ctid, payload FROM log WHERE topic = $1 ORDER BY base_offset DESC, partition',
    [topic],
  );
  for (const { ctid, payload } of rows) {
    const text = zstdDecompressSync(payload).toString();
    const edited = edit(text);
    if (edited === text) continue;
    await database.query('UPDATE log SET payload = $1 WHERE ctid = $2', [zstdCompressSync(Buffer.from(edited)), ctid]);
    return;
  }
  assert.fail(`nothing to edit in topic ${topic}`);
}

const FIRST_VOTE = '(SELECT ctid FROM votes_1 ORDER BY ctid LIMIT 1)';
const FIRST_BATCH = '(SELECT min(batch_no) FROM batches)';

const TAMPERINGS: readonly (readonly [
  what: string,
  tamper: string | ((database: pg.Client) => Promise<void>),
  check: string,
  difference: RegExp,
])[] = [
  [
    'a vote deleted',
    `DELETE FROM votes_1 WHERE ctid = ${FIRST_VOTE}`,
    'votes in the log = votes in PostgreSQL',
    /, ballots: \d+ and \d+/,
  ],
  [
    'a vote changed',
    `UPDATE votes_1 SET selections = CASE WHEN selections = '{0}' THEN '{1}'::int[] ELSE '{0}' END WHERE ctid = ${FIRST_VOTE}`,
    'votes in the log = votes in PostgreSQL',
    /, [^,]+: \d+ and \d+/,
  ],
  [
    'a vote moved to another location',
    `UPDATE votes_1 SET location_no = (location_no + 1) % 3 WHERE ctid = ${FIRST_VOTE}`,
    'votes in the log = votes in PostgreSQL',
    /, ballots: \d+ and \d+/,
  ],
  [
    'a vote added',
    `INSERT INTO votes_1 SELECT * FROM votes_1 WHERE ctid = ${FIRST_VOTE}`,
    'votes in the log = votes in PostgreSQL',
    /, ballots: \d+ and \d+/,
  ],
  [
    'a participation removed',
    'DELETE FROM participation_1 WHERE voter_id = (SELECT min(voter_id) FROM participation_1)',
    'votes in the log = participation in PostgreSQL',
    /700 on the left, 699 on the right/,
  ],
  [
    'a participation added',
    'INSERT INTO participation_1 (voter_id, election_no) SELECT max(voter_id) + 1000000, 1 FROM participation_1',
    'votes in the log = participation in PostgreSQL',
    /700 on the left, 701 on the right/,
  ],
  [
    'two batches of the log swapped',
    `UPDATE log SET payload = other.payload FROM log AS other
     WHERE log.topic = 'votes' AND other.topic = 'votes' AND log.partition = 0 AND other.partition = 0
       AND log.base_offset <> other.base_offset AND log.base_offset < 2 AND other.base_offset < 2`,
    'every seq and every link of the chain of hashes in the log',
    /partition 0: /,
  ],
  [
    'a vote in the log changed',
    (database) =>
      editLog(database, 'votes', (text) => text.replace(/"selections":\{"[^"]+":\["[^"]+"\]/, '"selections":{')),
    'every seq and every link of the chain of hashes in the log',
    /partition \d: /,
  ],
  [
    'the last batch of the log removed',
    `DELETE FROM log WHERE topic = 'votes' AND partition = 1
       AND base_offset = (SELECT max(base_offset) FROM log WHERE topic = 'votes' AND partition = 1)`,
    'batches in PostgreSQL = batches in the chain',
    /batch \d+ is not in the log/,
  ],
  [
    'the hash of a batch changed',
    `UPDATE batches SET hash = repeat('0', 64) WHERE batch_no = ${FIRST_BATCH}`,
    'batches in PostgreSQL = batches in the chain',
    /batch 0 .*0{64}/,
  ],
  [
    'the size of a batch changed',
    `UPDATE batches SET votes = votes - 1 WHERE batch_no = ${FIRST_BATCH}`,
    'batches in PostgreSQL = batches in the chain',
    /batch 0 /,
  ],
  [
    'a published total of a location changed',
    (database) =>
      editLog(database, 'results-by-location', (text) =>
        text.replace(/"ballots_cast":(\d+)/, (_, ballots) => `"ballots_cast":${Number(ballots) + 1}`),
      ),
    'votes in the log = published results',
    /, ballots: \d+ and \d+/,
  ],
  [
    'a published total of a candidate changed',
    (database) =>
      editLog(database, 'votes-per-candidate', (text) =>
        text.replace(/"votes":(\d+)/g, (_, votes) => `"votes":${Number(votes) + 1}`),
      ),
    'results-by-location = votes-per-candidate',
    /\d+ and \d+|on the left/,
  ],
  [
    'a published turnout changed',
    (database) =>
      editLog(database, 'turnout-by-location', (text) =>
        text.replace(/"ballots_cast":(\d+)/g, (_, ballots) => `"ballots_cast":${Number(ballots) + 1}`),
      ),
    'results-by-location = turnout-by-location',
    /\d+ and \d+|on the left/,
  ],
  [
    'a checkpoint that claims less than is there',
    (database) =>
      editLog(database, 'results-by-location', (text) =>
        text.replace(/^(checkpoint\t.*?"covers":\[)(\d+)/m, (_, head, seq) => `${head}${Number(seq) - 1}`),
      ),
    'published results cover only votes in the log',
    /partition 0: the results end at seq \d+, within a box/,
  ],
  [
    'every batch row removed',
    'DELETE FROM batches',
    'batches in PostgreSQL = batches in the chain',
    /partition \d has no batch from seq 0 to \d+/,
  ],
  [
    'a batch row in the middle removed',
    'DELETE FROM batches WHERE partition = 0 AND first_seq = (SELECT min(first_seq) FROM batches WHERE partition = 0 AND first_seq > 0)',
    'batches in PostgreSQL = batches in the chain',
    /partition 0 has no batch from seq \d+ to \d+/,
  ],
  [
    'a batch put under another definition',
    `UPDATE batches SET definition_hash = repeat('0', 64) WHERE batch_no = ${FIRST_BATCH}`,
    'batches in PostgreSQL = batches in the chain',
    /batch 0 was cast under another definition/,
  ],
  [
    'a vote put where nobody votes',
    `INSERT INTO votes_1 (batch_no, location_no, selections) VALUES (0, 9999, '{0}')`,
    'votes in PostgreSQL that no ballot can hold',
    /on the right/,
  ],
  [
    'a voter who voted swapped for a stranger',
    `UPDATE participation_1 SET voter_id = voter_id + 1000000000 WHERE voter_id = (SELECT min(voter_id) FROM participation_1)`,
    'participants who are no voters of the election',
    /0 on the left, 1 on the right/,
  ],
  [
    'a candidate of the definition renamed',
    `UPDATE elections SET definition = jsonb_set(definition, '{candidates,0,name}', '"Somebody Else"')`,
    'the definition has the hash that every batch carries',
    /in table elections/,
  ],
  [
    'a counting rule changed in topic definition',
    (database) => editLog(database, 'definition', (text) => text.replace(/"vote_for":1/, '"vote_for":2')),
    'the definition has the hash that every batch carries',
    /in topic definition/,
  ],
];

describe('verify', () => {
  const cleanUp: (() => Promise<void>)[] = [];
  const workspace = openWorkspace({ after: (work) => cleanUp.push(work) });
  let database: pg.Client;
  before(async () => {
    database = await workspace.connect();
    const args = ['--voters', '1000', '--seed', '3', '--rate', 'max', '--port', '0', '--once'];
    succeeded(await workspace.run(['run', ...args]));
    for (const table of TABLES) await database.query(`CREATE TABLE kept_${table} AS TABLE ${table}`);
    await database.query('CREATE TABLE kept_definition AS SELECT election_no, definition FROM elections');
  });
  after(async () => {
    for (const work of cleanUp) await work();
  });

  const putBack = async (): Promise<void> => {
    await database.query(
      'UPDATE elections SET definition = kept.definition FROM kept_definition AS kept WHERE kept.election_no = elections.election_no',
    );
    for (const table of TABLES) {
      await database.query(`TRUNCATE ${table}`);
      await database.query(`INSERT INTO ${table} TABLE kept_${table}`);
    }
  };

  for (const [what, tamper, check, difference] of TAMPERINGS)
    test(what, async () => {
      if (typeof tamper === 'function') await tamper(database);
      else assert.ok((await database.query(tamper)).rowCount! > 0, 'nothing was changed');
      try {
        const { code, stdout } = await workspace.run(['verify']);
        assert.equal(code, 1, stdout);
        const at = stdout.indexOf(`FAIL  ${check}\n`);
        assert.notEqual(at, -1, stdout);
        assert.match(stdout.slice(at).split(/\n(?=ok|FAIL)/)[0]!, difference);
        assert.match(stdout, /THE RECOUNT DISAGREES/);
      } finally {
        await putBack();
      }
    });

  test('finds nothing after everything was put back', async () => {
    const verified = JSON.parse(succeeded(await workspace.run(['verify', '--json'])));
    assert.deepEqual([verified.passed, verified.votes, verified.rejections], [true, 700, {}]);
    assert.ok(verified.checks.length >= 9);
  });
});
