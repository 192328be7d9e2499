import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElection } from '../../../test/support/elections.ts';
import { indexElection } from '../election/election-index.ts';
import { createVoterColumns, readVoters, type VoterColumns, writeVoters } from './voter-records.ts';

const arbitraryVoters = arbitraryElection.map(indexElection).chain((index) =>
  fc.record({
    index: fc.constant(index),
    voters: fc.array(
      fc.record({
        id: fc.maxSafeNat(),
        location: fc.nat(index.election.locations.length - 1),
        place: fc.maxSafeNat(),
      }),
      { minLength: 1, maxLength: 30 },
    ),
    seq: fc.nat(),
  }),
);

function columnsOf(voters: readonly { id: number; location: number; place: number }[]): VoterColumns {
  const columns = createVoterColumns(voters.length);
  columns.count = voters.length;
  columns.ids.set(voters.map((voter) => voter.id));
  columns.locations.set(voters.map((voter) => voter.location));
  columns.places.set(voters.map((voter) => voter.place));
  return columns;
}

test('what is written is read, from any offset and in steps of any size', () => {
  fc.assert(
    fc.property(arbitraryVoters, fc.nat(29), fc.integer({ min: 1, max: 31 }), ({ index, voters, seq }, skip, step) => {
      fc.pre(skip < voters.length);
      const text = writeVoters(index, columnsOf(voters), 0, voters.length, seq);
      const into = createVoterColumns(step);
      const cursor = readVoters(index, text, seq, skip);
      const read: typeof voters = [];
      while (cursor.read(into, step) > 0)
        for (let i = 0; i < into.count; i++)
          read.push({ id: into.ids[i]!, location: into.locations[i]!, place: into.places[i]! });
      assert.equal(JSON.stringify(read), JSON.stringify(voters.slice(skip)));
    }),
  );
});

test('a record is plain JSON without personal data', () => {
  fc.assert(
    fc.property(arbitraryVoters, ({ index, voters, seq }) => {
      const lines = writeVoters(index, columnsOf(voters), 0, voters.length, seq).trimEnd().split('\n');
      for (const [i, line] of lines.entries())
        assert.deepEqual(JSON.parse(line), {
          seq: seq + i,
          voter_id: voters[i]!.id,
          location_id: index.election.locations[voters[i]!.location]!.id,
          place: voters[i]!.place,
        });
    }),
  );
});

test('any damage is found or changes nothing but numbers, and a wrong seq is always found', () => {
  fc.assert(
    fc.property(
      arbitraryVoters,
      fc.nat(),
      fc.constantFrom('', 'x', '"', '\n', '\\'),
      ({ index, voters, seq }, at, put) => {
        const text = writeVoters(index, columnsOf(voters), 0, voters.length, seq);
        const place = at % text.length;
        const damaged = text.slice(0, place) + put + text.slice(place + 1);
        const into = createVoterColumns(64);
        try {
          const read = readVoters(index, damaged, seq, 0).read(into, 64);
          assert.ok(read <= voters.length);
        } catch (error) {
          assert.match(String(error), /topic voters is damaged at seq|JSON/);
        }
        assert.throws(() => readVoters(index, text, seq + 1, 0).read(into, 64), /damaged at seq/);
      },
    ),
    { numRuns: 500 },
  );
});
