import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { feedOf, stateWhere, troubleIn } from '../../test/support/feed.ts';
import { TestCount, TestMicroBatchCount, testElection } from '../../test/support/test-count.ts';
import type { Election } from '../domain/election/election.ts';
import type { Log, LogBatch, OutgoingRecord, Topic } from '../ports/log.ts';
import type { DashboardState } from './state-builder.ts';

const ballots = (count: number) => (state: DashboardState) => state.results.totals.ballots_cast === count;
const isHeld = (state: DashboardState) => state.results.held !== null;

/** Follows until the test ends, and checks that following ended well. */
function follow(context: TestContext, count: TestCount) {
  const controller = new AbortController();
  const feed = feedOf(count.log, controller.signal);
  context.after(async () => {
    controller.abort();
    await feed.done;
  });
  return feed;
}

const started = (election: Election = testElection()): TestCount => {
  const count = new TestCount(election);
  count.define();
  return count;
};

describe('what is shown', () => {
  test('nothing until the definition is there, then a zero state, then every checkpoint', async (context) => {
    const count = new TestCount(testElection());
    const feed = follow(context, count);
    assert.equal(feed.state(), null);
    count.define();
    const zero = await stateWhere(feed, ballots(0));
    assert.deepEqual([zero.results.election.status, zero.results.sequence, zero.epoch], ['pre-election', 0, 0]);
    count.cast(0, [1], 5);
    count.flush();
    const first = await stateWhere(feed, ballots(5));
    assert.deepEqual(
      [first.results.election.status, first.results.sequence, first.epoch],
      ['unofficial-partial', 5, 1],
    );
    assert.equal(first.results.held, null);
    count.cast(2, [0], 3);
    count.flush();
    const second = await stateWhere(feed, ballots(8));
    assert.equal(second.results.locations[0], first.results.locations[0]);
  });

  test('results that were there before the definition are waited for, not spun on', async (context) => {
    const count = new TestCount(testElection());
    count.cast(0, [1], 5);
    count.flush();
    const feed = follow(context, count);
    count.define();
    await stateWhere(feed, ballots(5));
  });

  test('nothing between two checkpoints', async (context) => {
    const count = started();
    count.cast(0, [1], 5);
    count.flush();
    const feed = follow(context, count);
    const seen: number[] = [];
    await stateWhere(feed, ballots(5));
    feed.subscribe(() => seen.push(feed.state()!.results.totals.ballots_cast!));
    count.cast(0, [1], 2);
    count.cast(1, [1], 2);
    for (const record of count.flushRecords()) count.log.append([record]);
    await stateWhere(feed, ballots(9));
    assert.ok(
      seen.every((total) => total === 5 || total === 9),
      seen.join(),
    );
  });

  test('on a start in the middle of a long log, no older state than its end', async (context) => {
    const count = started();
    for (let i = 0; i < 20; i++) {
      count.cast(i % 3, [0], 1);
      count.flush();
    }
    const seen: number[] = [];
    const feed = follow(context, count);
    feed.subscribe(() => seen.push(feed.state()!.results.totals.ballots_cast!));
    await stateWhere(feed, ballots(20));
    assert.deepEqual(new Set(seen), new Set([20]));
  });

  test('complete once the votes of every partition have ended and all are covered', async (context) => {
    const count = started();
    count.cast(0, [1], 5);
    count.flush();
    count.end(8);
    const feed = follow(context, count);
    const partial = await stateWhere(feed, ballots(5));
    assert.equal(partial.results.election.status, 'unofficial-partial');
    assert.ok(partial.results.contests[0]!.candidates.every(({ elected }) => !elected));
    count.cast(0, [1], 3);
    count.flush();
    const complete = await stateWhere(feed, ballots(8));
    assert.equal(complete.results.election.status, 'unofficial-complete');
    assert.equal(complete.results.contests[0]!.candidates[1]!.elected, true);
  });

  test('the end may come after the last vote', async (context) => {
    const count = started();
    count.cast(0, [1], 5);
    count.flush();
    const feed = follow(context, count);
    await stateWhere(feed, ballots(5));
    count.end();
    await stateWhere(feed, (state) => state.results.election.status === 'unofficial-complete');
  });

  test('not complete where votes follow an end, however soon they are counted', async (context) => {
    const count = started();
    count.cast(0, [1], 2);
    count.flush();
    count.end();
    const feed = follow(context, count);
    await stateWhere(feed, (state) => state.results.election.status === 'unofficial-complete');
    count.append('definition', 'votes-end:0', { partition: 0, seq_end: null });
    const opened = await stateWhere(feed, (state) => state.results.election.status === 'unofficial-partial');
    assert.deepEqual(
      opened.results.contests.flatMap(({ candidates }) => candidates.filter((each) => each.elected)),
      [],
    );
    count.cast(0, [1], 1);
    count.flush();
    await stateWhere(feed, ballots(3));
    count.end(3);
    await stateWhere(feed, (state) => state.results.election.status === 'unofficial-complete');
    count.cast(0, [1], 1);
    count.flush();
    const beyond = await stateWhere(feed, ballots(4));
    assert.equal(beyond.results.election.status, 'unofficial-partial');
  });

  test('another definition starts anew', async (context) => {
    const count = started();
    const feed = follow(context, count);
    await stateWhere(feed, ballots(0));
    const other = new TestCount(testElection({ name: 'Other' }), 'b'.repeat(64));
    count.append('definition', 'definition', {
      election: other.index.election,
      hash: 'b'.repeat(64),
      partitions: 1,
      defined_at: '2026-11-23T09:00:00.000Z',
    });
    await stateWhere(feed, (state) => state.results.election.name === 'Other');
  });
});

describe('no state', () => {
  test('results without a checkpoint are told at the end of the topic', async (context) => {
    const count = started();
    count.cast(0, [1], 5);
    count.log.append(count.flushRecords().filter(({ key }) => key !== 'checkpoint'));
    const feed = follow(context, count);
    assert.match(await troubleIn(feed), /lacks their checkpoint/);
    assert.equal(feed.state(), null);
  });

  test('a definition without results is not a count of zero', async (context) => {
    const feed = follow(context, started());
    const { results } = await stateWhere(feed, () => true);
    assert.deepEqual([results.is_counted, results.held], [false, null]);
  });
});

describe('the id of a state', () => {
  test('is the same for two readers, and another for another election', async (context) => {
    const [one, other] = [started(), started()];
    const ids: string[] = [];
    for (const [count, made] of [
      [one, {}],
      [other, { instance: 'b'.repeat(32) }],
    ] as const) {
      if ('instance' in made) count.define(made);
      count.cast(0, [1], 5);
      count.flush();
      for (let reader = 0; reader < 2; reader++) ids.push((await stateWhere(follow(context, count), ballots(5))).id);
    }
    assert.equal(ids[0], ids[1]);
    assert.equal(ids[2], ids[3]);
    assert.notEqual(ids[0]!.split('.')[0], ids[2]!.split('.')[0]);
  });

  test('a revision of the description has another id, with the same counts', async (context) => {
    const count = started();
    count.cast(0, [1], 5);
    count.flush();
    const feed = follow(context, count);
    const before = await stateWhere(feed, ballots(5));
    count.append('definition', 'revision:1', {
      revision: 1,
      election: { ...count.index.election, name: 'Revised' },
      description_hash: 'c'.repeat(64),
      made_at: '2026-11-23T09:00:00.000Z',
      reason: 'description',
    });
    const after = await stateWhere(feed, ({ results }) => results.election.name === 'Revised');
    assert.equal(after.results.totals.ballots_cast, 5);
    assert.notEqual(after.id, before.id);
    assert.notEqual(after.definition.tag, before.definition.tag);
  });
});

describe('what is held back', () => {
  for (const [what, reason, damage] of [
    [
      'ballots without votes',
      /do not balance/,
      (count: TestCount) => {
        count.cast(0, [0], 1);
        count.tally.votes[0]!--;
        count.flush();
      },
    ],
    [
      'a location that is missing from the flush',
      /covers 7 ballots but its locations add up to 6/,
      (count: TestCount) => {
        count.cast(0, [0], 1);
        count.cast(1, [0], 1);
        count.log.append(count.flushRecords().filter(({ key }) => key !== 'location:L0002'));
      },
    ],
    [
      'a checkpoint of another definition',
      /another definition/,
      (count: TestCount) => {
        count.cast(0, [0], 1);
        count.flush({ definition: 'b'.repeat(64) });
      },
    ],
    [
      'a location that the definition lacks',
      /definition lacks/,
      (count: TestCount) => {
        count.append('results-by-location', 'location:X', {
          location_id: 'X',
          epoch: 1,
          covers: [5],
          ballots_cast: 1,
          contests: {},
        });
        count.flush();
      },
    ],
    [
      'a record with a negative count',
      /cannot be read/,
      (count: TestCount) => {
        count.append('results-by-location', 'location:L0001', {
          location_id: 'L0001',
          epoch: 1,
          covers: [5],
          ballots_cast: -1,
          contests: {},
        });
        count.flush();
      },
    ],
    [
      'a record that is no JSON',
      /Record 2 .*cannot be read/,
      (count: TestCount) => {
        count.log.append([{ topic: 'results-by-location', key: 'location:L0001', value: '{"epoch":' }]);
        count.flush();
      },
    ],
  ] as const)
    test(what, async (context) => {
      const count = started();
      count.cast(0, [1], 5);
      count.flush();
      const feed = follow(context, count);
      const good = await stateWhere(feed, ballots(5));
      damage(count);
      const held = await stateWhere(feed, isHeld);
      assert.match(held.results.held!, reason);
      assert.deepEqual({ ...held.results, held: null }, good.results);
    });

  test('a sound checkpoint ends it', async (context) => {
    const count = started();
    const feed = follow(context, count);
    count.cast(0, [1], 5);
    count.cast(1, [1], 5);
    const records = count.flushRecords();
    count.log.append(records.filter(({ key }) => key !== 'location:L0002'));
    const trouble = await troubleIn(feed);
    assert.match(trouble, /covers 10 ballots but its locations add up to 5/);
    assert.equal(feed.state(), null);
    count.log.append(records);
    const state = await stateWhere(feed, ballots(10));
    assert.equal(feed.trouble(), null);
    assert.equal(state.results.held, null);
  });
});

test('many flushes read at once give the state of the last, also around a record to ignore', async (context) => {
  const count = started();
  count.cast(0, [0], 1);
  const stale = count.flushRecords();
  count.nextEpoch();
  count.flush();
  const feed = follow(context, count);
  count.cast(0, [0], 1);
  count.flush();
  await stateWhere(feed, ballots(2));
  const flushes = [];
  for (let i = 0; i < 5; i++) {
    count.cast(0, [0], 1);
    count.cast(i % 3, [2], 1);
    flushes.push(...count.flushRecords());
  }
  const last = flushes.pop()!;
  count.log.append([...flushes, ...stale, last]);
  const state = await stateWhere(feed, ballots(12));
  assert.equal(state.results.held, null);
});

test('records of an older epoch than the newest checkpoint are ignored', async (context) => {
  const count = started();
  count.cast(0, [1], 5);
  const stale = count.flushRecords();
  count.log.append(stale);
  count.nextEpoch();
  count.cast(0, [1], 5);
  count.flush();
  const feed = follow(context, count);
  await stateWhere(feed, ballots(10));
  count.log.append(stale);
  count.cast(1, [1], 1);
  count.flush();
  const state = await stateWhere(feed, ballots(11));
  assert.deepEqual([state.epoch, state.results.held], [2, null]);
});

test('a log that fails ends the following with its error', async () => {
  const count = started();
  count.log.read = () => Promise.reject(new Error('no log'));
  await assert.rejects(feedOf(count.log, new AbortController().signal).done, /no log/);
});

const startedBySpark = (election: Election = testElection()): TestMicroBatchCount => {
  const count = new TestMicroBatchCount(election);
  count.define();
  return count;
};

describe('results of Spark', () => {
  test('are told by their keys; undervotes are derived', async (context) => {
    const count = startedBySpark();
    const feed = follow(context, count);
    const zero = await stateWhere(feed, ballots(0));
    assert.deepEqual([zero.results.election.status, zero.epoch], ['pre-election', 0]);
    count.cast(0, [1], 5);
    count.cast(1, [], 2);
    count.overvote(1, 0, 1);
    count.flush();
    const { results, epoch, foreign_records } = await stateWhere(feed, ballots(8));
    assert.deepEqual(
      [results.election.status, results.sequence, results.as_of, epoch, results.held, foreign_records],
      ['unofficial-partial', 8, '2026-11-23T20:00:01.000Z', 1, null, 0],
    );
    assert.deepEqual([results.contests[0]!.votes_counted, results.contests[0]!.undervotes], [5, 2]);
    count.end();
    await stateWhere(feed, (state) => state.results.election.status === 'unofficial-complete');
  });

  test('nothing between two micro-batches, however their rows come', async (context) => {
    const count = startedBySpark();
    count.cast(0, [1], 5);
    count.flush();
    const feed = follow(context, count);
    const seen: number[] = [];
    await stateWhere(feed, ballots(5));
    feed.subscribe(() => seen.push(feed.state()!.results.totals.ballots_cast!));
    for (const [location, choice] of [
      [0, 1],
      [1, 2],
      [2, 0],
    ] as const) {
      count.cast(location, [choice], 2);
      count.cast(0, [0], 1);
      for (const record of count.flushRecords()) count.log.append([record]);
      await stateWhere(feed, ballots(8 + location * 3));
    }
    assert.deepEqual(new Set(seen), new Set([8, 11, 14]));
  });

  test('the state before a micro-batch that is read in part is shown', async (context) => {
    const count = startedBySpark();
    const feed = follow(context, count);
    await stateWhere(feed, ballots(0));
    const records: OutgoingRecord[] = [];
    for (let i = 0; i < 3; i++) {
      count.cast(0, [1], 5);
      records.push(...count.flushRecords());
    }
    const last = records.pop()!;
    count.log.append(records);
    await stateWhere(feed, ballots(10));
    count.log.append([last]);
    await stateWhere(feed, ballots(15));
  });

  test('on a start, nothing before the first whole state, and no older one than the last', async (context) => {
    const count = startedBySpark();
    for (let i = 0; i < 20; i++) {
      count.cast(i % 3, [0], 1);
      count.flush();
    }
    const log: string[] = [];
    const feed = follow(context, count);
    feed.subscribe(() => log.push(`${feed.state()!.results.totals.ballots_cast}`));
    await stateWhere(feed, ballots(20));
    assert.deepEqual(new Set(log), new Set(['20']));
  });

  test('on a start where the last micro-batch is read in part and the others are compacted away: nothing, then it', async (context) => {
    const count = startedBySpark();
    count.cast(0, [1], 5);
    const compactedAway = count.flushRecords();
    count.cast(0, [1], 5);
    const records = count.flushRecords();
    const last = records.pop()!;
    assert.ok(compactedAway.length > 0);
    count.log.append(records);
    const caughtUp = Promise.withResolvers<void>();
    const wait = count.log.wait.bind(count.log);
    count.log.wait = (topic, ...rest) => {
      if (topic === 'results-by-location') caughtUp.resolve();
      return wait(topic, ...rest);
    };
    const seen: unknown[] = [];
    const feed = follow(context, count);
    feed.subscribe(() => seen.push(feed.state()!.results.totals.ballots_cast!));
    await caughtUp.promise;
    count.log.append([last]);
    await stateWhere(feed, ballots(10));
    assert.deepEqual(new Set(seen), new Set([10]));
  });

  for (const [what, changes, reason] of [
    ['a gap', { progress: { is_dense: false } }, /Partition 0 of topic votes has a gap/],
    ['a box of another definition', { totals: { other_definition: 1 } }, /1 boxes .* another definition/],
    [
      'a count by another definition',
      { totals: { definition: 'b'.repeat(64) } },
      /The count follows another definition/,
    ],
  ] as const)
    test(`${what} is held, and ends with a sound micro-batch`, async (context) => {
      const count = startedBySpark();
      count.cast(0, [1], 5);
      count.flush();
      const feed = follow(context, count);
      const good = await stateWhere(feed, ballots(5));
      count.cast(0, [1], 1);
      count.flush(changes);
      const held = await stateWhere(feed, isHeld);
      assert.match(held.results.held!, reason);
      assert.deepEqual({ ...held.results, held: null }, good.results);
      count.cast(0, [1], 1);
      count.flush();
      const sound = await stateWhere(feed, ballots(7));
      assert.equal(sound.results.held, null);
    });

  test('malformed records hold nothing and are told', async (context) => {
    const count = startedBySpark();
    count.cast(0, [1], 5);
    count.flush({ totals: { malformed: 3 } });
    const feed = follow(context, count);
    const state = await stateWhere(feed, ballots(5));
    assert.deepEqual([state.results.held, state.foreign_records], [null, 3]);
  });

  test('a damaged row is told at once; the same row whole mends it', async (context) => {
    const count = startedBySpark();
    count.cast(0, [1], 5);
    count.flush();
    const feed = follow(context, count);
    const good = await stateWhere(feed, ballots(5));
    count.cast(0, [1], 1);
    const records = count.flushRecords();
    const last = records.pop()!;
    count.log.append([...records, { ...last, value: last.value.replace(':6,', ':-6,') }]);
    const held = await stateWhere(feed, isHeld);
    assert.match(held.results.held!, /Record \d+ of results-by-location \(ballots:L0001\) cannot be read/);
    assert.deepEqual({ ...held.results, held: null }, good.results);
    count.log.append([last]);
    const sound = await stateWhere(feed, ballots(6));
    assert.equal(sound.results.held, null);
  });

  test('records of the other engine beside them are held', async (context) => {
    const count = startedBySpark();
    count.cast(0, [1], 5);
    count.flush();
    const feed = follow(context, count);
    await stateWhere(feed, ballots(5));
    count.append('results-by-location', 'location:L0001', { location_id: 'L0001' });
    const held = await stateWhere(feed, isHeld);
    assert.match(held.results.held!, /location:L0001/);
  });

  test('micro-batches that stay incomplete are told; a whole one ends it', async (context) => {
    const count = startedBySpark();
    count.cast(0, [1], 5);
    count.flush();
    const feed = follow(context, count);
    const good = await stateWhere(feed, ballots(5));
    // Many, for of those that are read at once only what is newest counts.
    for (let i = 0; i < 20; i++) {
      count.cast(0, [1], 1);
      count.log.append(count.flushRecords().filter(({ key }) => !key.startsWith('ballots:')));
    }
    const held = await stateWhere(feed, isHeld);
    assert.match(
      held.results.held!,
      /The last result batch is incomplete: the ballots of its locations add up to 5, and/,
    );
    assert.deepEqual({ ...held.results, held: null }, good.results);
    count.cast(0, [1], 1);
    count.flush();
    const whole = await stateWhere(feed, ballots(26));
    assert.equal(whole.results.held, null);
  });

  test('another epoch replaces the state once it is whole', async (context) => {
    const count = startedBySpark();
    count.cast(0, [1], 5);
    count.cast(1, [1], 5);
    count.flush();
    const feed = follow(context, count);
    const seen: string[] = [];
    await stateWhere(feed, ballots(10));
    feed.subscribe(() => seen.push(`${feed.state()!.epoch}:${feed.state()!.results.totals.ballots_cast}`));
    const again = new TestMicroBatchCount(testElection(), undefined, count.log);
    again.nextEpoch();
    again.cast(1, [1], 4);
    for (const record of again.flushRecords()) again.log.append([record]);
    const state = await stateWhere(feed, ballots(4));
    assert.deepEqual([state.results.locations[0]!.ballots_cast, state.results.held], [0, null]);
    assert.deepEqual(new Set(seen), new Set(['2:4']));
  });
});

/**
 * A log as Kafka keeps it: a marker that no reader sees behind each transaction, so offsets jump
 * and the end is not that of a record.
 */
class MarkedLog implements Log {
  readonly #topics = new Map<Topic, LogBatch[]>();
  readonly #waiting = new Set<() => void>();
  reads = 0;

  append(records: readonly OutgoingRecord[]): void {
    for (const topic of new Set(records.map((record) => record.topic))) {
      const lines = records.filter((record) => record.topic === topic);
      const text = lines.map(({ key, value }) => `${key}\t${value}\n`).join('');
      const batches = this.#topics.get(topic) ?? [];
      this.#topics.set(topic, [...batches, { base_offset: this.#endOf(topic), count: lines.length, text }]);
    }
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async read(topic: Topic, _partition: number, from: number): Promise<readonly LogBatch[]> {
    this.reads++;
    const next = this.#topics.get(topic)?.find((batch) => batch.base_offset + batch.count > from);
    return next === undefined ? [] : [next];
  }

  async end(topic: Topic): Promise<number> {
    return this.#endOf(topic);
  }

  async wait(topic: Topic, partition: number, from: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && (await this.read(topic, partition, from)).length === 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
  }

  #endOf(topic: Topic): number {
    const last = this.#topics.get(topic)?.at(-1);
    return last === undefined ? 0 : last.base_offset + last.count + 1;
  }
}

describe('a log with markers', () => {
  for (const Count of [TestCount, TestMicroBatchCount])
    test(`is read to its last record and waited for there: ${Count.name}`, async (context) => {
      const log = new MarkedLog();
      const count = new Count(testElection(), undefined, log);
      count.define();
      for (let i = 0; i < 5; i++) {
        count.cast(i % 3, [0], 1);
        count.flush();
      }
      const seen: number[] = [];
      const feed = follow(context, count);
      feed.subscribe(() => seen.push(feed.state()!.results.totals.ballots_cast!));
      await stateWhere(feed, ballots(5));
      for (let total = 6; total <= 8; total++) {
        count.cast(0, [0], 1);
        count.flush();
        await stateWhere(feed, ballots(total));
      }
      assert.deepEqual([...new Set(seen)], [5, 6, 7, 8]);
      count.end();
      await stateWhere(feed, (state) => state.results.election.status === 'unofficial-complete');
      assert.ok(log.reads < 60, `${log.reads} reads for 11 batches`);
    });
});
