import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { untilAlone } from '../../test/support/workspace.ts';
import { CRASH_POINTS } from '../base/crash-points.ts';
import { type ErrorCode, OperationalError } from '../base/errors.ts';
import { findPrograms, programsRoot, tryPrograms } from './programs.ts';
import { openBundledServer } from './server.ts';

const AS_ROOT = process.getuid?.() === 0;
const NOBODY = 65534;
const NEEDS_ROOT = AS_ROOT ? false : 'needs root';

/** Opens the server of argv[1], says where it is, and closes it at a line on standard input. */
const CHILD = `
const { openBundledServer } = await import(${JSON.stringify(new URL('server.ts', import.meta.url).href)});
const server = await openBundledServer({ dataDir: process.argv[1] });
console.log('open ' + server.home);
process.stdin.once('data', async () => { await server.close(); console.log('closed'); process.exit(0); });
`;

let scratch = '';
let count = 0;
const children = new Set<ChildProcess>();
const freshDir = () => join(scratch, `data-${++count}`);

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'tallyroom-server-'));
  await chmod(scratch, 0o755);
});

after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true });
});

function startChild(dataDir: string, options: { uid?: number; crashAt?: string; detached?: boolean } = {}) {
  const { uid, crashAt, detached = false } = options;
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD, dataDir], {
    cwd: '/',
    detached,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TALLYROOM_CRASH_AT: crashAt ?? '' },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  children.add(child);
  const ended = once(child, 'exit').finally(() => children.delete(child));
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const says = async (start: string) => {
    const { value } = await lines.next();
    assert.ok(String(value).startsWith(start), `the child said ${value}, expected ${start}`);
  };
  return { child, ended, says };
}

async function query(connection: pg.ClientConfig, sql: string) {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

const lockFile = (home: string) => join(home, 'cluster', 'postmaster.pid');
const postmasterOf = async (home: string) => Number((await readFile(lockFile(home), 'utf8')).split('\n')[0]);
const isStopped = async (home: string) => (await readdir(join(home, 'cluster'))).includes('postmaster.pid') === false;

async function refused(dataDir: string, code: ErrorCode, message: RegExp) {
  await assert.rejects(openBundledServer({ dataDir }), (error) => {
    assert.ok(error instanceof OperationalError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.notEqual(error.nextStep, '');
    return true;
  });
}

/** Makes a database with one row and closes it. @returns its home. */
async function made(dataDir: string): Promise<string> {
  const server = await openBundledServer({ dataDir });
  await query(server.connection, 'CREATE TABLE kept AS SELECT 7 AS n');
  await server.close();
  assert.ok(await isStopped(server.home));
  return server.home;
}

async function holdsItsRow(dataDir: string, onProgress: (line: string) => void = () => {}) {
  const server = await openBundledServer({ dataDir, onProgress });
  try {
    assert.deepEqual(await query(server.connection, 'SELECT n FROM kept'), [{ n: 7 }]);
    await untilAlone(server);
  } finally {
    await server.close();
  }
}

describe('the bundled server', () => {
  test('keeps what was committed, over a stop and a start, and nothing about its safety is off', async () => {
    const dataDir = freshDir();
    await made(dataDir);
    await holdsItsRow(dataDir);
    const server = await openBundledServer({ dataDir });
    const settings = await query(
      server.connection,
      `SELECT name, setting FROM pg_settings
       WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'listen_addresses') ORDER BY name`,
    );
    await server.close();
    await server.close();
    assert.deepEqual(
      settings.map(({ name, setting }) => `${name}=${setting}`),
      ['data_checksums=on', 'fsync=on', 'full_page_writes=on', 'listen_addresses=', 'synchronous_commit=on'],
    );
  });

  test('two that start at once on a new directory share one server', async () => {
    const dataDir = freshDir();
    const [one, two] = await Promise.all([openBundledServer({ dataDir }), openBundledServer({ dataDir })]);
    assert.equal(one.connection.host, two.connection.host);
    assert.deepEqual(
      (await readdir(one.home)).filter((entry) => entry.startsWith('init-')),
      [],
    );
    await Promise.all([one.close(), two.close()]);
    assert.ok(await isStopped(one.home));
  });

  test('is stopped by the last process that uses it', async () => {
    const dataDir = freshDir();
    const { child, ended, says } = startChild(dataDir);
    await says('open');
    const server = await openBundledServer({ dataDir });
    child.stdin!.write('\n');
    await says('closed');
    await ended;
    assert.deepEqual(await query(server.connection, 'SELECT 1 AS n'), [{ n: 1 }]);
    await server.close();
    assert.ok(await isStopped(server.home));
  });

  test('is there for one who comes while the last one leaves', async () => {
    const dataDir = freshDir();
    let server = await openBundledServer({ dataDir });
    for (let round = 0; round < 6; round++) {
      const closing = server.close();
      // Each round begins the newcomer a little later in the stop of the one before.
      for (let turn = 0; turn < round; turn++) await stat(dataDir);
      server = await openBundledServer({ dataDir });
      await closing;
      assert.deepEqual(await query(server.connection, 'SELECT 1 AS n'), [{ n: 1 }]);
    }
    await server.close();
    assert.ok(await isStopped(server.home));
  });

  test('left behind by kill -9 it is taken over, not started again', async () => {
    const dataDir = freshDir();
    const home = await made(dataDir);
    const { child, ended, says } = startChild(dataDir);
    await says('open');
    const postmaster = await postmasterOf(home);
    child.kill('SIGKILL');
    await ended;
    assert.equal(await postmasterOf(home), postmaster);
    const progress: string[] = [];
    await holdsItsRow(dataDir, (line) => progress.push(line));
    assert.deepEqual(progress, []);
    assert.ok(await isStopped(home));
  });

  test('Ctrl-C in the terminal of the process does not reach it', async () => {
    const dataDir = freshDir();
    await made(dataDir);
    const { child, ended, says } = startChild(dataDir, { detached: true });
    await says('open');
    process.kill(-child.pid!, 'SIGINT');
    await ended;
    const progress: string[] = [];
    await holdsItsRow(dataDir, (line) => progress.push(line));
    assert.deepEqual(progress, []);
  });

  test('killed itself, it is told as lost, and opens again', async () => {
    const dataDir = freshDir();
    const home = await made(dataDir);
    const lost = Promise.withResolvers<OperationalError>();
    const server = await openBundledServer({ dataDir, onLost: lost.resolve });
    process.kill(await postmasterOf(home), 'SIGKILL');
    const error = await lost.promise;
    assert.equal(error.code, 'DATABASE_UNREACHABLE');
    assert.equal(error.canRetry, true);
    await server.close();
    await holdsItsRow(dataDir);
    assert.ok(await isStopped(home));
  });

  for (const point of Object.keys(CRASH_POINTS).filter((name) => name.startsWith('postgres.')))
    test(`a process that dies at ${point} leaves nothing that a start cannot mend`, async () => {
      const dataDir = freshDir();
      const { child, ended } = startChild(dataDir, { crashAt: point });
      child.stdin!.write('\n');
      assert.deepEqual(await ended, [null, 'SIGKILL']);
      const home = await made(dataDir);
      assert.deepEqual(
        (await readdir(home)).filter((entry) => entry.startsWith('init-')),
        [],
      );
      await holdsItsRow(dataDir);
    });

  test('a lock file that names a process of another program is cleared', async () => {
    const dataDir = freshDir();
    const home = await made(dataDir);
    const { uid, gid } = await stat(home);
    const other = spawn('sleep', ['1000'], { stdio: 'ignore', ...(AS_ROOT ? { uid, gid } : {}) });
    await once(other, 'spawn');
    await writeFile(lockFile(home), `${other.pid}\n${home}/cluster\n1\n5432\n${home}\n\n`);
    await chown(lockFile(home), uid, gid);
    await holdsItsRow(dataDir);
    other.kill();
    await once(other, 'exit');
  });

  for (const wrong of ['is a copy of that of another server', 'names a process that serves another database'])
    test(`a lock file that ${wrong} is cleared, and that server is left alone`, async () => {
      const dataDir = freshDir();
      const home = await made(dataDir);
      const other = await openBundledServer({ dataDir: freshDir() });
      const text = await readFile(lockFile(other.home), 'utf8');
      const isCopy = wrong.startsWith('is a copy');
      await writeFile(lockFile(home), isCopy ? text : text.replaceAll(other.home, home));
      const { uid, gid } = await stat(home);
      await chown(lockFile(home), uid, gid);
      const progress: string[] = [];
      await holdsItsRow(dataDir, (line) => progress.push(line));
      assert.match(progress.join('\n'), new RegExp(`named a process of ${other.home}/cluster`));
      assert.equal(await readFile(lockFile(other.home), 'utf8'), text);
      assert.deepEqual(await query(other.connection, 'SELECT 1 AS n'), [{ n: 1 }]);
      await other.close();
      assert.ok(await isStopped(other.home));
      assert.ok(await isStopped(home));
    });

  test('a path too long for a socket has its socket elsewhere, closed to others', async () => {
    const dataDir = join(freshDir(), 'long-'.repeat(30), "and 'odd' $HOME");
    const server = await openBundledServer({ dataDir });
    const socketDirectory = await stat(server.connection.host);
    await server.close();
    assert.notEqual(server.connection.host, server.home);
    assert.equal(socketDirectory.mode & 0o777, 0o700);
    await rm(server.connection.host, { recursive: true });
  });
});

describe('the bundled server refuses, by name and with a way out,', () => {
  test('a database of another version', async () => {
    const dataDir = freshDir();
    const home = await made(dataDir);
    await writeFile(join(home, 'cluster', 'PG_VERSION'), '14\n');
    await refused(dataDir, 'DATA_DIRECTORY_VERSION', /PostgreSQL 14/);
  });

  test('a damaged database, with what the server says', async () => {
    const dataDir = freshDir();
    const home = await made(dataDir);
    await truncate(join(home, 'cluster', 'global', 'pg_control'), 100);
    await refused(dataDir, 'DATABASE_START_FAILED', /pg_control/);
  });

  test('a file in place of the directory', async () => {
    const dataDir = freshDir();
    await writeFile(dataDir, '');
    await refused(dataDir, 'DATA_DIRECTORY_UNUSABLE', /EEXIST|not a directory/);
  });

  test('a directory that is not ours', async () => {
    const dataDir = freshDir();
    await mkdir(dataDir);
    await writeFile(join(dataDir, 'thesis.doc'), '');
    await refused(dataDir, 'DATA_DIRECTORY_UNUSABLE', /thesis\.doc/);
    assert.deepEqual(await readdir(dataDir), ['thesis.doc']);
  });

  test('a directory that cannot be written', { skip: AS_ROOT && 'root may write everywhere' }, async () => {
    const dataDir = freshDir();
    await mkdir(dataDir, { mode: 0o500 });
    await refused(dataDir, 'DATA_DIRECTORY_UNUSABLE', /EACCES/);
  });

  test('a platform without a package', async () => {
    await assert.rejects(findPrograms('plan9-vax'), { code: 'DATABASE_START_FAILED', message: /plan9-vax/ });
  });

  test('a package whose install script did not run', {
    skip: process.platform !== 'linux' && 'names of libraries',
  }, async () => {
    const programs = await findPrograms();
    const copy = join(freshDir(), 'native');
    await cp(programsRoot(programs), copy, { recursive: true, verbatimSymlinks: true });
    for (const entry of await readdir(join(copy, 'lib'))) if (entry.includes('.so')) await rm(join(copy, 'lib', entry));
    const broken = { ...programs, postgres: join(copy, 'bin', 'postgres') };
    await assert.rejects(tryPrograms(broken, undefined), { code: 'DATABASE_START_FAILED', message: /install script/ });
  });

  test('a full disk, at the first start and at a later one', { skip: NEEDS_ROOT }, async (t) => {
    const dataDir = freshDir();
    await mkdir(dataDir);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=200M', 'tmpfs', dataDir]).status !== 0)
      return t.skip('cannot mount a small disk here');
    try {
      const filler = join(dataDir, 'filler');
      await made(dataDir);
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64K']);
      await refused(dataDir, 'DISK_FULL', /full/);
      await rm(filler);
      await holdsItsRow(dataDir);
      await rm(join(dataDir, 'postgres'), { recursive: true });
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M', 'count=185']);
      await refused(dataDir, 'DISK_FULL', /full/);
      assert.deepEqual(await readdir(join(dataDir, 'postgres')), []);
    } finally {
      assert.equal(spawnSync('umount', [dataDir]).status, 0);
    }
  });
});

describe('as root the bundled server', { skip: NEEDS_ROOT }, () => {
  test('keeps its files outside a closed home, and says so once', async () => {
    const closed = freshDir();
    await mkdir(closed, { mode: 0o700 });
    const dataDir = join(closed, 'data');
    const progress: string[] = [];
    const server = await openBundledServer({ dataDir, onProgress: (line) => progress.push(line) });
    await query(server.connection, 'CREATE TABLE kept AS SELECT 7 AS n');
    await server.close();
    assert.ok(!server.home.startsWith(closed));
    assert.equal((await stat(closed)).mode & 0o777, 0o700);
    const placed = () => progress.filter((line) => line.includes(`its files are in ${server.home}`));
    assert.equal(placed().length, 1);
    await holdsItsRow(dataDir, (line) => progress.push(line));
    assert.equal(placed().length, 1);
    assert.equal(basename(dirname(server.home)), 'tallyroom');
    await rm(dataDir, { recursive: true });
    const another = join(closed, 'another');
    const next = await openBundledServer({ dataDir: another });
    await next.close();
    await assert.rejects(stat(server.home), { code: 'ENOENT' });
    await rm(next.home, { recursive: true });
    await refused(another, 'DATA_DIRECTORY_UNUSABLE', /is gone/);
  });

  test('runs the database of an ordinary user as that user, whom it does not lock out', async (t) => {
    const reachable = spawnSync(process.execPath, ['-e', ''], { uid: NOBODY, gid: NOBODY, cwd: '/' }).status === 0;
    if (!reachable) return t.skip('the checkout is under a closed home: no other user can run it');
    const dataDir = freshDir();
    await mkdir(dataDir);
    await chown(dataDir, NOBODY, NOBODY);
    const first = startChild(dataDir, { uid: NOBODY });
    await first.says(`open ${dataDir}`);
    first.child.stdin!.write('\n');
    await first.says('closed');
    await first.ended;
    assert.equal((await stat(join(dataDir, 'postgres'))).uid, NOBODY);
    await made(dataDir);
    const again = startChild(dataDir, { uid: NOBODY });
    await again.says(`open ${dataDir}`);
    again.child.stdin!.write('\n');
    assert.deepEqual(await again.ended, [0, null]);
  });
});
