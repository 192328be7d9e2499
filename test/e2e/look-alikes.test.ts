/**
 * One registration number in several spellings that look the same: one voter, one vote, and a late
 * change of the roll finds that voter. Elections made before numbers had keys go on.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { COUNCIL } from '../support/council.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const ROLL = 'registration_number,location_id\n';
const VOTES = 'registration_number,location_id,mayor,board\n';
const SPELLINGS = ['A-1001', 'A\u20111001', '\uff21-1001', 'A\u20131001', 'A-1001\u200b', '\u202aA-1001\u202c'];
const rowsOf = (numbers: readonly string[], rest: string): string =>
  numbers.map((number) => `${number},${rest}\n`).join('');

async function register(context: TestContext, numbers: readonly string[]): Promise<Workspace & { said: string }> {
  const workspace = openWorkspace(context);
  await workspace.server();
  const election = workspace.file('council.json', JSON.stringify(COUNCIL));
  const roll = workspace.file('roll.csv', `${ROLL}${rowsOf(numbers, 'north')}`);
  const registered = await workspace.run(['register', '--election', election, '--roll', roll]);
  succeeded(registered);
  return Object.assign(workspace, { said: registered.stderr });
}

async function verified(workspace: Workspace): Promise<{ votes: number; rejections: unknown }> {
  succeeded(await workspace.run(['count', '--once']));
  const { passed, votes, rejections } = JSON.parse(succeeded(await workspace.run(['verify', '--json'])));
  assert.equal(passed, true);
  return { votes, rejections };
}

describe('registration numbers that look the same', { concurrency: 2 }, () => {
  test('one voter is on the roll and votes once, and each other line is named', async (context) => {
    const workspace = await register(context, [...SPELLINGS, 'A-1002']);
    for (const [line, reason] of [
      [3, 'this voter is on the roll already, from line 2'],
      [4, 'this voter is on the roll already, from line 2'],
      [5, 'this voter is on the roll already, from line 2'],
      [6, 'contains a character that nobody sees'],
      [7, 'contains a character that reverses the direction'],
    ])
      assert.ok(workspace.said.includes(`roll.csv:${line}: registration_number: ${reason}`), workspace.said);
    assert.match(workspace.said, /2 voters are registered/);
    const votes = workspace.file('votes.csv', `${VOTES}${rowsOf(SPELLINGS, 'north,Ada,')}`);
    succeeded(await workspace.run(['vote', '--votes', votes]));
    const again = workspace.file('again.csv', `${VOTES}${rowsOf(SPELLINGS.slice(1, 3), 'north,Bob,')}`);
    succeeded(await workspace.run(['vote', '--votes', again]));
    assert.deepEqual(await verified(workspace), { votes: 1, rejections: { 'already-voted': 6, malformed: 1 } });
  });

  test('late changes of the roll find the voter by any of them, once', async (context) => {
    const workspace = await register(context, ['A-1001', 'A-1002', 'A-1003']);
    const more = workspace.file('more.csv', `${ROLL}${rowsOf(['A\u20131001', 'B-1', 'B\u20131'], 'north')}`);
    const added = await workspace.run(['register', '--add', more]);
    assert.match(added.stderr, /1 voter added to the roll, 2 left out\. 4 voters/);
    const fewer = workspace.file(
      'fewer.csv',
      `registration_number,reason\n${rowsOf(['A\u20131002', 'A\u20111002', 'A-1002'], 'moved')}`,
    );
    const removed = await workspace.run(['register', '--remove', fewer]);
    assert.match(removed.stderr, /1 voter removed from the roll, 2 left out\. 3 voters/);
  });

  test('an election made before numbers had keys: stored numbers stay, are found, and are not added again', async (context) => {
    const workspace = openWorkspace(context);
    const database = await workspace.connect();
    // The first command makes the tables. An election of that time has no nonce, so no root either.
    succeeded(await workspace.run(['register', '--voters', '10', '--id', 'first']));
    await database.query(`
      CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER forget BEFORE INSERT ON nonces FOR EACH ROW EXECUTE FUNCTION forget()`);
    const election = workspace.file('council.json', JSON.stringify(COUNCIL));
    const roll = workspace.file('roll.csv', `${ROLL}${rowsOf(['A-1001', 'A-1002', 'A-1003'], 'north')}`);
    succeeded(await workspace.run(['register', '--election', election, '--roll', roll, '--fresh']));
    await database.query(
      "UPDATE voters SET registration_number = replace(registration_number, '-', '\u2013') WHERE registration_number <> 'A-1003'",
    );
    const more = workspace.file('more.csv', `${ROLL}${rowsOf(['A-1001', 'A\u20131002'], 'north')}`);
    const added = await workspace.run(['register', '--add', more]);
    assert.match(added.stderr, /0 voters added to the roll, 2 left out/);
    const votes = workspace.file('votes.csv', `${VOTES}${rowsOf(['A\u20131001', 'A\u20131003'], 'north,Ada,')}`);
    succeeded(await workspace.run(['vote', '--votes', votes]));
    const fewer = workspace.file('fewer.csv', `registration_number,reason\nA\u20131002,moved\n`);
    assert.match((await workspace.run(['register', '--remove', fewer])).stderr, /1 voter removed/);
    assert.deepEqual(await verified(workspace), { votes: 2, rejections: {} });
  });
});
