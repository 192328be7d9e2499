/**
 * The ends that no command asks for: a terminal that goes away, an output that cannot be written, a
 * server that says nothing. None may lose a word about it, and none may leave a server behind.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { IN_USE_LOCK } from '../../src/bundled-postgres/session.ts';
import { MAIN, type Started } from '../support/tallyroom.ts';
import { isServing, openWorkspace, succeeded, urlOf, type Workspace } from '../support/workspace.ts';

const ELECTION = ['--voters', '3000', '--rate', 'max', '--once', '--port', '0'];
/** Writes to it fail, as on a full disk. Linux alone has it. */
const FULL = '/dev/full';
const skip = !existsSync(FULL) && `there is no ${FULL} here`;
/** A command that was told to end ends within this time, on a machine that does other work too. */
const END_MS_MAX = 10_000;
const POLL_MS = 2;

/** A command with a terminal of its own, which goes away with the child. */
function startOnTerminal({ dataDir }: Workspace, args: readonly string[], before = '') {
  const command = [process.execPath, MAIN, ...args, '--data-dir', dataDir].map((each) => `'${each}'`).join(' ');
  const child = spawn('script', ['-qec', `${before}${command}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const says = async (pattern: RegExp): Promise<void> => {
    let said = '';
    for await (const chunk of child.stdout.setEncoding('utf8')) {
      said += chunk;
      if (pattern.test(said)) return;
    }
    assert.fail(`it did not say ${pattern}: ${said}`);
  };
  return { child, says };
}

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

const lockFileOf = ({ dataDir }: Workspace) => join(dataDir, 'postgres', 'cluster', 'postmaster.pid');

/** The server of a data directory, once it is there. */
async function postmasterOf(workspace: Workspace): Promise<number> {
  for (;;) {
    const pid = isServing(workspace.dataDir) ? Number.parseInt(readFileSync(lockFileOf(workspace), 'utf8'), 10) : 0;
    if (pid > 0) return pid;
    await delay(POLL_MS);
  }
}

/** Waits until the server has ended by itself. */
async function untilStopped({ dataDir }: Workspace): Promise<void> {
  while (isServing(dataDir)) await delay(POLL_MS);
}

/** Stops the server (SIGSTOP) while `work` runs. */
async function whileSilent(pid: number, work: () => Promise<void>): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

/** Tells a command to end. @throws where it does not */
async function endedBy({ child, ended }: Started, signal: NodeJS.Signals) {
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
  const outcome = await ended.finally(() => clearTimeout(late));
  assert.equal(outcome.signal, null, `it did not end:\n${outcome.stderr}`);
  return outcome;
}

/** The drafts and the lock file in the directory of the database. */
function leftovers({ dataDir }: Workspace): string[] {
  const home = join(dataDir, 'postgres');
  const cluster = join(home, 'cluster');
  const names = [...readdirSync(home), ...(existsSync(cluster) ? readdirSync(cluster) : [])];
  return names.filter((name) => /^(init|conf|lock)-|^postmaster\.pid$/.test(name));
}

/** Of these cases the election is made once: none of them changes it. */
describe('an election that was counted', () => {
  const workspace = openWorkspace({ after });
  before(async () => {
    succeeded(await workspace.run(['run', ...ELECTION]));
  });

  for (const args of [['verify'], ['verify', '--json'], ['topics', 'voters'], ['doctor'], ['run', '--json', '--once']])
    test(`${args.join(' ')} with its output on a full disk: exit 1, the reason, and no server is left`, {
      skip,
    }, async () => {
      const more = args[0] === 'run' ? ['--port', '0'] : [];
      const { code, said } = await runOnFullDisk(workspace, [...args, ...more], 'stdout');
      assert.equal(code, 1, said);
      assert.match(said, /Error: standard output could not be written: .*ENOSPC/);
      assert.doesNotMatch(said, /Unhandled|\bat .*:\d+:\d+|defect/);
      assert.deepEqual(leftovers(workspace), []);
    });

  test('a closed output is no output: verify ends in order', async () => {
    const command = `'${process.execPath}' '${MAIN}' verify --data-dir '${workspace.dataDir}'`;
    for (const closed of ['>&-', '2>&-', '<&- >&- 2>&-'])
      assert.equal(spawnSync('sh', ['-c', `${command} ${closed}`]).status, 0, closed);
    assert.deepEqual(leftovers(workspace), []);
  });

  test('messages on a full disk end nothing: the election is counted to its end', { skip }, async () => {
    const { code, said } = await runOnFullDisk(workspace, ['run', '--json', '--once', '--port', '0'], 'stderr');
    assert.equal(code, 0);
    assert.equal(JSON.parse(said).election.status, 'unofficial-complete');
    assert.deepEqual(leftovers(workspace), []);
  });

  test('a signal while the server starts ends the command, and the server as soon as it can', async () => {
    const command = workspace.start(['doctor']);
    await whileSilent(await postmasterOf(workspace), async () => {
      await command.says(/Starting PostgreSQL/);
      const { code, stderr } = await endedBy(command, 'SIGINT');
      assert.ok(code === 130 || code === 3, stderr);
    });
    await untilStopped(workspace);
    assert.deepEqual(leftovers(workspace), []);
  });

  test('a signal while the server stops and says nothing: it is named, and it ends as soon as it can', async () => {
    const command = workspace.start(['run', '--port', '0']);
    await command.says(/http:/);
    const pid = await postmasterOf(workspace);
    await whileSilent(pid, async () => {
      const { stderr } = await endedBy(command, 'SIGTERM');
      assert.match(stderr, new RegExp(`process ${pid}\\) runs and has not answered`));
    });
    await untilStopped(workspace);
    succeeded(await workspace.run(['verify']));
    assert.deepEqual(leftovers(workspace), []);
  });

  test('a server that was stopped (SIGSTOP): a command says that it waits, ends with 3 or at a signal', async () => {
    const own = await workspace.server();
    await whileSilent(await postmasterOf(workspace), async () => {
      const commands = [
        workspace.start(['doctor']),
        workspace.start(['verify']),
        workspace.start(['verify'], { DATABASE_URL: urlOf(own) }),
      ];
      const [first, ...others] = commands;
      for (const { says } of commands) await says(/has not answered yet. Waiting for it, at most 20 s/);
      for (const command of others) {
        const { code, stderr } = await endedBy(command, 'SIGTERM');
        assert.equal(code, 130, stderr);
      }
      const { code, stderr } = await first!.ended;
      assert.equal(code, 3, stderr);
      assert.match(stderr, /\(process \d+\) runs and has not answered/);
    });
  });

  test('a process that stops the server, or migrates, is waited for; a signal ends the wait', async () => {
    const { connection } = await workspace.server();
    const holder = new pg.Client({ ...connection, database: 'postgres' });
    const migrating = new pg.Client(connection);
    await Promise.all([holder.connect(), migrating.connect()]);
    try {
      await migrating.query('BEGIN');
      await migrating.query('LOCK TABLE migrations');
      const later = workspace.start(['verify']);
      await later.says(/waiting for another process that does, at most 600 s/);
      assert.equal((await endedBy(later, 'SIGINT')).code, 130);
      await migrating.query('ROLLBACK');
      // The tests' own process gives its lock up with its session.
      await holder.query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1", [
        IN_USE_LOCK,
      ]);
      await holder.query('SELECT pg_advisory_lock($1)', [IN_USE_LOCK]);
      const command = workspace.start(['verify']);
      await command.says(/has not answered yet. Waiting for it, at most 120 s/);
      assert.equal((await endedBy(command, 'SIGTERM')).code, 130);
    } finally {
      await Promise.all([holder.end(), migrating.end()]);
    }
  });
});

test('a signal while the database is made leaves nothing of it, and the next start makes it', async (t) => {
  const workspace = openWorkspace(t);
  const home = join(workspace.dataDir, 'postgres');
  const command = workspace.start(['doctor']);
  while (!existsSync(home) || !readdirSync(home).some((name) => name.startsWith('init-'))) await delay(POLL_MS);
  assert.equal((await endedBy(command, 'SIGTERM')).code, 130);
  assert.deepEqual(readdirSync(home), []);
  succeeded(await workspace.run(['doctor']));
  assert.deepEqual(leftovers(workspace), []);
});

test('a terminal that goes away (SIGHUP) ends a command in order, but under nohup it goes on', async (t) => {
  const workspace = openWorkspace(t);
  const election = ['--voters', '3000', '--port', '0'];
  const first = workspace.start(['run', '--rate', '10', ...election]);
  await first.says(/http:/);
  first.child.stderr!.destroy();
  await endedBy(first, 'SIGHUP');
  assert.deepEqual(leftovers(workspace), []);
  const { child, ended, says } = workspace.start(['run', '--rate', '2000', '--once', ...election], {
    _: '/usr/bin/nohup',
  });
  await says(/http:/);
  child.kill('SIGHUP');
  succeeded(await ended);
});

describe('a real terminal that goes away', {
  skip: spawnSync('script', ['--version']).error !== undefined && 'the program script is missing here',
}, () => {
  const workspace = openWorkspace({ after });

  test('ends a command in order: nothing of it is left', async () => {
    const { child, says } = startOnTerminal(workspace, ['run', '--voters', '3000', '--rate', '10', '--port', '0']);
    await says(/voted [1-9]/);
    child.kill('SIGKILL');
    await untilStopped(workspace);
    assert.deepEqual(leftovers(workspace), []);
  });

  test('ends nothing where no signal comes with it: writes fail (EIO), and the election is counted', async () => {
    const args = ['run', '--voters', '3000', '--rate', '1000', '--once', '--port', '0', '--fresh'];
    const { child, says } = startOnTerminal(workspace, args, 'exec setsid --fork --wait ');
    await says(/voted [1-9]/);
    child.kill('SIGKILL');
    await untilStopped(workspace);
    assert.deepEqual(leftovers(workspace), []);
    const { votes, not_counted } = JSON.parse(succeeded(await workspace.run(['verify', '--json'])));
    assert.deepEqual({ votes, not_counted }, { votes: 2_100, not_counted: 0 });
  });
});
