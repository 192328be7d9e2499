/** The parts of the stack that need no Java. Tests of the rest are in test/stack. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { killServer } from '../../test/support/stack.ts';
import { temporaryDirectory } from '../../test/support/tallyroom.ts';
import type { ErrorCode } from '../base/errors.ts';
import { findJava } from './java.ts';
import { withLock } from './lock.ts';
import { placesOf, preparePlaces, type StackPlaces } from './places.ts';
import { javaProcess } from './processes.ts';
import { openStack, type Stack } from './stack.ts';
import { assertPortsFree, assignPorts, freeInternalPorts, LOOPBACK, newState, readState, writeState } from './state.ts';

let scratch: ReturnType<typeof temporaryDirectory>;
let count = 0;
const fresh = (): string => join(scratch.path, `stack-${++count}`);

before(() => {
  scratch = temporaryDirectory();
});
after(() => scratch.remove());

async function freshPlaces(): Promise<StackPlaces> {
  const places = placesOf(fresh(), null);
  await preparePlaces(places);
  return places;
}

/** Holds a port until the end of the test. */
async function takePort(t: { after(work: () => void): void }): Promise<number> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

const says = (code: ErrorCode, message: RegExp) => (error: { code: string; message: string; nextStep: string }) => {
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  assert.notEqual(error.nextStep, '');
  return true;
};

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

describe('PostgreSQL of the stack', () => {
  let stack: Stack;
  const said: string[] = [];
  before(() => {
    stack = openStack({ directory: fresh(), onProgress: (line) => said.push(line) });
  });
  after(() => stack.down());
  const urlOf = async (): Promise<string> => {
    const { DATABASE_URL, ...others } = await stack.environment();
    assert.deepEqual(others, {});
    return DATABASE_URL ?? assert.fail('no address');
  };
  const pidOf = async (): Promise<number> => {
    const [server, ...others] = await stack.status();
    assert.deepEqual(others, []);
    return server?.pid ?? assert.fail(`it is ${server?.state}`);
  };

  test('is not there before it is started', async () => {
    assert.deepEqual(await stack.status(), []);
    assert.deepEqual(await stack.down(), []);
    await assert.rejects(stack.environment(), says('STACK_FAILED', /no stack/));
    assert.deepEqual(readdirSync(scratch.path), []);
  });

  test('starts once, however many start it at the same time', async () => {
    const started = await Promise.all([stack.up({ parts: ['postgres'] }), stack.up({ parts: ['postgres'] })]);
    assert.deepEqual(started.flat(), ['postgres']);
    assert.ok(said.includes('Another command works on this stack; waiting for it.'));
    assert.deepEqual(
      (await stack.status()).map(({ name, state }) => [name, state]),
      [['postgres', 'running']],
    );
  });

  test('asks for the password, which only its owner reads', async () => {
    const url = await urlOf();
    await query(url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await assert.rejects(query(url.replace(/:[^:@/]+@/, ':wrong@'), 'SELECT 1'), { code: '28P01' });
    assert.equal(statSync(join(stack.directory, 'postgres.password')).mode & 0o777, 0o600);
    const rows = await query(
      url,
      `SELECT setting FROM pg_settings WHERE name IN ('fsync', 'listen_addresses') ORDER BY name`,
    );
    assert.deepEqual(rows, [{ setting: 'on' }, { setting: LOOPBACK }]);
  });

  test('killed, it is started again at the same address with what it had', async () => {
    const url = await urlOf();
    await killServer(stack, 'postgres');
    assert.deepEqual(await stack.up({ parts: ['postgres'] }), ['postgres']);
    assert.equal(await urlOf(), url);
    assert.deepEqual(await query(url, 'SELECT n FROM kept'), [{ n: 7 }]);
  });

  test('restarts as another process', async () => {
    const before = await pidOf();
    await stack.restart('postgres');
    assert.notEqual(await pidOf(), before);
    await assert.rejects(stack.restart('kafka-9'), says('STACK_FAILED', /no server kafka-9/));
  });

  test('moves to another port when told to', async () => {
    const [port] = Object.values(await assignPorts({}, ['free'], {}));
    assert.deepEqual(await stack.up({ parts: ['postgres'], ports: { postgres: port! } }), ['postgres']);
    assert.equal(new URL(await urlOf()).port, String(port));
    assert.deepEqual(await query(await urlOf(), 'SELECT n FROM kept'), [{ n: 7 }]);
  });

  test('stopped, it is gone, and its data stay', async (t) => {
    const pid = await pidOf();
    assert.deepEqual(await stack.down(), ['postgres']);
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    assert.deepEqual(await stack.down(), []);
    const port = await takePort(t);
    const taken = stack.up({ parts: ['postgres'], ports: { postgres: port } });
    await assert.rejects(taken, says('PORT_IN_USE', new RegExp(`postgres cannot listen on 127.0.0.1:${port}`)));
    await stack.up({ parts: ['postgres'], ports: { postgres: (await assignPorts({}, ['free'], {})).free! } });
    assert.deepEqual(await query(await urlOf(), 'SELECT n FROM kept'), [{ n: 7 }]);
  });
});

describe('the ports of a stack', () => {
  test('are free ones, each once, and stay', async () => {
    const first = await assignPorts({}, ['a', 'b'], {});
    assert.equal(new Set(Object.values(first)).size, 2);
    const second = await assignPorts(first, ['a', 'b', 'c'], { a: 9_092 });
    assert.deepEqual([second.a, second.b], [9_092, first.b]);
    await assert.rejects(assignPorts(second, [], { b: 9_092 }), says('USAGE', /9092/));
  });

  test('that others have taken are told of, or replaced where nobody knows them', async (t) => {
    const port = await takePort(t);
    await assert.rejects(assertPortsFree('spark-master', [port]), says('PORT_IN_USE', /spark-master/));
    const ports = { kafka: port, 'kafka-controller': port };
    assert.deepEqual(await freeInternalPorts(ports, new Set()), { kafka: port });
    assert.deepEqual(await freeInternalPorts(ports, new Set([port])), ports);
  });
});

describe('a stack that something is wrong with', () => {
  test('says that its state is damaged', async () => {
    const places = await freshPlaces();
    await writeState(places, newState());
    assert.deepEqual((await readState(places))?.parts, []);
    writeFileSync(join(places.directory, 'state.json'), '{"version": 1');
    await assert.rejects(openStack({ directory: places.directory }).status(), says('STACK_FAILED', /damaged/));
  });

  test('does not fill a directory that is not its own', async () => {
    const directory = fresh();
    mkdirSync(directory);
    writeFileSync(join(directory, 'thesis.doc'), '');
    const up = openStack({ directory }).up({ parts: ['postgres'] });
    await assert.rejects(up, says('DATA_DIRECTORY_UNUSABLE', /thesis\.doc/));
  });

  test('says which Java it needs', async () => {
    const directory = fresh();
    mkdirSync(directory);
    const program = join(directory, 'java');
    const tool = { program, name: 'Java 17 or later', nextStep: 'Install it.' };
    await assert.rejects(findJava(undefined, tool), says('TOOL_MISSING', /cannot be run/));
    const versions = [
      ['openjdk version "17.0.15" 2025-04-15', true],
      ['openjdk version "25" 2025-09-16', true],
      ['openjdk version "11.0.2" 2019-01-15', false],
      ['java version "1.8.0_392"', false],
    ] as const;
    for (const [version, isGood] of versions) {
      writeFileSync(program, `#!/bin/sh\necho '${version}' >&2\n`);
      chmodSync(program, 0o755);
      if (isGood) assert.equal(await findJava(undefined, tool), program);
      else await assert.rejects(findJava(undefined, tool), says('TOOL_MISSING', /is version (11|8)/), version);
    }
  });
});

describe('the process of a server', () => {
  const server = (places: StackPlaces) =>
    javaProcess(places, {
      name: 'kafka',
      java: '/bin/false',
      jars: '',
      main_class: 'Main',
      options: [],
      args: [],
      environment: {},
      working_directory: places.directory,
      settings: '',
    });

  test('is not taken for another that has its number', async (t) => {
    const places = await freshPlaces();
    const other = spawn('sleep', ['1000'], { stdio: 'ignore' });
    t.after(() => other.kill());
    await once(other, 'spawn');
    writeFileSync(join(places.processes, 'kafka.pid'), `${other.pid}\n`);
    assert.equal(await server(places).pid(), null);
    await server(places).stop();
    assert.equal(other.exitCode, null);
    assert.equal(other.signalCode, null);
  });

  test('that ends at once is not waited for', async () => {
    const process = server(await freshPlaces());
    await process.start();
    await process.stop();
    assert.equal(await process.pid(), null);
    assert.equal(readFileSync(process.log, 'utf8'), '');
  });
});

describe('the lock of a stack', () => {
  test('of a dead owner is taken over', async () => {
    const places = await freshPlaces();
    const gone = spawn(process.execPath, ['-e', '']);
    await once(gone, 'exit');
    // The id of a process that is gone, and our own id with another start time.
    for (const owner of [`${gone.pid} x 1`, `${process.pid} x 1`]) {
      writeFileSync(join(places.directory, 'lock'), owner);
      const said: string[] = [];
      assert.equal(
        await withLock(
          places,
          (line) => said.push(line),
          undefined,
          async () => 7,
        ),
        7,
      );
      assert.deepEqual(said, []);
      assert.ok(!readdirSync(places.directory).some((name) => name.startsWith('lock')));
    }
  });

  test('is held by one at a time, and given up after a failure', async () => {
    const places = await freshPlaces();
    let inside = 0;
    const work = async (): Promise<void> => {
      inside++;
      assert.equal(inside, 1);
      await new Promise(setImmediate);
      inside--;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(places, () => {}, undefined, work)));
    await assert.rejects(
      withLock(
        places,
        () => {},
        undefined,
        () => Promise.reject(new Error('broken')),
      ),
      /broken/,
    );
    await withLock(places, () => {}, undefined, work);
  });

  test('that another holds is not waited for after Ctrl-C', async () => {
    const places = await freshPlaces();
    const stop = new AbortController();
    await withLock(
      places,
      () => {},
      undefined,
      () =>
        assert.rejects(
          withLock(
            places,
            () => stop.abort(),
            stop.signal,
            async () => assert.fail('it was held'),
          ),
          { name: 'AbortError' },
        ),
    );
  });
});
