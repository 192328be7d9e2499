/** `verify` on election night: before a count, behind one, while others vote, and stopped. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const POLL_MS = 20;
const VOTERS = ['--voters', '3000', '--seed', '3'];

async function verified(workspace: Workspace): Promise<{
  passed: boolean;
  votes: number;
  not_counted: number;
  notes: string[];
  checks: { name: string; passed: boolean; differences: string[] }[];
}> {
  const { code, stdout, stderr } = await workspace.run(['verify', '--json']);
  assert.equal(code, 0, stdout + stderr);
  return JSON.parse(stdout);
}

describe('verify', { concurrency: 1 }, () => {
  test('before anything is counted: the votes are not counted yet, and nothing disagrees', async (context) => {
    const workspace = openWorkspace(context);
    await workspace.server();
    succeeded(await workspace.run(['register', ...VOTERS]));
    assert.deepEqual((await verified(workspace)).notes, ['no count has been published yet']);
    succeeded(await workspace.run(['vote', '--rate', 'max']));
    const { votes, not_counted, notes } = await verified(workspace);
    assert.ok(votes > 0);
    assert.equal(not_counted, votes);
    assert.deepEqual(notes, ['no count has been published yet', `not counted yet: ${votes.toLocaleString('en-GB')}`]);
    succeeded(await workspace.run(['count', '--once']));
    const counted = await verified(workspace);
    assert.deepEqual([counted.votes, counted.not_counted, counted.notes], [votes, 0, []]);
    assert.match(succeeded(await workspace.run(['verify'])), /Everything agrees: [\d,]+ votes\.\n$/);
  });

  test('while others register, vote and count', async (context) => {
    const workspace = openWorkspace(context);
    await workspace.server();
    succeeded(await workspace.run(['register', ...VOTERS]));
    const stages = [
      workspace.start(['vote', '--rate', '400']),
      workspace.start(['vote', '--rate', '400']),
      workspace.start(['count']),
    ];
    let last = -1;
    // Until everyone has voted: several verifications of a log that grows.
    for (let runs = 0; runs < 50; runs++) {
      const { votes, not_counted } = await verified(workspace);
      assert.ok(votes >= last && not_counted <= votes);
      if (votes === last && votes > 0) break;
      last = votes;
    }
    stages[2]!.child.kill('SIGINT');
    for (const stage of stages) succeeded(await stage.ended);
    assert.equal((await verified(workspace)).not_counted, 0);
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    test(`ends at ${signal} while PostgreSQL works or waits, and leaves no query behind`, async (context) => {
      const workspace = openWorkspace(context);
      const database = await workspace.connect();
      // Within its transaction a connection sees the activity of its first look only.
      const watcher = await workspace.connect();
      succeeded(await workspace.run(['run', ...VOTERS, '--rate', 'max', '--port', '0', '--once']));
      // Its query waits behind a lock for as long as this transaction lasts.
      await database.query('BEGIN; LOCK TABLE votes IN ACCESS EXCLUSIVE MODE');
      const waiting = workspace.start(['verify']);
      const stuck = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ILIKE '%votes%'";
      while ((await watcher.query(stuck)).rows.length === 0) await delay(POLL_MS);
      waiting.child.kill(signal);
      const { code, stdout } = await waiting.ended;
      assert.notEqual(code, 1, 'nothing is said to disagree');
      assert.doesNotMatch(stdout, /DISAGREES|Everything agrees/);
      // The server ends the query, at its own time; else this never ends.
      while ((await watcher.query(stuck)).rows.length > 0) await delay(POLL_MS);
      await database.query('ROLLBACK');
    });
});
