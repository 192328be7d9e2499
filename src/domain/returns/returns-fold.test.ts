import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElection } from '../../../test/support/elections.ts';
import { sha256 } from '../../base/sha256.ts';
import { createTally } from '../counting/tally.ts';
import { type ElectionIndex, indexElection } from '../election/election-index.ts';
import { chainStart } from '../log/box.ts';
import { COUNT_TYPES, type CountType, parseCountType } from './count-type.ts';
import { readReturns, writeReturns } from './return-record.ts';
import { ReturnsCounter } from './returns-counter.ts';
import { ReturnsFold } from './returns-fold.ts';
import { cellCountOf, UNIT_FIELDS, type Version } from './version.ts';

const HOUR_MS = 3_600_000;

const arbitraryVersions = (index: ElectionIndex): fc.Arbitrary<Version[]> => {
  const cells = cellCountOf(index);
  if (cells === 0) return fc.constant([]);
  const version = fc
    .record(
      {
        count_type: fc.constantFrom<CountType>('total', 'early', 'election-day'),
        place: fc.nat(cells - 1),
        value: fc.nat(9),
        reported_at: fc.nat(5).map((hours) => hours * HOUR_MS),
      },
      { noNullPrototype: true },
    )
    // Units are counted for all votes together.
    .map((each): Version => (each.place < index.cellCount ? each : { ...each, count_type: 'total' }));
  return fc.uniqueArray(version, {
    selector: ({ count_type, place, reported_at }) => `${count_type} ${place} ${reported_at}`,
    maxLength: 60,
  });
};

const arbitraryReturns = arbitraryElection
  .map((election) => indexElection({ ...election, source: 'returns' }))
  .chain((index) => fc.record({ index: fc.constant(index), versions: arbitraryVersions(index) }));

/** The counts by the words of the rule, and not by a fold. */
function countsOf(index: ElectionIndex, versions: readonly Version[]): (number | null)[] {
  return Array.from({ length: cellCountOf(index) }, (_, place) => {
    const newest = new Map<CountType, Version>();
    for (const version of versions.toSorted((left, right) => left.reported_at - right.reported_at))
      if (version.place === place) newest.set(version.count_type, version);
    const parts = [...newest.values()].filter(({ count_type }) => count_type !== 'total');
    if (parts.length > 0) return parts.reduce((sum, { value }) => sum + value, 0);
    return newest.get('total')?.value ?? (place < index.cellCount ? 0 : null);
  });
}

function countsIn(index: ElectionIndex, { votes, units }: ReturnType<typeof createTally>): (number | null)[] {
  const known = (count: number): number | null => (Number.isNaN(count) ? null : count);
  const fields = Array.from({ length: index.slotCount * UNIT_FIELDS.length }, (_, at) => {
    const counts = at % UNIT_FIELDS.length === 0 ? units!.reporting : units!.total;
    return known(counts[Math.floor(at / UNIT_FIELDS.length)]!);
  });
  return [...votes, ...fields];
}

describe('the newest number of each cell holds', () => {
  test('in any order, with any repetition', () => {
    fc.assert(
      fc.property(
        arbitraryReturns.chain(({ index, versions }) =>
          fc.record({
            index: fc.constant(index),
            versions: fc.constant(versions),
            arriving: fc
              .tuple(fc.shuffledSubarray(versions, { minLength: versions.length }), fc.subarray(versions))
              .map(([all, again]) => [...all, ...again]),
          }),
        ),
        ({ index, versions, arriving }) => {
          const fold = new ReturnsFold(index, createTally(index));
          for (const version of arriving) assert.notEqual(fold.take(version), 'same-time');
          assert.deepEqual(countsIn(index, fold.tally), countsOf(index, versions));
        },
      ),
    );
  });

  test('another number of the same time is refused, and changes nothing', () => {
    fc.assert(
      fc.property(arbitraryReturns, ({ index, versions }) => {
        const fold = new ReturnsFold(index, createTally(index));
        for (const version of versions) fold.take(version);
        for (const version of versions)
          assert.equal(
            fold.take({ ...version, value: version.value + 1 }),
            fold.reportedAt(version.count_type, version.place) === version.reported_at ? 'same-time' : 'older',
          );
        assert.deepEqual(countsIn(index, fold.tally), countsOf(index, versions));
      }),
    );
  });
});

describe('records of topic returns', () => {
  const DEFINITION = 'd'.repeat(64);

  /** Records of several uploads, each with its part of the versions. */
  function written(index: ElectionIndex, uploads: readonly (readonly Version[])[]): string[] {
    let end = { seq: 0, hash: chainStart(sha256, index.election.id, DEFINITION, 0) };
    return uploads.flatMap((versions, upload) => {
      const { text, records, hash } = writeReturns(
        index,
        { upload: upload + 1, definition: DEFINITION },
        versions,
        end,
        sha256,
      );
      end = { seq: end.seq + versions.length, hash };
      const lines = text.split('\n').slice(0, -1);
      assert.equal(lines.length, records);
      return lines.map((line) => line.slice(1));
    });
  }

  test('hold the versions in their order, however an upload is split', () => {
    fc.assert(
      fc.property(arbitraryReturns, fc.nat(60), ({ index, versions }, split) => {
        const uploads = [versions.slice(0, split), versions.slice(split)];
        const records = written(index, uploads).map((record) => readReturns(index, record));
        assert.deepEqual(
          records.flatMap((record) => record.versions),
          versions,
        );
        const counter = new ReturnsCounter(index, DEFINITION, sha256);
        for (const record of written(index, uploads)) {
          counter.countRecord(record);
          assert.equal(counter.countRecord(record), 0, 'a record that is read again');
        }
        assert.deepEqual(counter.covers, [versions.length]);
        assert.deepEqual(countsIn(index, counter.tally), countsOf(index, versions));
      }),
    );
  });

  test('records with very long ids stay below the limit of Kafka', () => {
    const base = fc.sample(arbitraryElection, 1)[0]!;
    const long = 'x'.repeat(990);
    const election = {
      ...base,
      source: 'returns',
      contests: [{ id: 'c', name: 'C', vote_for: 1, seats: 1, location_ids: null }],
      candidates: ['a', 'b'].map((id) => ({ ...base.candidates[0]!, id, contest_id: 'c', party_id: null })),
      locations: Array.from({ length: 1_500 }, (_, i) => ({
        ...base.locations[0]!,
        id: `${long}${i}`,
        parent_id: null,
      })),
      parents: [],
    } as unknown as typeof base;
    const index = indexElection(election);
    const versions = Array.from(
      { length: 3_000 },
      (_, place): Version => ({ count_type: 'total', place, value: place, reported_at: 0 }),
    );
    const records = written(index, [versions]);
    assert.ok(records.every((record) => record.length < 350_000));
    assert.deepEqual(
      records.flatMap((record) => readReturns(index, record).versions),
      versions,
    );
  });

  test('a candidate whose id is a number keeps its place in the order', () => {
    const base = fc.sample(arbitraryElection, 1)[0]!;
    const contest = { id: 'c', name: 'C', vote_for: 1, seats: 1, location_ids: null };
    const candidate = (id: string) => ({ ...base.candidates[0]!, id, contest_id: 'c', name: id, party_id: null });
    const election = {
      ...base,
      source: 'returns',
      contests: [contest],
      candidates: [candidate('b'), candidate('10'), candidate('2')],
      locations: [{ ...base.locations[0]!, parent_id: null }],
      parents: [],
    } as unknown as typeof base;
    const index = indexElection(election);
    const versions = [0, 1, 2, 0].map(
      (place, at): Version => ({ count_type: 'total', place, value: at, reported_at: at === 3 ? HOUR_MS : 0 }),
    );
    const [record] = written(index, [versions]);
    assert.deepEqual(readReturns(index, record!).versions, versions);
  });

  test('a gap, a changed number, another definition and a place outside the election are errors', () => {
    fc.assert(
      fc.property(
        arbitraryReturns.filter(({ versions }) => versions.length > 1),
        ({ index, versions }) => {
          const [first, second] = written(index, [versions.slice(0, 1), versions.slice(1)]);
          const counter = new ReturnsCounter(index, DEFINITION, sha256);
          assert.throws(() => counter.countRecord(second!), /expected seq 0/);
          const changed = first!.replace('"upload":1', '"upload":2');
          assert.throws(() => counter.countRecord(changed), /the chain of hashes breaks at seq 0/);
          assert.throws(() => counter.countRecord(first!.replace(DEFINITION, 'e'.repeat(64))), /another definition/);
          assert.throws(
            () => counter.countRecord(first!.replace('"location_id":', '"location_id":1,"x":')),
            /not on the ballot/,
          );
          assert.throws(() => counter.countRecord('{}'), /cannot be read/);
          assert.deepEqual(counter.covers, [0]);
          assert.equal(counter.countRecord(first!), 1);
        },
      ),
    );
  });
});

test('count types are read as people write them', () => {
  for (const type of COUNT_TYPES) assert.equal(parseCountType(type.toUpperCase().replaceAll('-', ' ')), type);
  assert.equal(parseCountType('election_day'), 'election-day');
  for (const text of ['', 'mail', 'totals']) assert.equal(parseCountType(text), null);
});
