import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OperationalError } from '../../src/base/errors.ts';
import type { ElectionEntry } from '../../src/ports/elections.ts';
import type { Topic } from '../../src/ports/log.ts';
import { count } from '../../src/stages/count.ts';
import { verify } from '../../src/stages/verify.ts';
import { toColumns } from '../support/elections.ts';
import { silent } from '../support/progress.ts';
import { testElection } from '../support/test-count.ts';
import { BACKENDS, castBatch, defineElection, registerVoters, SETTLE_MS_MAX, type TestBackend } from './backends.ts';
import type { StoredRecord } from './tampering.ts';

const never = new AbortController().signal;
const damaged = (what: RegExp) => (error: unknown) =>
  error instanceof OperationalError && error.code === 'LOG_DAMAGED' && !error.canRetry && what.test(error.message);

/** A compacted topic, as any broker may leave it. */
const lastOfEach = (records: readonly StoredRecord[]): StoredRecord[] => {
  const last = new Map<string, string>();
  for (const { key, value } of records) {
    last.delete(key);
    last.set(key, value);
  }
  return [...last].map(([key, value]) => ({ key, value }));
};

function listening() {
  const said: string[] = [];
  return { said, progress: { ...silent(), say: (line: string) => void said.push(line) } };
}

for (const { name, open } of BACKENDS)
  describe(`counter contract: ${name}`, { concurrency: 1 }, () => {
    let under: TestBackend;
    before(async () => {
      under = await open();
    });
    after(() => under.close());

    const countAll = async (entry: ElectionEntry): Promise<boolean> => {
      const context = { backend: under.backend, entry, progress: silent(), signal: never };
      const isCounted = await count(context, 'local', true);
      await under.backend.settle(entry, AbortSignal.timeout(SETTLE_MS_MAX));
      return isCounted;
    };

    /** Casts one batch of votes for candidate 0, 1 and 2 in turn. */
    const cast = async (entry: ElectionEntry, votes: number, partition = 0): Promise<void> => {
      const voters = await registerVoters(
        under.backend,
        entry,
        Array.from({ length: votes }, (_, i) => i % 3),
        partition,
      );
      const claimed = await under.backend.ballotBox.claim(entry, partition, { name: 'voters', partition }, never);
      const columns = toColumns(Array.from({ length: votes }, (_, i) => ({ location: i % 3, selections: [i % 3] })));
      await claimed.commit(castBatch(entry, claimed, columns, Array.from(voters.ids.subarray(0, votes))));
      await claimed.release();
      await under.backend.settle(entry, AbortSignal.timeout(SETTLE_MS_MAX));
    };

    const published = async (entry: ElectionEntry): Promise<{ ballots: number; covers: number[]; epoch: number }> => {
      const latest = new Map<string, string>();
      for (const { key, value } of await under.tampering.records(entry, 'results-by-location')) latest.set(key, value);
      const { covers, epoch } = JSON.parse(latest.get('checkpoint')!);
      let ballots = 0;
      for (const [key, value] of latest) if (key !== 'checkpoint') ballots += JSON.parse(value)?.ballots_cast ?? 0;
      return { ballots, covers, epoch };
    };

    const { tamper, forget } = {
      tamper: (...parameters: Parameters<TestBackend['tampering']['tamper']>) => under.tampering.tamper(...parameters),
      forget: (...parameters: Parameters<TestBackend['tampering']['forget']>) => under.tampering.forget(...parameters),
    };

    test('publishes a zero report before the first vote', async () => {
      const entry = await defineElection(under.backend, testElection());
      await countAll(entry);
      // On servers that have just started it may take a second attempt, which raises the epoch.
      const { epoch, ...report } = await published(entry);
      assert.deepEqual(report, { ballots: 0, covers: [0, 0] });
      assert.ok(epoch >= 1);
    });

    test('a signal before everything is counted leaves the rest to the next counter', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 10);
      const stopped = AbortSignal.abort();
      assert.equal(
        await count({ backend: under.backend, entry, progress: silent(), signal: stopped }, 'local', true),
        false,
      );
      assert.equal(await countAll(entry), true);
      assert.equal((await published(entry)).ballots, 10);
    });

    test('goes on from its checkpoint, with a greater epoch, and counts nothing twice', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 1_200);
      await countAll(entry);
      const { epoch } = await published(entry);
      await cast(entry, 300);
      await cast(entry, 7, 1);
      await countAll(entry);
      await countAll(entry);
      const { epoch: later, ...counted } = await published(entry);
      assert.deepEqual(counted, { ballots: 1_507, covers: [1_500, 7] });
      assert.ok(later > epoch);
    });

    test('does not read votes again that its checkpoint covers', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 600);
      await countAll(entry);
      await forget(entry, 'votes');
      await cast(entry, 5);
      await countAll(entry);
      const { ballots, covers } = await published(entry);
      assert.deepEqual({ ballots, covers }, { ballots: 605, covers: [605, 0] });
    });

    /** Counts 21 votes, damages what was published, casts 3 more, and counts again. */
    const countDamaged = async (
      topic: Topic,
      damage: (records: StoredRecord[]) => StoredRecord[],
    ): Promise<{ entry: ElectionEntry; said: string[] }> => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 21);
      await countAll(entry);
      await tamper(entry, topic, (records) => damage(lastOfEach(records)));
      await cast(entry, 3);
      const { said, progress } = listening();
      assert.equal(await count({ backend: under.backend, entry, progress, signal: never }, 'local', true), true);
      await under.backend.settle(entry, AbortSignal.timeout(SETTLE_MS_MAX));
      return { entry, said };
    };

    const assertWhole = async (entry: ElectionEntry): Promise<void> => {
      const { ballots, covers } = await published(entry);
      assert.deepEqual({ ballots, covers }, { ballots: 24, covers: [24, 0] });
      await using log = await under.backend.openLog(entry);
      const { checks } = await verify(entry, log, under.backend, never);
      assert.deepEqual(
        checks.filter(({ passed }) => !passed),
        [],
      );
    };

    const edit =
      (key: string, change: (value: string) => string) =>
      (records: StoredRecord[]): StoredRecord[] =>
        records.map((record) => (record.key === key ? { key, value: change(record.value) } : record));
    const without = (key: string) => (records: StoredRecord[]) => records.filter((record) => record.key !== key);
    /** The record of the first location, as of another. */
    const locationOf = (records: readonly StoredRecord[], id: string): string =>
      records
        .find(({ key }) => key === 'location:L0001')!
        .value.replace('"location_id":"L0001"', `"location_id":"${id}"`);
    const moved = (value: string): string => value.replace('"Ada":7,"Ben":0', '"Ada":6,"Ben":1');

    describe('published results that are damaged are counted again from the log', () => {
      for (const [what, damage] of [
        ['a key that is missing', without('location:L0002')],
        ['a vote that is moved, so that all sums hold', edit('location:L0001', moved)],
        [
          'a count that is changed',
          edit('location:L0001', (value) => value.replace('"ballots_cast":7', '"ballots_cast":8')),
        ],
        ['a record that cannot be read', edit('location:L0001', () => '{')],
        [
          'a location that the definition lacks',
          (records) => [{ key: 'location:X', value: locationOf(records, 'X') }, ...records],
        ],
        [
          'a location under the key of another',
          (records) => [{ key: 'location:X', value: locationOf(records, 'L0001') }, ...records],
        ],
        [
          'a record of the other engine',
          (records) => [
            ...records,
            {
              key: 'ballots:L0001',
              value: '{"location_id":"L0001","ballots_cast":1,"epoch":1,"as_of":"2026-11-23T20:00:00.000Z"}',
            },
          ],
        ],
        ['a checkpoint that is missing', without('checkpoint')],
        [
          'a checkpoint of another definition',
          edit('checkpoint', (value) => value.replace(/"definition":"[0-9a-f]+"/, `"definition":"${'f'.repeat(64)}"`)),
        ],
        [
          'a checkpoint with another head',
          edit('checkpoint', (value) => value.replace(/"heads":\["[0-9a-f]{8}/, '"heads":["00000000')),
        ],
        ['a checkpoint that cannot be read', edit('checkpoint', () => '{')],
        [
          'an older record that came back',
          (records) => [
            ...records,
            {
              key: 'location:L0002',
              value: locationOf(records, 'L0002')
                .replace('"Ada":7', '"Ada":0')
                .replace('"ballots_cast":7', '"ballots_cast":0'),
            },
          ],
        ],
        ['everything but the checkpoint', (records) => records.filter(({ key }) => key === 'checkpoint')],
      ] as [string, (records: StoredRecord[]) => StoredRecord[]][])
        test(what, async () => {
          const { entry, said } = await countDamaged('results-by-location', damage);
          assert.match(said.join('\n'), /Counting again from the first vote\. /);
          await assertWhole(entry);
        });
    });

    describe('the other result topics are published again where they differ', () => {
      for (const [topic, key] of [
        ['votes-per-candidate', '["contest-1","Ben"]'],
        ['turnout-by-location', 'L0002'],
      ] as const)
        for (const [what, damage] of [
          ['missing', without(key)],
          ['changed', edit(key, (value) => value.replace(/"(votes|ballots_cast)":7/, '"$1":8'))],
          ['renamed', edit(key, (value) => value.replace(/"name":"[^"]*"/, '"name":"X"'))],
          ['foreign', (records) => [...records, { key: 'X', value: '{}' }]],
        ] as [string, (records: StoredRecord[]) => StoredRecord[]][])
          test(`${topic}: ${what}`, async () => {
            const { entry, said } = await countDamaged(topic, damage);
            assert.doesNotMatch(said.join('\n'), /Counting again/);
            await assertWhole(entry);
          });
    });

    test('nothing is published before the recount has reached what was counted', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 600);
      await countAll(entry);
      await tamper(entry, 'results-by-location', (records) => without('location:L0002')(lastOfEach(records)));
      await cast(entry, 600);
      await countAll(entry);
      const seen = (await under.tampering.records(entry, 'results-by-location')).flatMap(({ key, value }) =>
        key === 'checkpoint' ? [JSON.parse(value).covers[0]] : [],
      );
      assert.deepEqual(seen, [600, 1_200]);
    });

    test('a recount that was ordered begins a new generation, once', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 24);
      await countAll(entry);
      const ordered = await under.backend.elections.beginGeneration(entry);
      const { said, progress } = listening();
      const context = { backend: under.backend, entry: ordered, progress, signal: never };
      await count(context, 'local', true);
      await count(context, 'local', true);
      await under.backend.settle(entry, AbortSignal.timeout(SETTLE_MS_MAX));
      assert.equal(said.filter((line) => line.includes('A recount was ordered')).length, 1);
      await assertWhole(ordered);
    });

    test('a counter that begins after the order takes it over, although it found the election before', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 24);
      await countAll(entry);
      await under.backend.elections.beginGeneration(entry);
      const { said, progress } = listening();
      await count({ backend: under.backend, entry, progress, signal: never }, 'local', true);
      await under.backend.settle(entry, AbortSignal.timeout(SETTLE_MS_MAX));
      assert.match(said.join('\n'), /A recount was ordered/);
      await assertWhole(entry);
    });

    test('a checkpoint of an earlier version is gone on with, and the next one has a digest', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 2);
      await countAll(entry);
      await tamper(entry, 'results-by-location', (records) =>
        // The last location has no ballot, so no sum notices that its record is gone.
        without('location:L0003')(lastOfEach(records)).map(({ key, value }) => ({
          key,
          value: value.replace(/,"revision":\d+,"generation":\d+,"digest":"[0-9a-f]+"/, ''),
        })),
      );
      const { said, progress } = listening();
      await count({ backend: under.backend, entry, progress, signal: never }, 'local', true);
      assert.deepEqual(said, []);
      await under.backend.settle(entry, AbortSignal.timeout(SETTLE_MS_MAX));
      const records = lastOfEach(await under.tampering.records(entry, 'results-by-location'));
      assert.match(records.at(-1)!.value, /"digest":"[0-9a-f]{64}"/);
      assert.ok(records.some(({ key }) => key === 'location:L0003'));
    });

    test('a recount that finds fewer votes than were counted says so', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 24);
      await countAll(entry);
      await tamper(entry, 'results-by-location', (records) =>
        edit('checkpoint', (value) => value.replace('"covers":[24,', '"covers":[30,'))(lastOfEach(records)),
      );
      const { said, progress } = listening();
      await count({ backend: under.backend, entry, progress, signal: never }, 'local', true);
      assert.match(said.join('\n'), /topic votes holds 24 votes, and 30 of it were counted before/);
      await assertWhole(entry);
    });

    test('a log that ends before its counted votes is an alarm', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 24);
      await countAll(entry);
      await tamper(entry, 'results-by-location', (records) =>
        lastOfEach(records).map(({ key, value }) => ({ key, value: value.replace('"offsets":[1,', '"offsets":[9,') })),
      );
      await assert.rejects(countAll(entry), damaged(/24 of its votes were counted, and it ends before them/));
    });

    test('stops with an alarm at a gap', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 600);
      await countAll(entry);
      await cast(entry, 1_000);
      await tamper(entry, 'votes', (records) => records.toSpliced(2, 1));
      await assert.rejects(countAll(entry), damaged(/expected seq 600 and got 1100|expected record 2 and got 3/));
      assert.equal((await published(entry)).ballots, 600);
    });

    test('stops with an alarm at a changed vote: the chain breaks', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 30);
      await tamper(entry, 'votes', (records) =>
        records.map(({ key, value }) => ({ key, value: value.replace('["Ada"]', '["Ben"]') })),
      );
      await assert.rejects(countAll(entry), damaged(/chain of hashes breaks at seq 0/));
    });

    test('refuses votes of another election or another definition by name', async () => {
      const entry = await defineElection(under.backend, testElection());
      const rehearsal = await defineElection(under.backend, testElection({ name: 'Rehearsal' }));
      await cast(entry, 9);
      await cast(rehearsal, 9);
      const strange = await under.tampering.records(rehearsal, 'votes');
      await tamper(entry, 'votes', () => strange);
      await assert.rejects(countAll(entry), damaged(/another definition/));
    });

    test('another engine cannot go on with a count', async () => {
      const entry = await defineElection(under.backend, testElection());
      await countAll(entry);
      assert.equal(await under.backend.elections.fixEngine(entry, 'spark'), 'local');
    });
  });
