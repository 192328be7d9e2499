/**
 * A database that version 0.1 made, before ballots had digests, the roll a root and the definition
 * two parts: nine votes, six of them counted. It opens, goes on, and is verified.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openWorkspace, succeeded } from '../support/workspace.ts';

const STORED = new URL('stored/before-digests.sql', import.meta.url);

test('a database of the version before opens, counts on, takes votes and changes of the roll, and verifies', async (t) => {
  const workspace = openWorkspace(t);
  await (await workspace.connect()).query(await readFile(STORED, 'utf8'));
  const database = await workspace.connect();
  const verified = async () => JSON.parse(succeeded(await workspace.run(['verify', '--json'])));

  const first = await verified();
  assert.deepEqual({ votes: first.votes, not_counted: first.not_counted }, { votes: 9, not_counted: 3 });
  assert.match(first.notes.join('\n'), /not covered: 2 batches cast before digests/);
  succeeded(await workspace.run(['count', '--once']));

  const late = workspace.file('late.csv', 'registration_number,name,location_id\nN0011,Late Voter,north\n');
  succeeded(await workspace.run(['register', '--add', late]));
  const votes = workspace.file(
    'votes.csv',
    `registration_number,location_id,mayor,board\n${[
      'N0001,north,Bob,', // voted in the version before
      'N0008,north,Bob,Ed',
      'N0011,north,Bob,Ed', // registered in this version
    ].join('\n')}\n`,
  );
  assert.match((await workspace.run(['vote', '--votes', votes])).stderr, /2 votes cast, 1 refused/);
  const results = JSON.parse(succeeded(await workspace.run(['run', '--once', '--json', '--port', '0'])));
  const candidates = results.contests.flatMap(
    (contest: { candidates: { id: string; votes: number }[] }) => contest.candidates,
  );
  assert.deepEqual(Object.fromEntries(candidates.map(({ id, votes }: { id: string; votes: number }) => [id, votes])), {
    Ada: 5,
    Bob: 6,
    Cy: 7,
    Di: 5,
    Ed: 2,
  });
  const last = await verified();
  assert.deepEqual({ votes: last.votes, not_counted: last.not_counted }, { votes: 11, not_counted: 0 });
  assert.deepEqual(last.rejections, { 'already-voted': 2 });

  // A vote of the version before is checked still.
  await database.query(
    "UPDATE votes_1 SET selections = '{1,2,3}' WHERE ctid IN (SELECT ctid FROM votes_1 WHERE selections = '{0,2,3}' LIMIT 1)",
  );
  const { code } = await workspace.run(['verify']);
  assert.equal(code, 1);
});
