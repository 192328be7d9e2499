import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BACKENDS } from '../../test/contracts/backends.ts';
import { silent } from '../../test/support/progress.ts';
import type { ElectionId } from '../domain/election/election.ts';
import { originOf } from '../domain/election/origin.ts';
import type { Backend } from '../ports/backend.ts';
import { openStagedRoll } from './staged-roll.ts';

const signal = AbortSignal.timeout(60_000);

test('a roll that could not be opened is free for the next process', async (t) => {
  const under = await BACKENDS[0]!.open();
  t.after(() => under.close());
  const { backend } = under;
  const id = `staged-${process.pid}` as ElectionId;
  const entry = await backend.elections.create({
    id,
    name: id,
    arguments: originOf({ kind: 'roll' }),
    seed: '1',
    partitions: 1,
  });
  const thatFails: Backend = {
    ...backend,
    openRoll: async (...parameters) =>
      Object.assign(await backend.openRoll(...parameters), {
        stagedBefore: () => Promise.reject(new Error('statement timeout')),
      }),
  };
  const progress = silent();
  await assert.rejects(openStagedRoll({ backend: thatFails, entry, progress, signal }, null), /statement timeout/);
  const other = await under.openAnother();
  const roll = await openStagedRoll({ backend: other, entry, progress, signal }, null);
  assert.equal(roll.voters, 0);
  await roll[Symbol.asyncDispose]();
  await other.close();
});
