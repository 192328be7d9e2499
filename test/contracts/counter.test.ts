import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { OperationalError } from '../../src/errors.ts';
import { recordsOf } from '../../src/ports/log.ts';
import type { ElectionEntry } from '../../src/ports/store.ts';
import { count } from '../../src/stages/count.ts';
import { verify } from '../../src/stages/verify.ts';
import { toColumns } from '../support/elections.ts';
import { silent } from '../support/progress.ts';
import { testElection } from '../support/test-count.ts';
import { BACKENDS, castBatch, defineElection, registerVoters, type TestBackend } from './backends.ts';

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

    const countAll = (entry: ElectionEntry): Promise<void> =>
      count({ backend: under.backend, entry, progress: silent(), signal: never }, 'local', true);

    /** Casts one batch of votes for candidate 0, 1 and 2 in turn. */
    const cast = async (entry: ElectionEntry, votes: number, partition = 0): Promise<void> => {
      const voters = await registerVoters(
        under.backend,
        entry,
        Array.from({ length: votes }, (_, i) => i % 3),
        partition,
      );
      const claimed = await under.backend.ballot_box.claim(entry, partition, { name: 'voters', partition }, never);
      const columns = toColumns(Array.from({ length: votes }, (_, i) => ({ location: i % 3, selections: [i % 3] })));
      await claimed.commit(castBatch(entry, claimed, columns, Array.from(voters.ids.subarray(0, votes))));
      await claimed.release();
    };

    const published = async (entry: ElectionEntry): Promise<{ ballots: number; covers: number[]; epoch: number }> => {
      const log = await under.backend.openLog(entry);
      const latest = new Map<string, string>();
      for (const batch of await log.read('results-by-location', 0, 0))
        for (const { key, value } of recordsOf(batch)) latest.set(key, value);
      await log.close();
      const { covers, epoch } = JSON.parse(latest.get('checkpoint')!);
      let ballots = 0;
      for (const [key, value] of latest) if (key !== 'checkpoint') ballots += JSON.parse(value).ballots_cast;
      return { ballots, covers, epoch };
    };

    /** Changes the text of one batch of a topic, as a fault of a disk or of a hand would. */
    const tamper = async (entry: ElectionEntry, topic: string, change: (text: string) => string): Promise<void> => {
      const { rows } = await under.database.query(
        'SELECT base_offset, payload FROM log WHERE election_no = $1 AND topic = $2 ORDER BY partition, base_offset DESC LIMIT 1',
        [entry.election_no, topic],
      );
      const text = change(zstdDecompressSync(rows[0].payload).toString('utf8'));
      await under.database.query(
        'UPDATE log SET payload = $4 WHERE election_no = $1 AND topic = $2 AND base_offset = $3',
        [entry.election_no, topic, rows[0].base_offset, zstdCompressSync(text)],
      );
    };

    test('publishes a zero report before the first vote', async () => {
      const entry = await defineElection(under.backend, testElection());
      await countAll(entry);
      assert.deepEqual(await published(entry), { ballots: 0, covers: [0, 0], epoch: 1 });
    });

    test('goes on from its checkpoint, with a greater epoch, and counts nothing twice', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 1_200);
      await countAll(entry);
      await cast(entry, 300);
      await cast(entry, 7, 1);
      await countAll(entry);
      await countAll(entry);
      assert.deepEqual(await published(entry), { ballots: 1_507, covers: [1_500, 7], epoch: 2 });
    });

    test('does not read votes again that its checkpoint covers', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 600);
      await countAll(entry);
      await under.database.query("DELETE FROM log WHERE election_no = $1 AND topic = 'votes'", [entry.election_no]);
      await cast(entry, 5);
      await countAll(entry);
      assert.deepEqual(await published(entry), { ballots: 605, covers: [605, 0], epoch: 2 });
    });

    test('skips a redelivered box, and a location whose record is ahead of the checkpoint', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 600);
      await countAll(entry);
      // The topic as a reader of uncommitted records would find it: one location counted further than the checkpoint says.
      await cast(entry, 3);
      await tamper(entry, 'results-by-location', (text) => {
        const record = JSON.parse(/^location:L0001\t(.*)$/m.exec(text)![1]!);
        record.covers[0] += 3;
        record.ballots_cast += 1;
        record.contests['contest-1'].votes.Ada += 1;
        return text.replace(/^location:L0001\t.*$/m, `location:L0001\t${JSON.stringify(record)}`);
      });
      await countAll(entry);
      assert.deepEqual(await published(entry), { ballots: 603, covers: [603, 0], epoch: 2 });
      const log = await under.backend.openLog(entry);
      assert.equal((await verify(entry, log, under.backend.recount, never)).passed, true);
      await log.close();
    });

    test('stops with an alarm at a gap', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 600);
      await countAll(entry);
      await cast(entry, 1_000);
      await tamper(entry, 'votes', (text) => text.replace(/^.*\n/, ''));
      await assert.rejects(countAll(entry), damaged(/expected seq 600 and got 1100/));
      assert.equal((await published(entry)).ballots, 600);
    });

    test('stops with an alarm at a changed vote: the chain breaks', async () => {
      const entry = await defineElection(under.backend, testElection());
      await cast(entry, 30);
      await tamper(entry, 'votes', (text) => text.replace('["Ada"]', '["Ben"]'));
      await assert.rejects(countAll(entry), damaged(/chain of hashes breaks at seq 0/));
    });

    test('refuses votes of another election or another definition by name', async () => {
      const entry = await defineElection(under.backend, testElection());
      const rehearsal = await defineElection(under.backend, testElection({ name: 'Rehearsal' }));
      await cast(entry, 9);
      await cast(rehearsal, 9);
      await under.database.query(
        `UPDATE log SET payload = (SELECT payload FROM log WHERE election_no = $2 AND topic = 'votes') WHERE election_no = $1 AND topic = 'votes'`,
        [entry.election_no, rehearsal.election_no],
      );
      await assert.rejects(countAll(entry), damaged(/another definition/));
    });

    test('refuses results that another definition made', async () => {
      const entry = await defineElection(under.backend, testElection());
      await countAll(entry);
      await tamper(entry, 'results-by-location', (text) => text.replace(entry.definition_hash!, 'f'.repeat(64)));
      await assert.rejects(countAll(entry), damaged(/another definition/));
    });

    test('a count begun with one engine is not gone on with by another', async () => {
      const entry = await defineElection(under.backend, testElection());
      await countAll(entry);
      assert.equal(await under.backend.elections.fixEngine(entry, 'spark'), 'local');
    });
  });
