import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { stateWhere } from '../../test/support/feed.ts';
import { TestCount, testElection } from '../../test/support/test-count.ts';
import type { Election } from '../domain/election.ts';
import { type DashboardState, followResults } from './dashboard.ts';

const ballots = (count: number) => (state: DashboardState) => state.results.totals.ballots_cast === count;
const isHeld = (state: DashboardState) => state.held !== null;

/** Follows until the test ends, and checks that following ended well. */
function follow(context: TestContext, count: TestCount) {
  const controller = new AbortController();
  const feed = followResults(count.log, controller.signal);
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
    assert.equal(first.held, null);
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
    feed.subscribe(() => seen.push(feed.state()!.results.totals.ballots_cast));
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
    feed.subscribe(() => seen.push(feed.state()!.results.totals.ballots_cast));
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
      assert.match(held.held!, reason);
      assert.equal(held.results, good.results);
    });

  test('a sound checkpoint ends it', async (context) => {
    const count = started();
    const feed = follow(context, count);
    count.cast(0, [1], 5);
    count.cast(1, [1], 5);
    const records = count.flushRecords();
    count.log.append(records.filter(({ key }) => key !== 'location:L0002'));
    await stateWhere(feed, isHeld);
    count.log.append(records);
    const state = await stateWhere(feed, ballots(10));
    assert.equal(state.held, null);
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
  assert.equal(state.held, null);
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
  assert.deepEqual([state.epoch, state.held], [2, null]);
});

test('a log that fails ends the following with its error', async () => {
  const count = started();
  count.log.read = () => Promise.reject(new Error('no log'));
  await assert.rejects(followResults(count.log, new AbortController().signal).done, /no log/);
});
