/** A small disk that fills up while an election is counted on it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Ended } from '../support/tallyroom.ts';
import { isServing, openWorkspace, succeeded, urlOf, type Workspace } from '../support/workspace.ts';

/** Holds a new database with the log of one election. */
const DISK_MB = 200;
const ELECTION = ['--voters', '100000', '--port', '0', '--once'];
/** Less than a segment of PostgreSQL's log. */
const LITTLE_BYTES = 12 * 1024 * 1024;
const BLOCK = Buffer.alloc(64 * 1024);

/** @returns null where this machine lets nobody mount a disk. */
function openOnSmallDisk(t: TestContext): Workspace | null {
  let mounted: string | null = null;
  // Before the directory of the workspace is removed, and so declared before it.
  t.after(() => {
    if (mounted !== null) assert.equal(spawnSync('umount', [mounted]).status, 0, 'nothing uses the disk any more');
  });
  const workspace = openWorkspace(t);
  const { dataDir } = workspace;
  const options = ['-t', 'tmpfs', '-o', `size=${DISK_MB}M,mode=755`, 'tmpfs', dataDir];
  if (process.platform !== 'linux' || spawnSync('mount', options).status !== 0) return null;
  mounted = dataDir;
  return workspace;
}

/** Writes until not a byte is left, or `left`. @returns the file */
function fill(directory: string, left = 0): string {
  const path = join(directory, 'filler');
  const file = openSync(path, 'a');
  for (const block of [BLOCK, Buffer.alloc(1)])
    try {
      while (writeSync(file, block) > 0);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  closeSync(file);
  if (left > 0) truncateSync(path, statSync(path).size - left);
  return path;
}

function endedFull(command: string, { code, signal, stderr }: Ended): void {
  assert.equal(code ?? signal, 1, `${command}: ${stderr}`);
  assert.match(stderr, /Error: (PostgreSQL has no space left on its disk|The disk that holds .* is full)/, command);
  assert.doesNotMatch(stderr, /defect|\bat .*:\d+:\d+/, command);
}

test('a disk that fills up ends every command by name; with space again the election goes on and agrees', async (t) => {
  const workspace = openOnSmallDisk(t);
  if (workspace === null) return t.skip('cannot mount a small disk here');
  const { dataDir } = workspace;
  const running = workspace.start(['run', '--rate', '5000', ...ELECTION]);
  await running.says(/voted [1-9]/);
  // No table can grow by a page. Space for less than a segment of PostgreSQL's log could suffice.
  const filler = fill(dataDir);
  endedFull('run', await running.ended);
  assert.ok(!isServing(dataDir));
  fill(dataDir);
  for (const args of [['verify'], ['topics'], ['count', '--once'], ['run', '--once', '--port', '0']]) {
    endedFull(args.join(' '), await workspace.run(args));
    assert.ok(!isServing(dataDir));
    fill(dataDir);
  }
  // With a little space the server starts, and may end in its recovery or do its work.
  fill(dataDir, LITTLE_BYTES);
  const ended = await workspace.run(['verify']);
  if (ended.code !== 0) endedFull('verify', ended);
  assert.ok(!isServing(dataDir));
  rmSync(filler);
  assert.match(succeeded(await workspace.run(['run', '--json', '--rate', 'max', ...ELECTION])), /unofficial-complete/);
  assert.match(succeeded(await workspace.run(['verify'])), /Everything agrees/);
  const names = readdirSync(join(dataDir, 'postgres', 'cluster'));
  assert.deepEqual(
    names.filter((name) => /^(conf|lock)-|^postmaster\.pid$/.test(name)),
    [],
  );
});

test('standard input that does not fit on the disk is refused by name, and nothing of it is left', async (t) => {
  const workspace = openOnSmallDisk(t);
  if (workspace === null) return t.skip('cannot mount a small disk here');
  const elsewhere = openWorkspace(t);
  const server = { DATABASE_URL: urlOf(await elsewhere.server()) };
  succeeded(await workspace.run(['register', '--voters', '10'], server));
  fill(workspace.dataDir);
  const vote = workspace.start(['vote', '--votes', '-'], server);
  vote.child.stdin!.on('error', () => {}).write('registration_number,location_id,x\n'.repeat(10_000));
  const { code, stderr } = await vote.ended;
  assert.equal(code, 1, stderr);
  assert.match(stderr, /Error: The disk that holds .* is full\.\nNext: {2}Free some space/);
  assert.deepEqual(readdirSync(join(workspace.dataDir, 'spool')), []);
});
