import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { CRASH_POINTS, type CrashPoint } from '../../src/crash-points.ts';
import { tallyroom, temporaryDirectory } from '../support/tallyroom.ts';

/** Several batches a partition, so that a point is passed at the first batch, in the middle and at the last. */
const ELECTION = ['--voters', '4000', '--seed', '11', '--port', '0', '--once', '--json'];
/** A topic is compacted after many flushes, which take some seconds of voting. */
const paceFor = (name: string): string[] => ['--rate', name.startsWith('compact.') ? '500' : 'max'];

/** What an election of these options comes to when nothing happens to it. */
async function undisturbed(): Promise<unknown> {
  const directory = temporaryDirectory();
  try {
    const { code, stdout, stderr } = await tallyroom([
      'run',
      ...ELECTION,
      ...paceFor(''),
      '--data-dir',
      directory.path,
    ]);
    assert.equal(code, 0, stderr);
    return totalsOf(stdout);
  } finally {
    directory.remove();
  }
}

function totalsOf(stdout: string): unknown {
  const { totals, contests, locations } = JSON.parse(stdout);
  return { totals, contests, locations };
}

describe('death at every named point', { concurrency: 1 }, async () => {
  const expected = await undisturbed();
  for (const name of Object.keys(CRASH_POINTS) as CrashPoint[])
    for (const nth of name.startsWith('count.') ? [1, 2] : /^(vote|register)\./.test(name) ? [1, 3] : [1])
      test(`${name}, passing ${nth}`, async () => {
        const directory = temporaryDirectory();
        after(directory.remove);
        const at = ['--data-dir', directory.path];
        const died = await tallyroom(['run', ...ELECTION, ...paceFor(name), ...at], {
          TALLYROOM_CRASH_AT: `${name}#${nth}`,
        });
        assert.equal(died.signal, 'SIGKILL', `the point was not passed: ${died.stderr}`);
        const went = await tallyroom(['run', ...ELECTION, ...paceFor(''), ...at]);
        assert.equal(went.code, 0, went.stderr);
        assert.deepEqual(totalsOf(went.stdout), expected);
        const verified = await tallyroom(['verify', '--json', ...at]);
        assert.equal(verified.code, 0, verified.stdout);
        assert.equal(JSON.parse(verified.stdout).passed, true);
      });
});
