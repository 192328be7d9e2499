import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { hasMark } from './processes.ts';

const ROUNDS = 40;
const LOOKS = 30;

test('a process is known by its mark also while one program takes the place of another', async () => {
  const mark = '-Dmark=1';
  for (let round = 0; round < ROUNDS; round++) {
    const child = spawn('/bin/sh', [
      '-c',
      'exec "$@"',
      'sh',
      process.execPath,
      '-e',
      'setTimeout(() => {}, 60_000)',
      '--',
      mark,
    ]);
    const ended = once(child, 'exit');
    try {
      for (let look = 0; look < LOOKS; look++)
        assert.ok(await hasMark(child.pid!, mark), `round ${round}, look ${look}`);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    assert.equal(await hasMark(child.pid!, mark), false);
  }
});
