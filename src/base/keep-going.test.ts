import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from './errors.ts';
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

test('of all who miss a server one says so; another server is another matter', async () => {
  const away = new OperationalError('KAFKA_UNREACHABLE', { message: 'away', nextStep: 'wait', canRetry: true });
  const said: string[] = [];
  const say = (line: string): void => void said.push(line);
  const failing = (...failures: readonly OperationalError[]): Promise<void> => {
    const left = [...failures];
    return keepGoing(
      async () => {
        const failure = left.shift();
        if (failure !== undefined) throw failure;
      },
      say,
      never,
    );
  };
  await Promise.all([failing(away, away), failing(away, gone), failing(away, away, gone)]);
  assert.deepEqual(said, [
    'Kafka does not answer. Waiting for it; nothing committed is lost. The reason: away.',
    'PostgreSQL does not answer. Waiting for it; nothing committed is lost. The reason: gone.',
  ]);
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

test('patience ends with what failed last', async () => {
  const work = async (): Promise<never> => {
    throw gone;
  };
  await assert.rejects(
    keepGoing(work, () => {}, never, 0),
    gone,
  );
});

test('a signal ends the waiting, as a stop and no failure', async () => {
  const stop = new AbortController();
  const work = async (): Promise<never> => {
    setImmediate(() => stop.abort());
    throw gone;
  };
  await assert.rejects(
    keepGoing(work, () => {}, stop.signal),
    { name: 'AbortError' },
  );
});

test('what is cut off while it stops has stopped', async () => {
  const stop = new AbortController();
  const work = async (): Promise<never> => {
    stop.abort();
    throw gone;
  };
  await assert.rejects(keepGoing(work, assert.fail, stop.signal), { name: 'AbortError' });
});

test('patience begins anew whenever something has succeeded', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  context.mock.method(performance, 'now', () => now);
  let tries = 0;
  const work = async (succeeded: () => void): Promise<string> => {
    now += 1_000;
    tries++;
    if (tries === 40) return 'done';
    // A commit now and then: no outage is longer than the patience.
    if (tries % 5 === 0) succeeded();
    throw gone;
  };
  const going = keepGoing(work, () => {}, never, 8_000);
  const ended = going.then(
    (value) => value,
    (error) => error,
  );
  for (let tick = 0; tick < 200; tick++) {
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    context.mock.timers.tick(2_000);
  }
  assert.equal(await ended, 'done');
  assert.equal(tries, 40);
});
