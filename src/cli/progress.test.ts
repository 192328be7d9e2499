import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { mock, test } from 'node:test';
import type { Results } from '../domain/results/results.ts';
import { leaderText, showProgress } from './progress.ts';

/** A stream as process.stderr is one, that keeps what is written. */
function terminal(isTTY: boolean): { out: NodeJS.WriteStream; written: () => string } {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  return { out: Object.assign(stream, { isTTY, columns: 200 }) as unknown as NodeJS.WriteStream, written: () => text };
}

const results = (candidates: readonly { name: string; leading: boolean; share: number }[]): Results =>
  ({ contests: [{ candidates }] }) as unknown as Results;

// The tests run in terminals of every kind.
process.env.TERM = 'xterm';

test('a terminal has one live line, a file a line every few seconds; both say what was asked for', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  try {
    for (const isTTY of [true, false]) {
      const { out, written } = terminal(isTTY);
      const progress = showProgress(out);
      progress.registered(1_000);
      progress.cast({ votes: 400, rejected: 2 });
      progress.cast({ votes: 300, rejected: 0 });
      progress.counted(690);
      progress.shown(results([{ name: 'Ada', leading: true, share: 0.5 }]));
      mock.timers.tick(5_000);
      progress[Symbol.dispose]();
      assert.match(
        written(),
        /registered 1,000 {2}voted 700 {2}counted 690 {2}[\d,]+ votes\/s {2}refused 2 {2}Leading: Ada with 50\.0%/,
      );
      assert.equal(written().includes('\r'), isTTY);
    }
  } finally {
    mock.timers.reset();
  }
});

test('a dumb terminal gets lines without codes', (context) => {
  const before = process.env.TERM;
  context.after(() => {
    if (before === undefined) delete process.env.TERM;
    else process.env.TERM = before;
  });
  process.env.TERM = 'dumb';
  const { out, written } = terminal(true);
  const progress = showProgress(out);
  progress.say('waiting');
  progress[Symbol.dispose]();
  assert.equal(written(), 'waiting\n');
});

test('the same line from several stages is said once', () => {
  const { out, written } = terminal(false);
  const progress = showProgress(out);
  progress.say('waiting');
  progress.say('waiting');
  progress.say('going on');
  progress[Symbol.dispose]();
  assert.equal(written(), 'waiting\ngoing on\n');
});

for (const [candidates, verdict] of [
  [[], ''],
  [[{ name: 'Ada', leading: false, share: 0 }], ''],
  [[{ name: 'Ada', leading: true, share: 1 }], '  Leading: Ada with 100.0%'],
  [
    [
      { name: 'Ada', leading: true, share: 0.5 },
      { name: 'Ben', leading: true, share: 0.5 },
    ],
    '  2 candidates tie with 50.0%',
  ],
] as const)
  test(`who leads: ${JSON.stringify(verdict)}`, () => assert.equal(leaderText(results(candidates)), verdict));
