/** The findings of `verify` in a log whose results Spark wrote, and in a log that still grows. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toColumns } from '../../test/support/elections.ts';
import { TestMicroBatchCount, testElection } from '../../test/support/test-count.ts';
import { OperationalError } from '../base/errors.ts';
import { sha256 } from '../base/sha256.ts';
import { candidateKey, canonicalDefinition } from '../domain/election/election.ts';
import { originOf } from '../domain/election/origin.ts';
import { BatchText } from '../domain/log/batch-text.ts';
import { chainStart, createBoxWriter } from '../domain/log/box.ts';
import { ballotsKey, cellKey, progressKey, TOTALS_KEY } from '../domain/log/records.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import { type Log, type OutgoingRecord, TOPICS } from '../ports/log.ts';
import type { BatchEntry, LogEndEntry, Moment, Recount } from '../ports/recount.ts';
import type { Returns } from '../ports/returns.ts';
import { type Reconciliation, verify } from './verify.ts';

const never = new AbortController().signal;
const election = testElection({ contests: [['Ada', 'Ben'], ['Yes']], locations: 2 });
const definition = sha256(canonicalDefinition(election));

/** An election whose two batches of votes are committed, and counted by Spark. */
/** An election of ballots asks for none. */
const NO_RETURNS = {} as Returns;

class Counted {
  readonly count = new TestMicroBatchCount(election, definition);
  readonly batches: BatchEntry[] = [];
  /** The records of topic `votes`. No reader sees them before they are published. */
  readonly boxes: OutgoingRecord[] = [];
  #seq = 0;
  #head = chainStart(sha256, election.id, definition, 0);

  constructor() {
    this.count.define();
    this.cast(0, [0, 2], 3);
    this.cast(1, [1], 2);
  }

  /** Ballots of a location that select the candidates with these numbers. */
  cast(location: number, selections: readonly number[], votes: number): void {
    const columns = toColumns(Array.from({ length: votes }, () => ({ location, selections })));
    const { locations, candidates } = this.count.index.election;
    const ballots = new BatchText(locations.length, candidates.length);
    for (let i = 0; i < votes; i++) ballots.add(columns, i);
    const digest = sha256(ballots.take());
    const writer = createBoxWriter(this.count.index, definition, sha256);
    const seal = { digest, participation: null };
    const { text, hash: head } = writer.write(columns, this.#seq, this.#head, seal);
    for (const line of text.trim().split('\n')) this.boxes.push({ topic: 'votes', key: '', value: line.trim() });
    this.batches.push({
      batch_no: this.batches.length,
      source: 'file:votes',
      first_seq: this.#seq,
      votes,
      definition_hash: definition,
      hash: head,
      cast_at: Date.parse('2026-11-23T09:00:00Z'),
      ballots: digest,
      digest,
      participation: null,
    });
    this.#seq += votes;
    this.#head = head;
    const choices = [selections.find((number) => number < 2) ?? -1, selections.includes(2) ? 0 : -1];
    this.count.cast(location, choices, votes);
  }

  /** The rows that Spark wrote, by key. */
  results(): Map<string, OutgoingRecord> {
    const records = this.count.flushRecords();
    const { as_of } = JSON.parse(records.find(({ key }) => key === TOTALS_KEY)!.value);
    for (const [candidate, votes] of [3, 2, 3].entries()) {
      const { contest_id, id, name } = election.candidates[candidate]!;
      const party = `${name} party`;
      const value = JSON.stringify({ contest_id, candidate_id: id, name, party, votes, epoch: 1, as_of });
      records.push({ topic: 'votes-per-candidate', key: candidateKey(contest_id, id), value });
    }
    for (const [location, ballots_cast] of [3, 2].entries()) {
      const { id, name, registered_voters } = election.locations[location]!;
      const turnout = ballots_cast / registered_voters!;
      const value = JSON.stringify({
        location_id: id,
        name,
        registered_voters,
        ballots_cast,
        turnout,
        epoch: 1,
        as_of,
      });
      records.push({ topic: 'turnout-by-location', key: id, value });
    }
    return new Map(records.map((record) => [record.key, record]));
  }

  verify(log: Log = this.count.log, signal = never): Promise<Reconciliation> {
    const entry: ElectionEntry = {
      election_no: 1,
      id: election.id,
      name: election.name,
      arguments: originOf({ kind: 'generated' }),
      seed: '1',
      partitions: 1,
      definition: election,
      definition_hash: definition,
      format: 1,
      revision: 0,
      generation: 1,
      voters_total: 5,
    };
    return verify(
      entry,
      log,
      { recount: this.#recount(entry), elections: { replayed: async () => [] }, returns: NO_RETURNS },
      signal,
    );
  }

  /** The tables, as the log says they are. */
  #recount(entry: ElectionEntry): Recount {
    const { batches, count, boxes } = this;
    return {
      moment: async () => ({
        ...NOTHING_STORED,
        election: { ...rowOf(entry) },
        log_ends: this.#logEnds(boxes.length),
        batches: { rows: batches.length, votes: this.#seq },
      }),
      tally: async () => ({ tally: count.tally, offBallot: 0 }),
      turnout: async () => ({ participants: this.#seq, batched: this.#seq, strangers: 0, removed: 0, differing: [] }),
      async *rollBlocks() {},
      participation: async () => ({ sum: null, batches: [] }),
      electorate: async () => ({
        revision: 0,
        voters_total: null,
        voters: 0,
        removed: 0,
        published: 0,
        by_location: new Map(),
      }),
      openBatches: async () => ({
        async *of() {
          yield* batches;
        },
        strays: async () => [],
        [Symbol.asyncDispose]: async () => {},
      }),
      compareVoters: async () => [],
      rejections: async () => new Map(),
    };
  }

  #logEnds(boxes: number): LogEndEntry[] {
    const none = {
      partition: 0,
      next_offset: 0,
      next_seq: 0,
      next_batch: 0,
      hash: null,
      participation: null,
      stored_end: null,
    };
    return TOPICS.map((topic) =>
      topic === 'votes'
        ? { ...none, topic, next_offset: boxes, next_seq: this.#seq, next_batch: this.batches.length, hash: this.#head }
        : { ...none, topic },
    );
  }
}

const rowOf = (entry: ElectionEntry): Moment['election'] => ({
  election_id: entry.id,
  name: entry.name,
  source: 'ballots',
  partitions: 1,
  format: 1,
  instance: null,
  defined_at: null,
  engine: 'spark',
  definition: entry.definition,
  definition_hash: entry.definition_hash,
  revision: 0,
  voters_total: null,
  created_at: '2026-11-23T07:00:00+00:00',
});

/** The tables of the election that hold its definition. */
const { contests, parties, candidates, locations, parents } = election;
const NOTHING_STORED: Omit<Moment, 'election' | 'log_ends' | 'batches'> = {
  now: '2026-11-24T00:00:00.000Z',
  sources: [{ source: 'file:votes', partition: 0, next_offset: 10 }],
  rejections: [],
  writers: [{ name: 'count', epoch: 1 }],
  revisions: [],
  removals: [],
  has_nonce: true,
  roll_blocks: [],
  roll_roots: [],
  contests: contests.map((contest, contest_no) => ({ ...contest, contest_id: contest.id, contest_no })),
  parties: parties.map(({ id, name }) => ({ party_id: id, name })),
  candidates: candidates.map((candidate, candidate_no) => ({
    ...candidate,
    candidate_id: candidate.id,
    candidate_no,
    contest_no: contests.findIndex(({ id }) => id === candidate.contest_id),
  })),
  locations: [...locations, ...parents].map((location, location_no) => ({
    ...location,
    location_id: location.id,
    location_no,
  })),
};

const failed = ({ checks }: Reconciliation): string[] => checks.filter(({ passed }) => !passed).map(({ name }) => name);

const WARD = election.locations[0]!.id;
const ADA = candidateKey('contest-1', 'Ada');

/** The results with one number in the value of a record changed. */
const changed = (results: Map<string, OutgoingRecord>, key: string, name: string, value: unknown): void => {
  const record = results.get(key)!;
  results.set(key, { ...record, value: JSON.stringify({ ...JSON.parse(record.value), [name]: value }) });
};

describe('results that Spark published', () => {
  test('agree', async () => {
    const counted = new Counted();
    counted.count.log.append([...counted.boxes, ...counted.results().values()]);
    const reconciliation = await counted.verify();
    assert.deepEqual(failed(reconciliation), []);
    assert.deepEqual([reconciliation.votes, reconciliation.passed], [5, true]);
  });

  test('are not there yet: all votes are behind them, and nothing disagrees', async () => {
    const counted = new Counted();
    counted.count.log.append(counted.boxes);
    const { passed, not_counted, notes } = await counted.verify();
    assert.deepEqual([passed, not_counted], [true, 5]);
    assert.deepEqual(notes, ['no count has been published yet', 'not counted yet: 5']);
  });

  test('end before the last batch: the votes behind them are not counted yet', async () => {
    const counted = new Counted();
    const results = counted.results();
    counted.cast(0, [1], 4);
    counted.count.log.append([...counted.boxes, ...results.values()]);
    const { passed, votes, not_counted, notes, checks } = await counted.verify();
    assert.ok(passed, JSON.stringify(checks));
    assert.deepEqual([votes, not_counted, notes], [9, 4, ['not counted yet: 4']]);
  });

  test('agree where records of others were left out, and say how many', async () => {
    const counted = new Counted();
    const results = counted.results();
    changed(results, TOTALS_KEY, 'malformed', 12);
    counted.count.log.append([...counted.boxes, ...results.values()]);
    const { passed, checks } = await counted.verify();
    assert.ok(passed);
    assert.ok(checks.some(({ name, left }) => name === 'foreign records in topic votes, left out: 12' && left === 12));
  });

  const WHOLE = 'published results are a whole and sound state';
  const TALLY = 'votes in the log = published results';
  for (const [what, tamper, names, difference] of [
    [
      'a total of a location',
      (results) => changed(results, ballotsKey(WARD), 'ballots_cast', 4),
      [TALLY, WHOLE, 'results-by-location = turnout-by-location'],
      /L0001, ballots: 3 and 4/,
    ],
    [
      'votes moved to another candidate',
      (results) => {
        changed(results, cellKey(WARD, 'contest-1', 'Ada'), 'votes', 2);
        const moved = { location_id: WARD, contest_id: 'contest-1', candidate_id: 'Ben', votes: 1 };
        const { epoch, as_of } = JSON.parse(results.get(TOTALS_KEY)!.value);
        const key = cellKey(WARD, 'contest-1', 'Ben');
        results.set(key, { topic: 'results-by-location', key, value: JSON.stringify({ ...moved, epoch, as_of }) });
      },
      [TALLY, 'results-by-location = votes-per-candidate'],
      /L0001, Ada: 3 and 2/,
    ],
    [
      'a row that is missing',
      (results) => results.delete(cellKey(WARD, 'contest-1', 'Ada')),
      [TALLY, WHOLE, 'results-by-location = votes-per-candidate'],
      /incomplete: the votes of its candidates add up to 5, and its totals say 8/,
    ],
    [
      'totals that are missing',
      (results) => results.delete(TOTALS_KEY),
      [
        WHOLE,
        'results-by-location = turnout-by-location',
        'results-by-location = votes-per-candidate',
        'the time of the published results',
      ],
      /incomplete: it has no totals/,
    ],
    [
      'a partition that claims less',
      (results) => changed(results, progressKey(0), 'votes', 4),
      [WHOLE],
      /the votes of its partitions add up to 4/,
    ],
    [
      'a partition that ends elsewhere',
      (results) => changed(results, progressKey(0), 'seq_end', 6),
      ['published results cover only votes in the log', WHOLE],
      /the results cover 6, and the log has 5/,
    ],
    ['a gap', (results) => changed(results, progressKey(0), 'is_dense', false), [WHOLE], /gap or a repeat/],
    [
      'boxes of another definition',
      (results) => changed(results, TOTALS_KEY, 'other_definition', 2),
      [WHOLE],
      /2 boxes in topic votes were cast under another definition/,
    ],
    [
      'a row that cannot be read',
      (results) => changed(results, ballotsKey(WARD), 'ballots_cast', 'three'),
      [TALLY, 'published results can be read', WHOLE, 'results-by-location = turnout-by-location'],
      /record \d+ of results-by-location \(ballots:L0001\) cannot be read/,
    ],
    [
      'a total of a candidate',
      (results) => changed(results, ADA, 'votes', 4),
      ['results-by-location = votes-per-candidate'],
      /"Ada"\]: 3 and 4/,
    ],
    [
      'a candidate that is missing',
      (results) => results.delete(ADA),
      ['results-by-location = votes-per-candidate'],
      /"Ada"\]: 3 and no record/,
    ],
    [
      'a turnout',
      (results) => changed(results, WARD, 'ballots_cast', 4),
      ['results-by-location = turnout-by-location'],
      /L0001: 3 and 4/,
    ],
    [
      'a turnout under another name',
      (results) => changed(results, WARD, 'location_id', 'L0002'),
      ['results-by-location = turnout-by-location'],
      /L0001: 3 and 3 for L0002/,
    ],
    [
      'a turnout that is missing',
      (results) => results.delete(WARD),
      ['results-by-location = turnout-by-location'],
      /L0001: no record of its turnout/,
    ],
    [
      'every result of a location',
      (results) => {
        for (const [key, { topic }] of results) if (topic === 'results-by-location') results.delete(key);
      },
      ['nothing is published in the result topics'],
      /votes-per-candidate has records of 3 keys/,
    ],
  ] satisfies readonly [string, (results: Map<string, OutgoingRecord>) => unknown, readonly string[], RegExp][])
    test(`disagree: ${what}`, async () => {
      const counted = new Counted();
      const results = counted.results();
      tamper(results);
      counted.count.log.append([...counted.boxes, ...results.values()]);
      const reconciliation = await counted.verify();
      assert.deepEqual(failed(reconciliation).toSorted(), [...names].toSorted());
      const differences = reconciliation.checks.flatMap((check) => check.differences).join('\n');
      assert.match(differences, difference);
    });
});

describe('votes that a relay has not published yet', () => {
  /**
   * The log of an election whose boxes are committed; `published` is called at each wait for more.
   */
  const behind = (counted: Counted, published: (waits: number) => void): Log => {
    const { log } = counted.count;
    let waits = 0;
    return {
      read: (topic, partition, from) => log.read(topic, partition, from),
      end: async (topic, partition) => (topic === 'votes' ? counted.boxes.length : log.end(topic, partition)),
      wait: async () => published(++waits),
    };
  };

  test('are waited for', async () => {
    const counted = new Counted();
    const results = counted.results();
    const log = behind(counted, (waits) => {
      // The first wait ends without a record, as a long poll may.
      if (waits === 2) counted.count.log.append([counted.boxes[0]!]);
      if (waits === 3) counted.count.log.append([counted.boxes[1]!]);
    });
    counted.count.log.append([...results.values()]);
    const reconciliation = await counted.verify(log);
    assert.deepEqual(failed(reconciliation), []);
  });

  test('are missed in the end', async () => {
    const counted = new Counted();
    counted.count.log.append([...counted.results().values(), counted.boxes[0]!]);
    let waited = 0;
    const reconciliation = await counted.verify(behind(counted, (waits) => (waited = waits)));
    assert.ok(failed(reconciliation).includes('batches in PostgreSQL = batches in the chain'));
    assert.match(JSON.stringify(reconciliation.checks), /batch 1 is not in the log/);
    assert.equal(waited, 30);
  });

  test('are no reason to say that anything disagrees where the server that has them went away', async () => {
    const counted = new Counted();
    const away = new OperationalError('KAFKA_UNREACHABLE', { message: 'away', nextStep: 'wait', canRetry: true });
    const log = behind(counted, () => {
      throw away;
    });
    await assert.rejects(counted.verify(log), away);
  });

  test('are waited for until the signal aborts', async () => {
    const counted = new Counted();
    const stop = new AbortController();
    const log = behind(counted, () => stop.abort());
    await assert.rejects(counted.verify(log, stop.signal), { name: 'AbortError' });
  });
});
