/** Many partitions: their connections fit, or are refused at once with the numbers. */
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openWorkspace, succeeded } from '../support/workspace.ts';

/** The most that `--partitions` allows. */
const PARTITIONS_MAX = '64';

test('the most partitions on the bundled server, by run and by two processes of vote', async (t) => {
  const workspace = openWorkspace(t);
  const making = ['--voters', '6400', '--partitions', PARTITIONS_MAX];
  const ran = await workspace.run(['run', ...making, '--rate', 'max', '--once', '--port', '0']);
  succeeded(ran);
  assert.doesNotMatch(ran.stderr, /does not answer/);
  succeeded(await workspace.run(['register', ...making, '--seed', '7', '--fresh']));
  const vote = ['vote', '--rate', 'max'];
  for (const ended of await Promise.all([workspace.run(vote), workspace.run(vote)])) {
    succeeded(ended);
    assert.doesNotMatch(ended.stderr, /does not answer/);
  }
  succeeded(await workspace.run(['count', '--once']));
  succeeded(await workspace.run(['verify']));
});

test('more than a server gives is refused at once', async (t) => {
  const workspace = openWorkspace(t);
  succeeded(await workspace.run(['register', '--voters', '640', '--partitions', PARTITIONS_MAX]));
  // PostgreSQL reads this file after its own, and it is not written anew at a start.
  appendFileSync(join(workspace.dataDir, 'postgres', 'cluster', 'postgresql.auto.conf'), 'max_connections = 40\n');
  const { code, stderr } = await workspace.run(['vote', '--rate', 'max']);
  assert.equal(code, 2);
  assert.match(stderr, /voting in 64 partitions needs 74 connections, and PostgreSQL gives 37/);
  assert.match(stderr, /Next: .*max_connections/);
});
