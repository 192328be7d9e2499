import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BACKENDS } from '../../test/contracts/backends.ts';
import { NO_ORIGIN_OPTIONS } from '../../test/support/origins.ts';
import { silent } from '../../test/support/progress.ts';
import { temporaryDirectory } from '../../test/support/tallyroom.ts';
import type { Backend } from '../ports/backend.ts';
import { type OpenOptions, openElection } from './make-election.ts';

const never = new AbortController().signal;

test('of starts at once all find the one election, and of fresh ones each makes its own', async () => {
  const under = await BACKENDS[0]!.open();
  try {
    const others = await Promise.all([1, 2, 3].map(() => under.openAnother()));
    const atOnce = async (options: Partial<OpenOptions>): Promise<string[]> => {
      const common: OpenOptions = {
        id: null,
        fresh: false,
        partitions: 2,
        origin: { ...NO_ORIGIN_OPTIONS, voters: 10 },
      };
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

/** A process that looked for an election before there was one. */
const thatLookedBefore = (backend: Backend): Backend => ({
  ...backend,
  elections: { ...backend.elections, latest: async () => null },
});

test('a start that looked before another made the election of the same inputs finds that one', async (t) => {
  const under = await BACKENDS[0]!.open();
  const directory = temporaryDirectory();
  t.after(() => directory.remove());
  t.after(() => under.close());
  const write = (name: string, text: string): string => {
    const path = join(directory.path, name);
    writeFileSync(path, text);
    return path;
  };
  const roll = write('roll.csv', 'registration_number,location_id\nA1,North\nA2,South\n');
  const moved = write('moved.csv', 'registration_number,location_id\nA1,North\nA2,South\n');
  const results = write('results.csv', 'contest,location_id,candidate,votes\nMayor,North,Ada,3\nMayor,North,Bo,2\n');
  const before = thatLookedBefore(await under.openAnother());
  const open = (backend: Backend, given: Partial<OpenOptions['origin']>): Promise<{ id: string }> =>
    openElection(
      backend,
      { id: null, fresh: false, partitions: 2, origin: { ...NO_ORIGIN_OPTIONS, ...given } },
      silent(),
      never,
    );
  for (const [first, second] of [
    [{ voters: 10 }, { voters: 10 }],
    [{ roll }, { roll: moved }],
    [{ results }, { results }],
  ]) {
    const made = await openElection(
      under.backend,
      { id: null, fresh: true, partitions: 2, origin: { ...NO_ORIGIN_OPTIONS, ...first } },
      silent(),
      never,
    );
    assert.equal((await open(before, second!)).id, made.id);
  }
  await assert.rejects(open(before, { voters: 11 }), { code: 'ELECTION_DIFFERS' });
  await before.close();
});
