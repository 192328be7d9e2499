/** The digests that the chain carries: what they find, who is without them, and their secret. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type pg from 'pg';
import { sha256 } from '../../src/base/sha256.ts';
import { chainStart } from '../../src/domain/log/box.ts';
import { TOPICS } from '../../src/ports/log.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const ELECTION = ['--voters', '3000', '--seed', '3', '--rate', 'max'];
const RUN = ['run', ...ELECTION, '--port', '0', '--once'];
/** The tables that the cases tamper with. Each is saved and put back. */
const TABLES = ['participation_1', 'batches', 'log_ends', 'nonces'];

/** Two voters of one place, of whom one has voted. */
const TWO_OF_A_PLACE = `SELECT min(v.voter_id) AS voted, min(o.voter_id) AS absent
  FROM voters v JOIN participation_1 p USING (voter_id)
  JOIN voters o ON o.location_no = v.location_no AND o.voter_id NOT IN (SELECT voter_id FROM participation_1)`;

const TAMPERINGS: readonly (readonly [what: string, sql: string, check: string, difference: RegExp])[] = [
  [
    'a participation moved to another voter of the place',
    `UPDATE participation_1 SET voter_id = two.absent FROM (${TWO_OF_A_PLACE}) AS two WHERE voter_id = two.voted`,
    'participants = the digest that the chain carries',
    /some were added, removed or moved/,
  ],
  [
    'the nonce changed',
    "UPDATE nonces SET nonce = sha256('another')",
    'participants = the digest that the chain carries',
    /some were added, removed or moved/,
  ],
  [
    'the nonce removed',
    'DELETE FROM nonces',
    'participants = the digest that the chain carries',
    /the nonce of the election is not in table nonces/,
  ],
  [
    'the digest of a batch changed',
    "UPDATE batches SET digest = repeat('0', 64) WHERE batch_no = 0",
    'ballots of each batch = its digest',
    /batch 0 has another digest in table batches/,
  ],
  [
    'the digest of a batch removed',
    'UPDATE batches SET digest = NULL WHERE batch_no = 0',
    'ballots of each batch = its digest',
    /batch 0 has another digest in table batches/,
  ],
  [
    'the digest of participants of a batch changed',
    "UPDATE batches SET participation = repeat('0', 256) WHERE batch_no = 0",
    'ballots of each batch = its digest',
    /batch 0 has another digest of participants/,
  ],
  [
    'the digest of participants at the end of a partition changed',
    "UPDATE log_ends SET participation = repeat('0', 256) WHERE topic = 'votes' AND partition = 0",
    'table log_ends = the ends of topic votes',
    /votes\/0: participation is 0{256}/,
  ],
];

async function assertFound(workspace: Workspace, check: string, difference: RegExp): Promise<void> {
  const { code, stdout } = await workspace.run(['verify']);
  assert.equal(code, 1, stdout);
  const at = stdout.indexOf(`FAIL  ${check}\n`);
  assert.notEqual(at, -1, stdout);
  assert.match(stdout.slice(at).split(/\n(?=ok|FAIL)/)[0]!, difference);
}

describe('verify finds by the digests', () => {
  const cleanUp: (() => Promise<void>)[] = [];
  const workspace = openWorkspace({ after: (work) => cleanUp.push(work) });
  let database: pg.Client;
  before(async () => {
    database = await workspace.connect();
    succeeded(await workspace.run(RUN));
    for (const table of TABLES) await database.query(`CREATE TABLE kept_${table} AS TABLE ${table}`);
  });
  after(async () => {
    for (const work of cleanUp) await work();
  });

  const putBack = async (): Promise<void> => {
    for (const table of TABLES) {
      await database.query(`DELETE FROM ${table}`);
      await database.query(`INSERT INTO ${table} TABLE kept_${table}`);
    }
  };

  for (const [what, sql, check, difference] of TAMPERINGS)
    test(what, async () => {
      assert.ok((await database.query(sql)).rowCount! > 0, 'nothing was changed');
      try {
        await assertFound(workspace, check, difference);
      } finally {
        await putBack();
      }
    });

  test('nothing after everything was put back', async () => {
    assert.match(succeeded(await workspace.run(['verify'])), /Everything agrees/);
  });

  test('and the nonce is in no topic and in no output', async () => {
    const { rows } = await database.query<{ nonce: Buffer }>('SELECT nonce FROM nonces');
    const [{ nonce }] = rows as [{ nonce: Buffer }];
    assert.equal(nonce.length, 32);
    const outputs = await Promise.all(
      [...TOPICS.map((topic) => ['topics', topic]), ['verify', '--json'], ['doctor', '--debug']].map((command) =>
        workspace.run(command),
      ),
    );
    const log = await database.query<{ payload: Buffer }>('SELECT payload FROM log');
    const seen = [
      ...outputs.flatMap(({ stdout, stderr }) => [stdout, stderr]),
      ...log.rows.map(({ payload }) => zstdDecompressSync(payload).toString()),
    ].join('\n');
    assert.ok(seen.includes('"participation":"'), 'the digests are there');
    for (const text of ['hex', 'base64', 'base64url'] as const)
      assert.ok(!seen.includes(nonce.toString(text)), `the nonce is there, as ${text}`);
  });
});

/**
 * Makes of an election in which nothing is counted yet what the version before would have left:
 * boxes without digests, chained anew, and no nonce.
 */
async function takeDigestsOut(database: pg.Client): Promise<void> {
  const {
    rows: [election],
  } = await database.query('SELECT election_id, definition_hash FROM elections');
  const { rows } = await database.query<{ partition: number; base_offset: string; payload: Buffer }>(
    "SELECT partition, base_offset, payload FROM log WHERE topic = 'votes' ORDER BY partition, base_offset",
  );
  const heads = new Map<number, string>();
  const oldHashes = new Map<string, string>();
  for (const { partition, base_offset, payload } of rows) {
    let head = heads.get(partition) ?? chainStart(sha256, election.election_id, election.definition_hash, partition);
    const old = zstdDecompressSync(payload).toString();
    const text = old.replace(/^\t(.*?)(?:,"batch":\{.*?\})?,"hash":"(.*)"\}$/gm, (_, body, hash) => {
      head = sha256(head + body);
      oldHashes.set(hash, head);
      return `\t${body},"hash":"${head}"}`;
    });
    assert.notEqual(text, old);
    heads.set(partition, head);
    await database.query("UPDATE log SET payload = $1 WHERE topic = 'votes' AND partition = $2 AND base_offset = $3", [
      zstdCompressSync(text),
      partition,
      base_offset,
    ]);
  }
  for (const [old, hash] of oldHashes) {
    await database.query('UPDATE batches SET hash = $2 WHERE hash = $1', [old, hash]);
    await database.query('UPDATE log_ends SET hash = $2 WHERE hash = $1', [old, hash]);
  }
  await database.query('UPDATE batches SET digest = NULL, participation = NULL');
  await database.query('UPDATE log_ends SET participation = NULL');
  for (const table of ['nonces', 'roll_blocks', 'roll_roots']) await database.query(`DELETE FROM ${table}`);
  await takeRootOut(database);
}

/** Registration may have ended already. A record that says nothing takes the place of the root. */
async function takeRootOut(database: pg.Client): Promise<void> {
  const { rows } = await database.query<{ base_offset: string; payload: Buffer }>(
    "SELECT base_offset, payload FROM log WHERE topic = 'definition'",
  );
  for (const { base_offset, payload } of rows) {
    const text = zstdDecompressSync(payload).toString();
    const without = text.replace(/^roll\t.*$/m, 'votes-end:0\t{"partition":0,"seq_end":null}');
    await database.query("UPDATE log SET payload = $1 WHERE topic = 'definition' AND base_offset = $2", [
      zstdCompressSync(without),
      base_offset,
    ]);
  }
}

test('an election of the version before goes on, and verify says what is not covered', async (context) => {
  const workspace = openWorkspace(context);
  const database = await workspace.connect();
  const died = await workspace.run(RUN, { TALLYROOM_CRASH_AT: 'vote.after-commit#2' });
  assert.equal(died.signal, 'SIGKILL', died.stderr);
  await database.query("DELETE FROM log WHERE topic NOT IN ('definition', 'voters', 'votes')");
  await database.query("UPDATE log_ends SET next_offset = 0 WHERE topic NOT IN ('definition', 'voters', 'votes')");
  await takeDigestsOut(database);
  const { rows } = await database.query<{ n: string }>('SELECT count(*) AS n FROM batches');
  succeeded(await workspace.run(RUN));
  const verified = succeeded(await workspace.run(['verify']));
  assert.match(verified, new RegExp(`not covered: ${rows[0]!.n} batches cast before digests`));
  assert.match(verified, /Everything agrees/);
  // The batches that followed have digests of their ballots, and none of their participants.
  const later = await database.query(
    'SELECT count(digest) AS digests, count(participation) AS participation, count(*) AS n FROM batches',
  );
  const { digests, participation, n } = later.rows[0];
  assert.deepEqual([Number(n) - Number(digests), Number(participation)], [Number(rows[0]!.n), 0]);
  assert.ok(Number(digests) > 0);
});
