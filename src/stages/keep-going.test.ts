import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../errors.ts';
import { keepGoing } from './keep-going.ts';

const gone = new OperationalError('DATABASE_UNREACHABLE', { message: 'gone', nextStep: 'wait', canRetry: true });
const never = new AbortController().signal;

test('what can be retried is retried, and said once', async () => {
  const said: string[] = [];
  let tries = 0;
  const value = await keepGoing(
    async () => {
      if (++tries < 4) throw gone;
      return 'back';
    },
    (line) => said.push(line),
    never,
  );
  assert.equal(value, 'back');
  assert.equal(tries, 4);
  assert.equal(said.length, 1);
});

for (const [name, error] of [
  ['a fenced process', new OperationalError('FENCED', { message: 'fenced', nextStep: 'leave' })],
  ['a damaged log', new OperationalError('LOG_DAMAGED', { message: 'damaged', nextStep: 'verify' })],
  ['a defect', new TypeError('a bug')],
] as const)
  test(`${name} never starts again by itself`, async () => {
    let tries = 0;
    await assert.rejects(
      keepGoing(
        async () => {
          tries++;
          throw error;
        },
        assert.fail,
        never,
      ),
      error,
    );
    assert.equal(tries, 1);
  });

test('a signal ends the waiting', async () => {
  const stop = new AbortController();
  const work = async (): Promise<never> => {
    queueMicrotask(() => stop.abort());
    throw gone;
  };
  await assert.rejects(
    keepGoing(work, () => {}, stop.signal),
    gone,
  );
});
