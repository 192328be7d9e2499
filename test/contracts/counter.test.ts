import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OperationalError } from '../../src/base/errors.ts';
import type { ElectionEntry } from '../../src/ports/elections.ts';
import { count } from '../../src/stages/count.ts';
import { verify } from '../../src/stages/verify.ts';
import { toColumns } from '../support/elections.ts';
import { silent } from '../support/progress.ts';
import { testElection } from '../support/test-count.ts';
import { BACKENDS, castBatch, defineElection, registerVoters, SETTLE_MS_MAX, type TestBackend } from './backends.ts';

const never = new AbortController().signal;
const damaged = (what: RegExp) => (error: unknown) =>
  error instanceof OperationalError && error.code === 'LOG_DAMAGED' && !error.canRetry && what.test(error.message);

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
      for (const [key, value] of latest) if (key !== 'checkpoint') ballots += JSON.parse(value).ballots_cast;
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

    test('skips a redelivered box, and a location whose record is ahead of the checkpoint', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 600);
      await countAll(entry);
      // The topic as a reader of uncommitted records would find it: one location is counted further
      // than the checkpoint says.
      await cast(entry, 3);
      await tamper(entry, 'results-by-location', (records) => {
        const last = records.findLastIndex(({ key }) => key === 'location:L0001');
        const record = JSON.parse(records[last]!.value);
        record.covers[0] += 3;
        record.ballots_cast += 1;
        record.contests['contest-1'].votes.Ada += 1;
        return records.with(last, { key: 'location:L0001', value: JSON.stringify(record) });
      });
      await countAll(entry);
      const { ballots, covers } = await published(entry);
      assert.deepEqual({ ballots, covers }, { ballots: 603, covers: [603, 0] });
      const log = await under.backend.openLog(entry);
      assert.equal((await verify(entry, log, under.backend, never)).passed, true);
      await log.close();
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

    test('refuses results that another definition made', async () => {
      const entry = await defineElection(under.backend, testElection());
      await countAll(entry);
      await tamper(entry, 'results-by-location', (records) =>
        records.map(({ key, value }) => ({ key, value: value.replace(entry.definition_hash!, 'f'.repeat(64)) })),
      );
      await assert.rejects(countAll(entry), damaged(/another definition/));
    });

    test('another engine cannot go on with a count', async () => {
      const entry = await defineElection(under.backend, testElection());
      await countAll(entry);
      assert.equal(await under.backend.elections.fixEngine(entry, 'spark'), 'local');
    });
  });
