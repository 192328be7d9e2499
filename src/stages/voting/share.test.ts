import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Sharing } from '../../ports/sharing.ts';
import { shareOf, workShare } from './share.ts';

/** The only process that shares. */
const alone: Sharing = {
  look: async () => ({ members: 1, rank: 0 }),
  wait: () => turn(),
  tell: async () => {},
  leave: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

test('partitions whose work ends while others are being claimed are claimed once each', async () => {
  const claimed: number[] = [];
  const worked = new Set<number>();
  await workShare({
    sharing: alone,
    signal: new AbortController().signal,
    left: async () => [0, 1, 2, 3].filter((partition) => !worked.has(partition)),
    async tryClaim([partition]) {
      // Enough turns for all work to end.
      for (let i = 0; i < 10; i++) await turn();
      assert.ok(partition !== undefined && !claimed.includes(partition), `partition ${partition} is claimed again`);
      claimed.push(partition);
      return { partition, work: async () => void worked.add(partition) };
    },
    shared: () => assert.fail('nobody shares'),
  });
  assert.deepEqual(claimed, [0, 1, 2, 3]);
});

test('where work fails while others are being claimed, none is claimed any more, and the failure is told', async () => {
  const damage = new Error('damaged');
  let claimed = 0;
  const ended = workShare({
    sharing: alone,
    signal: new AbortController().signal,
    left: async () => [0, 1, 2],
    async tryClaim([partition]) {
      for (let i = 0; i < 10; i++) await turn();
      assert.ok(++claimed <= 3, 'what was released is claimed again');
      return {
        partition: partition!,
        async work(signal) {
          if (partition === 0) throw damage;
          while (!signal.aborted) await turn();
        },
      };
    },
    shared: () => assert.fail('nobody shares'),
  });
  await assert.rejects(ended, damage);
  assert.equal(claimed, 2, 'the one that failed, and the one that was being claimed');
});

test('shares differ by one at most and together are all', () => {
  for (let left = 0; left <= 9; left++)
    for (let members = 1; members <= 5; members++) {
      const shares = Array.from({ length: members }, (_, rank) => shareOf(left, { members, rank }));
      assert.equal(
        shares.reduce((sum, share) => sum + share, 0),
        left,
      );
      assert.ok(Math.max(...shares) - Math.min(...shares) <= 1, `${shares}`);
    }
});
