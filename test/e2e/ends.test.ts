/**
 * The ends that no command asks for: a terminal that goes away, an output that cannot be written.
 * None may lose a word about it, and none may leave a server behind.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { MAIN } from '../support/tallyroom.ts';
import { isServing, openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const ELECTION = ['--voters', '3000', '--rate', 'max', '--once', '--port', '0'];
/** Writes to it fail, as on a full disk. Linux alone has it. */
const FULL = '/dev/full';
const skip = !existsSync(FULL) && `there is no ${FULL} here`;

/** Runs a command with one of its streams on a full disk. @returns its code and the other stream */
async function runOnFullDisk({ dataDir }: Workspace, args: readonly string[], stream: 'stdout' | 'stderr') {
  const full = openSync(FULL, 'w');
  const child = spawn(process.execPath, [MAIN, ...args, '--data-dir', dataDir], {
    stdio: ['ignore', stream === 'stdout' ? full : 'pipe', stream === 'stderr' ? full : 'pipe'],
  });
  closeSync(full);
  const [said, [code]] = await Promise.all([text((child.stdout ?? child.stderr)!), once(child, 'close')]);
  return { code, said };
}

for (const args of [['verify'], ['verify', '--json'], ['topics'], ['topics', 'voters'], ['doctor'], ['run', '--json']])
  test(`${args.join(' ')} with its output on a full disk: exit 1, the reason, and no server is left`, {
    skip,
  }, async (t) => {
    const workspace = openWorkspace(t);
    if (args[0] !== 'run') succeeded(await workspace.run(['run', ...ELECTION]));
    const more = args[0] === 'run' ? ELECTION : [];
    const { code, said } = await runOnFullDisk(workspace, [...args, ...more], 'stdout');
    assert.equal(code, 1, said);
    assert.match(said, /Error: standard output could not be written: .*ENOSPC/);
    assert.doesNotMatch(said, /Unhandled|\bat .*:\d+:\d+|defect/);
    assert.ok(!isServing(workspace.dataDir));
  });

test('messages on a full disk end nothing: the election is counted to its end', { skip }, async (t) => {
  const workspace = openWorkspace(t);
  const { code, said } = await runOnFullDisk(workspace, ['run', '--json', ...ELECTION], 'stderr');
  assert.equal(code, 0);
  assert.equal(JSON.parse(said).election.status, 'unofficial-complete');
  assert.ok(!isServing(workspace.dataDir));
});

test('a terminal that goes away (SIGHUP) ends a command in order, as SIGTERM does', async (t) => {
  const workspace = openWorkspace(t);
  const { child, ended, says } = workspace.start(['run', '--voters', '3000', '--rate', '10', '--port', '0']);
  await says(/http:/);
  child.stderr!.destroy();
  child.kill('SIGHUP');
  const { signal } = await ended;
  assert.equal(signal, null, 'it ends by itself');
  assert.ok(!isServing(workspace.dataDir));
});

test('under nohup an election goes on when its terminal goes away', async (t) => {
  const workspace = openWorkspace(t);
  const { child, ended, says } = workspace.start(
    ['run', '--voters', '3000', '--rate', '2000', '--once', '--port', '0'],
    {
      _: '/usr/bin/nohup',
    },
  );
  await says(/http:/);
  child.kill('SIGHUP');
  succeeded(await ended);
});

test('a server that was stopped (SIGSTOP) and does not answer: a command ends with 3 and names the process', async (t) => {
  const workspace = openWorkspace(t);
  const { home } = await workspace.server();
  const pid = Number.parseInt(readFileSync(join(home, 'cluster', 'postmaster.pid'), 'utf8'), 10);
  process.kill(pid, 'SIGSTOP');
  try {
    const { code, stderr } = await workspace.run(['doctor']);
    assert.equal(code, 3, stderr);
    assert.match(stderr, new RegExp(`process ${pid}\\) runs and has not answered`));
  } finally {
    process.kill(pid, 'SIGCONT');
  }
});
