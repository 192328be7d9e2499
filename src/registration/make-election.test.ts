import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BACKENDS } from '../../test/contracts/backends.ts';
import { silent } from '../../test/support/progress.ts';
import { type OpenOptions, openElection } from './make-election.ts';

const NOTHING_SAID = {
  election: null,
  candidates: null,
  roll: null,
  api: null,
  results: null,
  electorate: null,
  scale: null,
  readings: null,
  voters: null,
  turnout: null,
  seed: null,
};
const never = new AbortController().signal;

test('of starts at once all find the one election, and of fresh ones each makes its own', async () => {
  const under = await BACKENDS[0]!.open();
  try {
    const others = await Promise.all([1, 2, 3].map(() => under.openAnother()));
    const atOnce = async (options: Partial<OpenOptions>): Promise<string[]> => {
      const common: OpenOptions = { id: null, fresh: false, partitions: 2, origin: { ...NOTHING_SAID, voters: 10 } };
      const open = others.map((backend) => openElection(backend, { ...common, ...options }, silent(), never));
      return (await Promise.all(open)).map(({ id }) => id).sort();
    };
    assert.deepEqual(await atOnce({}), ['generated', 'generated', 'generated']);
    assert.deepEqual(await atOnce({ fresh: true }), ['generated-2', 'generated-3', 'generated-4']);
    for (const other of others) await other.close();
  } finally {
    await under.close();
  }
});
