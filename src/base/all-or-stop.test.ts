import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allOrStop, untilStopped } from './all-or-stop.ts';
import { OperationalError } from './errors.ts';
import { keepGoing } from './keep-going.ts';

const gone = new OperationalError('DATABASE_UNREACHABLE', { message: 'gone', nextStep: 'wait', canRetry: true });

/** A stage that never reaches its server. */
const waiting = (signal: AbortSignal): Promise<never> =>
  keepGoing(
    async () => {
      throw gone;
    },
    () => {},
    signal,
  );

test('a stage that waits for its server when all is done has stopped, and fails nothing', async () => {
  const finish = new AbortController();
  const terminal = new AbortController();
  const signal = AbortSignal.any([terminal.signal, finish.signal]);
  const running = allOrStop(signal, [waiting], (stage, each) => stage(each));
  setImmediate(() => finish.abort());
  await untilStopped(running, finish.signal);
});

test('Ctrl-C while a stage waits is told as such', async () => {
  const finish = new AbortController();
  const terminal = new AbortController();
  const signal = AbortSignal.any([terminal.signal, finish.signal]);
  const running = allOrStop(signal, [waiting], (stage, each) => stage(each));
  setImmediate(() => terminal.abort());
  await assert.rejects(untilStopped(running, finish.signal), { name: 'AbortError' });
});

test('a failure of a stage that stops is told', async () => {
  const finish = new AbortController();
  const failing = async (): Promise<never> => {
    finish.abort();
    throw new TypeError('a bug');
  };
  const running = allOrStop(finish.signal, [failing], (stage) => stage());
  await assert.rejects(untilStopped(running, finish.signal), TypeError);
});
