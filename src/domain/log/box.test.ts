import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElectionWithBallots, type Ballot, toColumns } from '../../../test/support/elections.ts';
import { testElection } from '../../../test/support/test-count.ts';
import { sha256 } from '../../base/sha256.ts';
import { createVoteColumns, type VoteColumns } from '../ballots/vote-columns.ts';
import { type ElectionIndex, indexElection } from '../election/election-index.ts';
import { chainStart, createBoxReader, createBoxWriter, VOTES_PER_BOX_MAX, voteLengthMax } from './box.ts';

const DEFINITION = 'd'.repeat(64);
const START = chainStart(sha256, 'test', DEFINITION, 0);

const valuesOf = (text: string): string[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => line.slice(1));

const ballotsOf = (votes: VoteColumns): Ballot[] =>
  Array.from({ length: votes.count }, (_, i) => ({
    location: votes.locations[i]!,
    selections: Array.from(votes.selections.subarray(votes.starts[i]!, votes.starts[i + 1]!)),
  }));

function readAll(index: ElectionIndex, text: string): Ballot[] {
  const reader = createBoxReader(index);
  const columns = createVoteColumns(VOTES_PER_BOX_MAX, 10_000);
  return valuesOf(text).flatMap((value) => {
    reader.read(value, columns);
    return ballotsOf(columns);
  });
}

describe('boxes', () => {
  test('what is written is read: awkward ids, several contests, undervotes and overvotes', () => {
    fc.assert(
      fc.property(arbitraryElectionWithBallots, ({ index, ballots }) => {
        const { text } = createBoxWriter(index, DEFINITION, sha256).write(toColumns(ballots), 0, START);
        assert.equal(JSON.stringify(readAll(index, text)), JSON.stringify(ballots));
        for (const value of valuesOf(text)) assert.ok(JSON.parse(value).votes.length > 0, 'plain JSON for any reader');
      }),
    );
  });

  test('a box holds at most so many votes, with the seq of its first, chained to the one before', () => {
    const index = indexElection(testElection());
    const votes = toColumns(
      Array.from({ length: 2 * VOTES_PER_BOX_MAX + 1 }, (_, i) => ({ location: i % 3, selections: [i % 3] })),
    );
    const { text, boxes, hash: last } = createBoxWriter(index, DEFINITION, sha256).write(votes, 70, START);
    assert.equal(boxes, 3);
    let previous = START;
    for (const [i, value] of valuesOf(text).entries()) {
      const box = JSON.parse(value);
      assert.equal(box.seq, 70 + i * VOTES_PER_BOX_MAX);
      assert.equal(box.definition, DEFINITION);
      assert.equal(box.hash, sha256(previous + value.slice(0, value.lastIndexOf(',"hash"'))));
      previous = box.hash;
    }
    assert.equal(previous, last);
  });

  test('the last box of a batch carries its digests, under the hash', () => {
    const index = indexElection(testElection());
    const votes = toColumns(
      Array.from({ length: VOTES_PER_BOX_MAX + 1 }, (_, i) => ({ location: i % 3, selections: [i % 3] })),
    );
    for (const participation of ['b'.repeat(256), null]) {
      const seal = { digest: 'a'.repeat(64), participation };
      const { text, hash } = createBoxWriter(index, DEFINITION, sha256).write(votes, 0, START, seal);
      const [first = '', last = ''] = valuesOf(text);
      const columns = createVoteColumns(VOTES_PER_BOX_MAX, 1_000);
      const previous = createBoxReader(index).read(first, columns);
      assert.equal(previous.seal, null);
      const box = createBoxReader(index).read(last, columns);
      assert.deepEqual(box.seal, seal);
      assert.equal(columns.count, 1);
      assert.equal(sha256(previous.hash + box.body), hash);
      assert.ok(box.body.includes(seal.digest), 'the hash covers the digests');
      assert.deepEqual(JSON.parse(last).batch, participation === null ? { digest: seal.digest } : seal);
    }
  });

  test('the start of a chain differs by election, definition and partition', () => {
    const starts = [
      START,
      chainStart(sha256, 'other', DEFINITION, 0),
      chainStart(sha256, 'test', 'e'.repeat(64), 0),
      chainStart(sha256, 'test', DEFINITION, 1),
    ];
    assert.equal(new Set(starts).size, starts.length);
  });

  test('a ballot with more selections than the reader has room for is refused, never cut', () => {
    const contests = Array.from({ length: 300 }, (_, number) => [`Candidate ${number}`]);
    const large = indexElection(testElection({ contests, locations: 1 }));
    const everything = large.election.candidates.map((_, number) => number);
    const { text } = createBoxWriter(large, DEFINITION, sha256).write(
      toColumns([
        { location: 0, selections: everything },
        { location: 0, selections: everything },
      ]),
      0,
      START,
    );
    const [value = ''] = valuesOf(text);
    assert.throws(
      () => createBoxReader(large).read(value, createVoteColumns(VOTES_PER_BOX_MAX, 599)),
      /too many selections/,
    );
    assert.equal(createBoxReader(large).read(value, createVoteColumns(VOTES_PER_BOX_MAX, 600)).count, 2);
    assert.ok(value.length / 2 - 200 < voteLengthMax(large));
  });

  test('a location is the one that was written, whatever its id is like when escaped', () => {
    const ids = ['a\\b', 'a\\\\b', 'a"b', 'a'];
    const election = testElection({ locations: ids.length });
    const awkward = indexElection({
      ...election,
      locations: election.locations.map((location, i) => ({ ...location, id: ids[i] as typeof location.id })),
    });
    const ballots = ids.map((_, location) => ({ location, selections: [0] }));
    const { text } = createBoxWriter(awkward, DEFINITION, sha256).write(toColumns(ballots), 0, START);
    assert.equal(JSON.stringify(readAll(awkward, text)), JSON.stringify(ballots));
  });

  const index = indexElection(testElection());
  const [good = ''] = valuesOf(
    createBoxWriter(index, DEFINITION, sha256).write(toColumns([{ location: 0, selections: [0] }]), 0, START).text,
  );
  for (const [name, value, verdict] of [
    ['the record as written', good, 'read'],
    ['other spacing between votes', good.replace('"selections":{', '"selections": {'), 'read'],
    ['an empty text', '', 'refused'],
    ['no object', 'null', 'refused'],
    ['a seq that is no number', good.replace('"seq":0', '"seq":x'), 'refused'],
    ['no hash', good.replace(/,"hash".*/, '}'), 'refused'],
    ['a location that the definition lacks', good.replace('L0001', 'L9999'), 'refused'],
    ['a candidate that the definition lacks', good.replace('Ada', 'Zoe'), 'refused'],
    ['a contest that the definition lacks', good.replace('contest-1', 'contest-9'), 'refused'],
    ['a candidate selected twice', good.replace('["Ada"]', '["Ada","Ada"]'), 'refused'],
    ['a member behind the votes that is not of digests', good.replace(',"hash"', ',"batch":{},"hash"'), 'refused'],
    ['no votes', good.replace(/\[\{.*\}\]/, '[]'), 'read'],
    ['cut in the middle', good.slice(0, good.length >> 1), 'refused'],
  ] as const)
    test(`${name}: ${verdict}`, () => {
      const read = (): unknown => createBoxReader(index).read(value, createVoteColumns(VOTES_PER_BOX_MAX, 1_000));
      if (verdict === 'read') assert.ok(read());
      else assert.throws(read);
    });

  test('random damage is read the same, or refused, and never crosses a limit', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.string({ maxLength: 3 }), (at, put) => {
        const columns = createVoteColumns(VOTES_PER_BOX_MAX, 1_000);
        try {
          createBoxReader(index).read(good.slice(0, at) + put + good.slice(at + 1), columns);
          assert.ok(columns.count <= VOTES_PER_BOX_MAX);
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
