import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OperationalError } from '../../src/base/errors.ts';
import { type Log, recordsOf, type Topic } from '../../src/ports/log.ts';
import { count } from '../../src/stages/count.ts';
import { toColumns } from '../support/elections.ts';
import { silent } from '../support/progress.ts';
import { testElection } from '../support/test-count.ts';
import {
  BACKENDS,
  castBatch,
  defineElection,
  readRoll,
  registerVoters,
  SETTLE_MS_MAX,
  type TestBackend,
} from './backends.ts';

const never = new AbortController().signal;

/** Every record from an offset on, by offset. */
async function readAll(log: Log, topic: Topic, partition = 0, from = 0): Promise<Map<number, string>> {
  const records = new Map<number, string>();
  for (let next = from; ; ) {
    const batches = await log.read(topic, partition, next);
    if (batches.length === 0) return records;
    for (const batch of batches) {
      for (const { offset, key, value } of recordsOf(batch)) records.set(offset, `${key}\t${value}`);
      next = batch.base_offset + batch.count;
    }
  }
}

for (const { name, open } of BACKENDS)
  describe(`log contract: ${name}`, { concurrency: 1 }, () => {
    let under: TestBackend;
    before(async () => {
      under = await open();
    });
    after(() => under.close());

    test('records come in order, at dense offsets, the same from every offset', async () => {
      const entry = await defineElection(under.backend, testElection());
      const log = await under.backend.openLog(entry);
      for (const size of [3, 1, 4]) await registerVoters(under.backend, entry, new Array(size).fill(1));
      const all = await readAll(log, 'voters');
      assert.deepEqual([...all.keys()], [0, 1, 2, 3, 4, 5, 6, 7]);
      for (const [offset, record] of all) assert.equal(JSON.parse(record.slice(1)).seq, offset);
      for (let from = 0; from <= 8; from++) {
        const read = await readAll(log, 'voters', 0, from);
        for (let offset = from; offset < 8; offset++) assert.equal(read.get(offset), all.get(offset));
      }
      assert.equal(await log.end('voters', 0), 8);
      assert.equal(await log.end('voters', 1), 0);
      assert.deepEqual(await log.read('voters', 0, 8), []);
      await log.close();
    });

    test('elections do not see each other', async () => {
      const [one, other] = [
        await defineElection(under.backend, testElection()),
        await defineElection(under.backend, testElection()),
      ];
      await registerVoters(under.backend, one, [0, 1]);
      const log = await under.backend.openLog(other);
      assert.equal(await log.end('voters', 0), 0);
      assert.deepEqual(await log.read('voters', 0, 0), []);
      await log.close();
    });

    test('a reader that waits is woken by the next append, by the end of the roll, and by its signal', async () => {
      const entry = await defineElection(under.backend, testElection());
      const log = await under.backend.openLog(entry);
      const other = await under.openAnother();
      const first = log.wait('voters', 1, 0, never);
      await registerVoters(other, entry, [0], 1);
      await first;
      assert.equal(await log.end('voters', 1), 1);
      await log.wait('voters', 1, 0, never);
      const second = log.wait('voters', 1, 1, never);
      const roll = await other.openRoll(entry);
      await roll.finish(1);
      await second;
      await roll.close();
      const stop = new AbortController();
      const third = log.wait('voters', 1, 1, stop.signal);
      stop.abort();
      await third;
      await Promise.all([log.close(), other.close()]);
    });

    test('a reader that waits for records which were removed from the end is told, and does not ask for ever', {
      skip: name !== 'embedded' && 'readers of Kafka do not read table log',
    }, async () => {
      const entry = await defineElection(under.backend, testElection());
      for (const size of [2, 3]) await registerVoters(under.backend, entry, new Array(size).fill(1));
      await under.database.query(
        "DELETE FROM log WHERE election_no = $1 AND topic = 'voters' AND partition = 0 AND base_offset = 2",
        [entry.election_no],
      );
      await using log = await under.backend.openLog(entry);
      await log.wait('voters', 0, 2, never);
      await assert.rejects(
        log.read('voters', 0, 2),
        (error) =>
          error instanceof OperationalError &&
          error.code === 'LOG_DAMAGED' &&
          /topic voters, partition 0: .* offset 2, and .* says 5/.test(error.message),
      );
    });

    test('a topic has as many partitions as its election, each with a seq of its own', async () => {
      const entry = await defineElection(under.backend, testElection(), 5);
      for (let partition = 0; partition < 5; partition++)
        await registerVoters(under.backend, entry, [partition % 3], partition);
      const log = await under.backend.openLog(entry);
      for (let partition = 0; partition < 5; partition++) {
        const [voters] = await readRoll(log, entry, partition);
        assert.equal(voters!.count, 1);
        assert.equal(voters!.locations[0], partition % 3);
      }
      await log.close();
    });

    test('a compacted topic keeps the last record of every key, in order, the checkpoint last', async () => {
      const LOCATIONS = 100;
      const FLUSHES = 30;
      const entry = await defineElection(under.backend, testElection({ locations: LOCATIONS }));
      const log = await under.backend.openLog(entry);
      const everywhere = Array.from({ length: LOCATIONS }, (_, location) => location);
      for (let flush = 0; flush < FLUSHES; flush++) {
        const { ids } = await registerVoters(under.backend, entry, everywhere);
        const claimed = await under.backend.ballotBox.claim(entry, 0, { name: 'voters', partition: 0 }, never);
        const votes = toColumns(everywhere.map((location) => ({ location, selections: [flush % 3] })));
        await claimed.commit(castBatch(entry, claimed, votes, Array.from(ids)));
        await claimed.release();
        await count({ backend: under.backend, entry, progress: silent(), signal: never }, 'local', true);
      }
      await under.backend.settle(entry, AbortSignal.timeout(SETTLE_MS_MAX));
      for (const topic of ['results-by-location', 'turnout-by-location'] as const) {
        const records = await readAll(log, topic);
        // Kafka compacts at a time of its own choice.
        if (name === 'embedded')
          assert.ok(records.size < FLUSHES * LOCATIONS, `${topic} was not compacted: ${records.size} records`);
        assert.ok((await log.end(topic, 0)) >= FLUSHES * LOCATIONS, 'offsets go on');
        assert.ok([...records.keys()].every((offset, i, all) => i === 0 || offset > all[i - 1]!));
      }
      const results = [...(await readAll(log, 'results-by-location')).values()];
      assert.match(results.at(-1)!, /^checkpoint\t/);
      const latest = new Map(results.map((record) => record.split('\t') as [string, string]));
      latest.delete('checkpoint');
      assert.equal(latest.size, LOCATIONS);
      for (const value of latest.values()) assert.equal(JSON.parse(value).ballots_cast, FLUSHES);
      await log.close();
    });

    test('of two writers the earlier is fenced, and its records are not there', async () => {
      const entry = await defineElection(under.backend, testElection());
      const log = await under.backend.openLog(entry);
      const stop = new AbortController();
      const started = Promise.withResolvers<void>();
      const first = under.backend.createCounter('local', log, entry);
      const fenced = assert.rejects(
        first.run(entry, { say() {}, published: () => started.resolve() }, stop.signal),
        (error) => error instanceof OperationalError && error.code === 'FENCED' && !error.canRetry,
      );
      await Promise.race([started.promise, fenced]);
      const other = await under.openAnother();
      await count({ backend: other, entry, progress: silent(), signal: never }, 'local', true);
      const { ids } = await registerVoters(other, entry, [0]);
      const claimed = await other.ballotBox.claim(entry, 0, { name: 'voters', partition: 0 }, never);
      await claimed.commit(castBatch(entry, claimed, toColumns([{ location: 0, selections: [] }]), [ids[0]!]));
      await claimed.release();
      await fenced;
      const checkpoints = [...(await readAll(log, 'results-by-location')).values()].filter((record) =>
        record.startsWith('checkpoint'),
      );
      assert.deepEqual(JSON.parse(checkpoints.at(-1)!.split('\t')[1]!).covers, [0, 0]);
      await Promise.all([log.close(), other.close()]);
    });
  });
