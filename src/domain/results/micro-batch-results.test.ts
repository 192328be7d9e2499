import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, type Ballot, tallyOf } from '../../../test/support/elections.ts';
import { testElection } from '../../../test/support/test-count.ts';
import { sha256 } from '../../base/sha256.ts';
import { createTally, type Tally } from '../counting/tally.ts';
import {
  cellCandidate,
  cellsOf,
  type ElectionIndex,
  indexElection,
  slotContest,
  slotsOf,
} from '../election/election-index.ts';
import { ballotsKey, cellKey, overvotesKey, progressKey, RECOUNT_KEY, TOTALS_KEY } from '../log/records.ts';
import { MicroBatchResults } from './micro-batch-results.ts';
import type { PublishedRecord, PublishedState } from './published-results.ts';

const HASH = 'a'.repeat(64);
const PARTITIONS = 2;

const createResults = (index: ElectionIndex): MicroBatchResults =>
  new MicroBatchResults({ index, definition: HASH, partitions: PARTITIONS, sha256 });

/** The stamp of the micro-batch with this number. */
const timeOf = (batch: number): string => `2026-11-23T20:00:00.${String(batch).padStart(3, '0')}Z`;

/** The counts after a micro-batch. */
interface State {
  readonly tally: Tally;
  readonly progress: readonly number[];
  readonly malformed: number;
}

interface Row extends PublishedRecord {
  readonly batch: number;
}

/** The key of each count of a state that is not 0, with the value of its row. */
function countsOf(index: ElectionIndex, { tally, progress }: State): Map<string, object> {
  const { election } = index;
  const counts = new Map<string, object>();
  for (const [location, { id: location_id }] of election.locations.entries()) {
    const ballots_cast = tally.ballots[location]!;
    if (ballots_cast > 0) counts.set(ballotsKey(location_id), { location_id, ballots_cast });
    for (const slot of slotsOf(index, location)) {
      const contest_id = slotContest(index, slot).id;
      const overvoted_ballots = tally.overvoted[slot]!;
      if (overvoted_ballots > 0)
        counts.set(overvotesKey(location_id, contest_id), { location_id, contest_id, overvoted_ballots });
      for (const cell of cellsOf(index, slot)) {
        const candidate_id = cellCandidate(index, slot, cell).id;
        const votes = tally.votes[cell]!;
        const key = cellKey(location_id, contest_id, candidate_id);
        if (votes > 0) counts.set(key, { location_id, contest_id, candidate_id, votes });
      }
    }
  }
  for (const [partition, votes] of progress.entries())
    if (votes > 0) counts.set(progressKey(partition), { partition, votes, seq_end: votes, is_dense: true });
  return counts;
}

const sum = (counts: Float64Array): number => counts.reduce((all, one) => all + one, 0);

/** The rows of a micro-batch: all counts that it changed, and the totals. */
function rowsOf(index: ElectionIndex, before: State, after: State, batch: number, epoch = 1): Row[] {
  const known = countsOf(index, before);
  const row = (key: string, value: object): Row => {
    return { key, value: JSON.stringify({ ...value, epoch, as_of: timeOf(batch) }), batch, offset: 0 };
  };
  const rows: Row[] = [];
  for (const [key, value] of countsOf(index, after))
    if (JSON.stringify(known.get(key)) !== JSON.stringify(value)) rows.push(row(key, value));
  const { tally, malformed } = after;
  const totals = { ballots: sum(tally.ballots), marks: sum(tally.votes), overvotes: sum(tally.overvoted), malformed };
  return [...rows, row(TOTALS_KEY, { ...totals, other_definition: 0, definition: HASH })];
}

interface History {
  readonly index: ElectionIndex;
  readonly states: readonly State[];
  readonly log: readonly Row[];
  /** Any numbers, for what a test draws. */
  readonly draw: (below: number) => number;
}

/** A micro-batch of this many ballots. One without any has a malformed record alone. */
const arbitrarySizes = fc.array(fc.nat(8), { minLength: 1, maxLength: 8 });

/**
 * The log of an election that Spark counted: rows in any order, micro-batches that began and were
 * repeated, or came twice.
 */
const arbitraryHistory: fc.Arbitrary<History> = fc
  .tuple(arbitraryElectionWithBallots, arbitrarySizes, fc.infiniteStream(fc.nat()))
  .map(([{ index, ballots }, sizes, numbers]) => {
    const draw = (below: number): number => numbers.next().value! % below;
    const states: State[] = [{ tally: createTally(index), progress: [0, 0], malformed: 0 }];
    const log: Row[] = [];
    let from = 0;
    for (const size of sizes) {
      const batch = ballots.slice(from, from + size);
      from += batch.length;
      const after = castInto(index, states.at(-1)!, batch, draw);
      const rows = rowsOf(index, states.at(-1)!, after, states.length);
      states.push(after);
      if (draw(3) === 0) log.push(...shuffled(rows, draw).slice(0, draw(rows.length)));
      log.push(...shuffled(rows, draw));
      if (draw(3) === 0) log.push(...shuffled(rows, draw).slice(0, draw(rows.length + 1)));
    }
    return { index, states, log: log.map((row, offset) => ({ ...row, offset })), draw };
  });

function castInto(
  index: ElectionIndex,
  { tally, progress, malformed }: State,
  ballots: readonly Ballot[],
  draw: History['draw'],
): State {
  const next = tallyOf(index, ballots, structuredClone(tally));
  const first = draw(ballots.length + 1);
  return {
    tally: next,
    progress: [progress[0]! + first, progress[1]! + ballots.length - first],
    malformed: malformed + Number(ballots.length === 0),
  };
}

function shuffled<Item>(items: readonly Item[], draw: History['draw']): Item[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const other = draw(i + 1);
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return order;
}

/** A topic after compaction, which keeps the last row of each key for sure. */
function compacted(log: readonly Row[], draw: History['draw']): Row[] {
  const last = new Map(log.map((row) => [row.key, row]));
  return log.filter((row) => last.get(row.key) === row || draw(2) === 0);
}

/**
 * Reads the log in pieces as a dashboard does, and checks that each state it would show is one that
 * was.
 */
function read({ index, states }: History, log: readonly Row[], piece: () => number): PublishedState[] {
  const results = createResults(index);
  const shown: PublishedState[] = [];
  for (let from = 0; from < log.length; ) {
    const rows = log.slice(from, from + piece());
    from += rows.length;
    for (const { damage } of results.take(rows)) {
      assert.equal(damage, null);
      if (!results.isDue) continue;
      const state = results.judge();
      const { offset } = state;
      assert.ok(
        log.some((record) => record.offset === offset),
        'a record that was read made the state whole',
      );
      const { tally, progress, malformed } = states[states.findIndex((_, batch) => timeOf(batch) === state.as_of)]!;
      assert.deepEqual(state, {
        epoch: 1,
        offset,
        covers: progress,
        as_of: state.as_of,
        foreign_records: malformed,
        held: null,
      });
      assert.deepEqual(results.tally, tally);
      results.changed.clear();
      shown.push(state);
    }
  }
  return shown;
}

describe('what is shown of any log', () => {
  test('row by row: every state, in order, and never a mixture', () => {
    fc.assert(
      fc.property(arbitraryHistory, (history) => {
        const shown = read(history, history.log, () => 1).map(({ as_of }) => as_of);
        assert.deepEqual(
          [...new Set(shown)],
          history.states.slice(1).map((_, batch) => timeOf(batch + 1)),
        );
      }),
    );
  });

  test('in pieces: the state before the last micro-batch is seen at the latest', () => {
    fc.assert(
      fc.property(arbitraryHistory, (history) => {
        const { index, log, draw } = history;
        const results = createResults(index);
        let shown = 0;
        for (let from = 0; from < log.length; ) {
          // Rows are left out once the epoch is known.
          const rows = log.slice(from, from + 1 + (from === 0 ? 0 : draw(25)));
          from += rows.length;
          for (const _ of results.take(rows))
            if (results.isDue) shown = history.states.findIndex((_, batch) => timeOf(batch) === results.judge().as_of);
          assert.ok(shown >= rows.at(-1)!.batch - 1, `${shown} is shown, ${rows.at(-1)!.batch} is being read`);
        }
        assert.equal(shown, history.states.length - 1);
        assert.equal(read(history, log, () => 1 + draw(40)).at(-1)!.as_of, timeOf(shown));
      }),
    );
  });

  test('compacted, at once or meanwhile: only states that were, the last one at the end', () => {
    fc.assert(
      fc.property(arbitraryHistory, (history) => {
        const { log, draw } = history;
        const shown = read(history, compacted(log, draw), () => 1 + draw(2) * draw(30));
        assert.equal(shown.at(-1)!.as_of, timeOf(history.states.length - 1));
      }),
    );
  });

  test('with any row missing: not the state that it belongs to', () => {
    fc.assert(
      fc.property(arbitraryHistory, (history) => {
        const { log, draw } = history;
        const lost = log[draw(log.length)]!;
        const rest = log.filter(({ key, batch }) => key !== lost.key || batch < lost.batch);
        for (const { as_of } of read(history, rest, () => 1 + draw(5)))
          assert.ok(as_of < timeOf(lost.batch), `the state of ${as_of} lacks ${lost.key}`);
      }),
    );
  });
});

const WARDS = indexElection(testElection({ locations: 2 }));

/** Rows of a micro-batch by hand. */
const row = (batch: number, key: string, value: object, epoch = 1, as_of = timeOf(batch)): PublishedRecord => ({
  offset: 0,
  key,
  value: JSON.stringify({ ...value, epoch, as_of }),
});
const ballots = (batch: number, location: string, ballots_cast: number, epoch?: number): PublishedRecord =>
  row(batch, ballotsKey(location), { location_id: location, ballots_cast }, epoch);
const votes = (batch: number, location: string, candidate: string, count: number, epoch?: number): PublishedRecord => {
  const value = { location_id: location, contest_id: 'contest-1', candidate_id: candidate, votes: count };
  return row(batch, cellKey(location, 'contest-1', candidate), value, epoch);
};
const overvotes = (batch: number, location: string, overvoted_ballots: number): PublishedRecord => {
  const value = { location_id: location, contest_id: 'contest-1', overvoted_ballots };
  return row(batch, overvotesKey(location, 'contest-1'), value);
};
const progress = (batch: number, partition: number, count: number, changes: object = {}, epoch?: number) =>
  row(batch, progressKey(partition), { partition, votes: count, seq_end: count, is_dense: true, ...changes }, epoch);
const totals = (batch: number, counts: object, epoch?: number): PublishedRecord => {
  const none = { ballots: 0, marks: 0, overvotes: 0, malformed: 0, other_definition: 0, definition: HASH };
  return row(batch, TOTALS_KEY, { ...none, ...counts }, epoch);
};

/** Takes rows one by one. @returns what is wrong with the last one. */
function takeAll(results: MicroBatchResults, rows: readonly PublishedRecord[]): string | null {
  let last: string | null = null;
  for (const each of rows) for (const { damage } of results.take([each])) last = damage;
  return last;
}

/** Five ballots in the first ward, four of them for Ada. */
const FIRST = [
  ballots(1, 'L0001', 5),
  votes(1, 'L0001', 'Ada', 4),
  progress(1, 0, 5),
  totals(1, { ballots: 5, marks: 4 }),
];

/** The totals of a second micro-batch that counts nothing more. */
const SAME = totals(2, { ballots: 5, marks: 4 });

describe('why a state is held', () => {
  for (const [what, rows, reason] of [
    ['nothing', [], null],
    ['malformed records', [totals(2, { ballots: 5, marks: 4, malformed: 7 })], null],
    [
      'a gap',
      [progress(2, 0, 5, { seq_end: 6, is_dense: false }), SAME],
      /Partition 0 .* 5 votes were counted up to seq 6/,
    ],
    ['a partition said to be dense that is not', [progress(2, 0, 5, { seq_end: 6 }), SAME], /gap or a repeat/],
    [
      'boxes of another definition',
      [totals(2, { ballots: 5, marks: 4, other_definition: 3 })],
      /3 boxes in topic votes were cast under another definition/,
    ],
    [
      'a count by another definition',
      [totals(2, { ballots: 5, marks: 4, definition: 'b'.repeat(64) })],
      /The count follows another definition \(b{12}\) than the one published \(a{12}\)/,
    ],
    [
      'more votes than ballots',
      [votes(2, 'L0001', 'Ben', 2), totals(2, { ballots: 5, marks: 6 })],
      /do not balance in 1 counts, the first in contest "contest-1"/,
    ],
    [
      'more overvoted ballots than ballots',
      [overvotes(2, 'L0002', 1), totals(2, { ballots: 5, marks: 4, overvotes: 1 })],
      /do not balance/,
    ],
  ] as const)
    test(what, () => {
      const results = createResults(WARDS);
      takeAll(results, [...FIRST, ...rows]);
      assert.ok(results.isDue);
      const { held } = results.judge();
      if (reason === null) assert.equal(held, null);
      else assert.match(held!, reason);
    });

  test('undervotes are what is left over', () => {
    const results = createResults(WARDS);
    takeAll(results, [...FIRST, ballots(2, 'L0001', 7), overvotes(2, 'L0001', 2), progress(2, 1, 2)]);
    takeAll(results, [totals(2, { ballots: 7, marks: 4, overvotes: 2 })]);
    assert.equal(results.judge().held, null);
    assert.deepEqual([...results.tally.undervotes], [1, 0]);
  });

  test('what is no news is not judged again, the same rows once more among it', () => {
    const results = createResults(WARDS);
    takeAll(results, FIRST);
    assert.ok(results.isDue);
    results.judge();
    results.changed.clear();
    takeAll(results, FIRST);
    assert.ok(!results.isDue);
    assert.equal(results.changed.size, 0);
  });
});

describe('rows that cannot be counted', () => {
  for (const [what, record, damage] of [
    ['no JSON', { offset: 0, key: TOTALS_KEY, value: '{"ballots":' }, /cannot be read/],
    ['no object', { offset: 0, key: TOTALS_KEY, value: '7' }, /cannot be read/],
    ['nothing', { offset: 0, key: TOTALS_KEY, value: '' }, /cannot be read/],
    ['a negative count', ballots(2, 'L0001', -1), /cannot be read/],
    ['a broken count', votes(2, 'L0001', 'Ada', 1.5), /cannot be read/],
    ['a count beyond what is exact', ballots(2, 'L0001', 2 ** 53), /cannot be read/],
    ['counts that are exact one by one only', ballots(2, 'L0002', 2 ** 53 - 1), /makes a sum too large/],
    ['a location that is unknown', ballots(2, 'L0003', 1), /definition lacks/],
    ['a location without a name, the mark of a damaged box', ballots(2, '', 1), /definition lacks/],
    ['a candidate that is unknown', votes(2, 'L0001', 'Nobody', 1), /definition lacks/],
    ['a candidate called as every object is', votes(2, 'L0001', '__proto__', 1), /definition lacks/],
    ['a partition that is unknown', progress(2, PARTITIONS, 1), /partition that topic votes lacks/],
    ['a partition that is no number', row(2, 'progress:-1', { partition: -1 }), /no known kind/],
    ['no word on density', progress(2, 0, 5, { is_dense: 'yes' }), /cannot be read/],
    ['totals without a definition', totals(2, { definition: null }), /cannot be read/],
    ['totals without a sum', totals(2, { marks: null }), /cannot be read/],
    ['another value than key', { ...ballots(2, 'L0001', 9), key: ballotsKey('L0002') }, /cannot be read/],
    [
      'another candidate than key',
      { ...votes(2, 'L0001', 'Ben', 1), key: cellKey('L0001', 'contest-1', 'Ada') },
      /cannot be read/,
    ],
    ['a key that is no array', { ...votes(2, 'L0001', 'Ada', 5), key: 'cell:L0001' }, /no known kind/],
    ['a key of the in-process counter', row(2, 'location:L0001', {}), /no known kind/],
    ['no time', { ...ballots(2, 'L0001', 9), value: '{"location_id":"L0001","ballots_cast":9,"epoch":1}' }, /read/],
    [
      'a time of another form',
      row(2, ballotsKey('L0001'), { location_id: 'L0001', ballots_cast: 9 }, 1, 'now'),
      /read/,
    ],
  ] as const)
    test(what, () => {
      const results = createResults(WARDS);
      takeAll(results, FIRST);
      const before = structuredClone(results.tally);
      assert.match(takeAll(results, [record])!, damage);
      assert.deepEqual(results.tally, before);
    });

  test('one that is mended brings the state back', () => {
    const results = createResults(WARDS);
    takeAll(results, FIRST);
    results.judge();
    assert.notEqual(takeAll(results, [{ ...FIRST[0]!, value: '{' }]), null);
    takeAll(results, [FIRST[0]!]);
    assert.ok(results.isDue);
    assert.equal(results.judge().held, null);
  });

  test('keys and values may be spaced and escaped as JSON allows', () => {
    const results = createResults(WARDS);
    takeAll(results, [{ ...FIRST[1]!, key: 'cell:[ "L0001", "contest\\u002d1", "Ada" ]' }, ...FIRST]);
    assert.equal(results.judge().held, null);
  });
});

describe('rows at the wrong time', () => {
  test('sums that agree by chance where compaction took rows away are no state', () => {
    // After micro-batch 1: 10 and 5 ballots. After 2: 20 and 15. Compaction took L0001 and
    // partition 0 of the first.
    const results = createResults(WARDS);
    takeAll(results, [ballots(1, 'L0002', 5), progress(1, 1, 7), totals(1, { ballots: 15 })]);
    takeAll(results, [ballots(2, 'L0002', 15), progress(2, 1, 15)]);
    assert.deepEqual([results.isDue, sum(results.tally.ballots)], [false, 15]);
    takeAll(results, [ballots(2, 'L0001', 20), progress(2, 0, 20), totals(2, { ballots: 35 })]);
    assert.ok(results.isDue);
    assert.equal(results.judge().held, null);
  });

  test('rows of a worker that hung are ignored, also when they are read together with the newer ones', () => {
    const second = [ballots(2, 'L0001', 6), progress(2, 0, 6), totals(2, { ballots: 6, marks: 4 })];
    const third = [ballots(3, 'L0002', 1), progress(3, 0, 7), totals(3, { ballots: 7, marks: 4 })];
    for (const late of [ballots(1, 'L0001', 5), votes(1, 'L0001', 'Ada', 4), FIRST[3]!])
      for (const isTogether of [true, false]) {
        const results = createResults(WARDS);
        takeAll(results, FIRST);
        const rows = [...second, late, ...third];
        if (isTogether) for (const _ of results.take(rows)) assert.ok(true);
        else takeAll(results, rows);
        assert.deepEqual([results.isDue, [...results.tally.ballots]], [true, [6, 1]]);
        assert.equal(results.judge().held, null);
        takeAll(results, [late]);
        assert.deepEqual([results.isDue, [...results.tally.ballots]], [false, [6, 1]]);
        assert.equal(results.judge().held, null);
      }
  });

  test('a clock that was set back stops nothing', () => {
    const results = createResults(WARDS);
    takeAll(results, [ballots(9, 'L0001', 5), progress(9, 0, 5), totals(9, { ballots: 5 })]);
    takeAll(results, [ballots(2, 'L0001', 8), totals(2, { ballots: 8 })]);
    assert.ok(!results.isDue);
    takeAll(results, [progress(2, 0, 8)]);
    const { held, as_of } = results.judge();
    assert.deepEqual([held, as_of], [null, timeOf(2)]);
  });

  test('another epoch starts anew, and what is left of the one before is ignored', () => {
    const results = createResults(WARDS);
    takeAll(results, FIRST);
    results.judge();
    results.changed.clear();
    takeAll(results, [ballots(2, 'L0002', 2, 2)]);
    assert.deepEqual([results.isDue, [...results.tally.ballots], results.changed.size], [false, [0, 2], 2]);
    const ignored = [...results.take([FIRST[0]!, { ...FIRST[0]!, key: ballotsKey('L0009') }])];
    assert.deepEqual(
      ignored.map(({ isIgnored, damage }) => [isIgnored, damage]),
      [
        [true, null],
        [true, null],
      ],
    );
    takeAll(results, [progress(2, 1, 2, {}, 2), totals(2, { ballots: 2 }, 2)]);
    assert.ok(results.isDue);
    const { epoch, covers, held } = results.judge();
    assert.deepEqual([epoch, covers, held], [2, [0, 2], null]);
  });
});

test('a recount becomes a state when it covers the votes that it must reach', () => {
  const results = createResults(WARDS);
  takeAll(results, FIRST);
  results.judge();
  const recount = (until: unknown) => ({
    key: RECOUNT_KEY,
    offset: 0,
    value: JSON.stringify({ until, epoch: 2, as_of: timeOf(2) }),
  });
  takeAll(results, [recount([0, 2]), progress(2, 1, 0, {}, 2), totals(2, {}, 2)]);
  assert.equal(results.isDue, false);
  assert.equal(results.incomplete, results.judge().held);
  assert.match(`${results.judge().held}`, /A recount is under way\. It is shown once it has counted 2 votes\./);
  takeAll(results, [ballots(3, 'L0002', 2, 2), progress(3, 1, 2, {}, 2), totals(3, { ballots: 2 }, 2)]);
  assert.ok(results.isDue);
  assert.deepEqual([results.judge().held, results.incomplete, results.overdue], [null, null, null]);
  for (const until of [undefined, [0], [0, 'x'], [0, -1]]) {
    const [taken] = results.take([recount(until)]);
    assert.equal(taken!.damage, 'cannot be read');
  }
});

describe('a micro-batch that does not become whole', () => {
  const incomplete = (batch: number) => [
    progress(batch, 0, 4 + batch),
    totals(batch, { ballots: 4 + batch, marks: 4 }),
  ];

  test('is overdue when some more have come', () => {
    const results = createResults(WARDS);
    results.watch();
    takeAll(results, FIRST);
    for (const batch of [2, 3, 4]) {
      takeAll(results, incomplete(batch));
      assert.equal(results.overdue, null);
    }
    takeAll(results, incomplete(5));
    assert.match(results.overdue!, /incomplete: the ballots of its locations add up to 5, and its totals say 9/);
    takeAll(results, [ballots(6, 'L0001', 9), totals(6, { ballots: 9, marks: 4 })]);
    assert.deepEqual([results.overdue, results.isDue], [null, true]);
  });

  test('is overdue when its rows come again and again', () => {
    const results = createResults(WARDS);
    takeAll(results, FIRST);
    results.watch();
    // 13 keys, three times each: 39 rows.
    for (let i = 0; i < 19; i++) takeAll(results, incomplete(2));
    assert.equal(results.overdue, null);
    takeAll(results, incomplete(2));
    assert.match(results.overdue!, /incomplete/);
  });

  test('is not while the reader is behind', () => {
    const results = createResults(WARDS);
    for (const batch of [2, 3, 4, 5, 6]) takeAll(results, incomplete(batch));
    assert.equal(results.overdue, null);
    results.watch();
    assert.equal(results.overdue, null);
  });
});
