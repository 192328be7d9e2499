/**
 * The root of the roll: it binds the registration number, UUID and location of every voter, follows
 * late changes, shows nothing, and is missed by nobody in an election that was made before it.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type pg from 'pg';
import { COUNCIL, numberOf } from '../support/council.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const ROLL_HEADER = 'registration_number,location_id,uuid\n';
const VOTERS_EACH = 30;

/** Numbers that need care on their way through COPY, JSON and SQL. */
const STRANGE = ['"N""9"', '"N 1:x -"', 'Ñ-7', '𝔸𝔹', '\\N', "N'8", '0', '-'];

const strangeRoll = (): string => {
  const lines = STRANGE.map((number, i) => `${number},${i % 2 === 0 ? 'north' : 'south'},`);
  for (const location of ['north', 'south'] as const)
    for (let ordinal = 1; ordinal <= VOTERS_EACH; ordinal++)
      lines.push(`${numberOf(location, ordinal)},${location},${location}-${ordinal}`);
  return `${ROLL_HEADER}${lines.join('\n')}\n`;
};

interface Verified {
  readonly passed: boolean;
  readonly notes: readonly string[];
  readonly failed: string;
}

async function verified(workspace: Workspace): Promise<Verified> {
  const { stdout } = await workspace.run(['verify', '--json']);
  const { passed, notes, checks } = JSON.parse(stdout) as {
    passed: boolean;
    notes: string[];
    checks: { passed: boolean; name: string; differences: string[] }[];
  };
  const failed = checks.filter((check) => !check.passed).map(({ name, differences }) => `${name}: ${differences}`);
  return { passed, notes, failed: failed.join('\n') };
}

async function passes(workspace: Workspace): Promise<void> {
  const { passed, failed, notes } = await verified(workspace);
  assert.equal(passed, true, failed);
  assert.equal(
    notes.some((note) => note.startsWith('not covered')),
    false,
    notes.join(),
  );
}

async function register(workspace: Workspace): Promise<void> {
  const election = workspace.file('council.json', JSON.stringify(COUNCIL));
  const roll = workspace.file('roll.csv', strangeRoll());
  succeeded(await workspace.run(['register', '--election', election, '--roll', roll]));
}

async function openCouncil(context: TestContext): Promise<{ workspace: Workspace; database: pg.Client }> {
  const workspace = openWorkspace(context);
  const database = await workspace.connect();
  await register(workspace);
  return { workspace, database };
}

/** Voters added and removed late. */
async function changeRoll(workspace: Workspace): Promise<void> {
  const more = workspace.file(
    'more.csv',
    `${ROLL_HEADER}N9001,north,\nS9001,south,late\n${numberOf('north', 1)},north,\n`,
  );
  succeeded(await workspace.run(['register', '--add', more]));
  const gone = workspace.file('gone.csv', `registration_number,reason\n${numberOf('south', 2)},moved\nN9001,died\n`);
  succeeded(await workspace.run(['register', '--remove', gone]));
}

const rootsIn = (topic: string): { revision: number; root: string }[] =>
  topic
    .split('\n')
    .filter((line) => line.includes('"root"'))
    .map((line) => JSON.parse(line).value ?? JSON.parse(line));

describe('the root of the roll', { concurrency: 2 }, () => {
  test('is that of table voters, for any text, after late changes, and after a second start', async (context) => {
    const { workspace, database } = await openCouncil(context);
    await passes(workspace);
    await changeRoll(workspace);
    await register(workspace);
    await passes(workspace);
    const { rows } = await database.query<{ revision: number; root: string }>('SELECT revision, root FROM roll_roots');
    assert.deepEqual(
      rows.map(({ revision }) => revision),
      [0, 1, 2],
    );
    assert.equal(new Set(rows.map(({ root }) => root)).size, 3);
    const topic = succeeded(await workspace.run(['topics', 'definition']));
    for (const { root } of rows) assert.ok(topic.includes(root));
  });

  test('of invented voters and of voters without a person', async (context) => {
    const workspace = openWorkspace(context);
    await workspace.server();
    succeeded(await workspace.run(['register', '--voters', '3000', '--partitions', '2']));
    await passes(workspace);
    const results = workspace.file(
      'results.csv',
      'location_id,contest,candidate,party,votes\nKent,Mayor,Ada,Red,30\nKent,Mayor,Bob,Blue,9\nDorset,Mayor,Ada,Red,8\nDorset,Mayor,Bob,Blue,14\n',
    );
    succeeded(await workspace.run(['register', '--results', results, '--fresh']));
    await passes(workspace);
  });

  test('shows what was changed in table voters, in an old block and in a late one', async (context) => {
    const { workspace, database } = await openCouncil(context);
    await changeRoll(workspace);
    const changes = [
      `SET registration_number = 'N9999' WHERE registration_number = '${numberOf('north', 3)}'`,
      `SET registration_number = 'S9999' WHERE registration_number = 'S9001'`,
      `SET uuid = NULL WHERE uuid = 'late'`,
      `SET uuid = uuid || ' ' WHERE registration_number = '${numberOf('south', 9)}'`,
      `SET registration_number = CASE registration_number WHEN 'N0004' THEN 'N0005' ELSE 'N0004' END || 'x'
       WHERE registration_number IN ('N0004', 'N0005')`,
    ];
    for (const change of changes) {
      await database.query('DROP TABLE IF EXISTS kept; CREATE TABLE kept AS TABLE voters');
      await database.query(`UPDATE voters ${change}`);
      const { passed, failed } = await verified(workspace);
      assert.equal(passed, false, change);
      assert.match(
        failed,
        /table voters = the root of the roll: .*voter \d+ to \d+: registration numbers, UUIDs or locations/,
      );
      // No personal value is shown.
      assert.doesNotMatch(failed, /[NS]\d{4}|late/);
      await database.query('BEGIN; DELETE FROM voters; INSERT INTO voters SELECT * FROM kept; COMMIT');
    }
    await passes(workspace);
  });

  test('does not show the nonce anywhere', async (context) => {
    const { workspace, database } = await openCouncil(context);
    await changeRoll(workspace);
    const { rows } = await database.query<{ nonce: Buffer }>('SELECT nonce FROM nonces');
    assert.equal(rows.length, 1);
    const seen = [];
    for (const topic of ['definition', 'voters', 'votes']) seen.push(await workspace.run(['topics', topic]));
    for (const command of ['verify', 'doctor'])
      seen.push(await workspace.run([command]), await workspace.run([command, '--json']));
    const text = seen.map(({ stdout, stderr }) => stdout + stderr).join('\n');
    assert.ok(text.includes('"root"'));
    for (const encoding of ['hex', 'base64', 'latin1'] as const)
      assert.equal(text.includes(rows[0]!.nonce.toString(encoding)), false, encoding);
  });

  test('a nonce, a block or a root that is gone is found', async (context) => {
    const { workspace, database } = await openCouncil(context);
    const tables = {
      nonces: /nonces lacks/,
      roll_blocks: /do not give root roll/,
      roll_roots: /roll_roots lacks roll/,
    };
    for (const [table, pattern] of Object.entries(tables)) {
      await database.query(`CREATE TABLE kept_${table} AS TABLE ${table}; DELETE FROM ${table}`);
      const { passed, failed } = await verified(workspace);
      assert.equal(passed, false, table);
      assert.match(failed, pattern);
      await database.query(`INSERT INTO ${table} SELECT * FROM kept_${table}`);
    }
    await passes(workspace);
  });

  test('an election made before has none: it goes on, and verify says what is not covered', async (context) => {
    const workspace = openWorkspace(context);
    const database = await workspace.connect();
    // The first command makes the tables.
    await workspace.run(['register', '--voters', '10', '--id', 'first']);
    await database.query(`
      CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER forget BEFORE INSERT ON nonces FOR EACH ROW EXECUTE FUNCTION forget()`);
    const election = workspace.file('council.json', JSON.stringify(COUNCIL));
    const roll = workspace.file('roll.csv', strangeRoll());
    succeeded(await workspace.run(['register', '--election', election, '--roll', roll, '--fresh']));
    await changeRoll(workspace);
    const { passed, notes, failed } = await verified(workspace);
    assert.equal(passed, true, failed);
    assert.match(notes.join('\n'), /not covered: registration numbers and UUIDs of the roll/);
    assert.deepEqual(rootsIn(succeeded(await workspace.run(['topics', 'definition']))), []);
  });
});
