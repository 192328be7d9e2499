import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { inputFile } from '../../../test/support/input-files.ts';
import { parseWholeNumber } from '../../files/values.ts';
import { createAggregateTest } from './aggregates.ts';
import { electionNameOf, readResults } from './results.ts';

const HEADER = 'contest,location_id,location_name,parent_id,parent_name,candidate,party,votes\n';

test('results become an election and its votes', async (t) => {
  const text =
    `${HEADER}` +
    'mayor,1,North,A,Upper,Ada,X,5\n' +
    'board,2,South,A,Upper,Ada,Y,1\n' +
    'mayor,2,South,A,Upper,Ada,X,7\n' +
    'mayor,2,South,A,Upper,Bob,,0\n' +
    'board,2,South,A,Upper,Ada,Z,2\n' +
    'board,2,South,A,Upper,Write-ins,,3\n';
  const path = inputFile(t, text, 'Town 2026.csv');
  const electorate = inputFile(t, 'location_id,registered_voters\n2,9\n', 'electorate.csv');
  const { election, votes, sha256, electorate_sha256, notices } = await readResults(path, {
    electorate,
    vote_for: new Map([['board', 2]]),
  });
  assert.equal(sha256, createHash('sha256').update(text).digest('hex'));
  assert.equal(electorate_sha256?.length, 64);
  assert.deepEqual(notices, [
    `${electorate}: 1 of 2 locations have no row, so their registered voters are unknown: "1"`,
  ]);
  const [mayor, board] = election.contests;
  assert.deepEqual(mayor, { id: 'mayor', name: 'mayor', vote_for: 1, seats: 1, location_ids: null });
  assert.deepEqual(board, { id: 'board', name: 'board', vote_for: 2, seats: 1, location_ids: ['2'] });
  assert.deepEqual(
    election.candidates.map(({ id, contest_id, name, party_id, aggregate }) => [
      contest_id,
      id,
      name,
      party_id,
      aggregate,
    ]),
    [
      ['mayor', 'Ada', 'Ada', 'X', false],
      ['mayor', 'Bob', 'Bob', null, false],
      ['board', 'Ada (Y)', 'Ada', 'Y', false],
      ['board', 'Ada (Z)', 'Ada', 'Z', false],
      ['board', 'Write-ins', 'Write-ins', null, true],
    ],
  );
  assert.deepEqual(
    election.parties.map(({ id }) => id),
    ['X', 'Y', 'Z'],
  );
  assert.deepEqual(election.locations, [
    { id: '1', name: 'North', type: 'location', parent_id: 'A', registered_voters: null },
    { id: '2', name: 'South', type: 'location', parent_id: 'A', registered_voters: 9 },
  ]);
  assert.deepEqual(election.parents, [
    { id: 'A', name: 'Upper', type: 'parent', parent_id: null, registered_voters: null },
  ]);
  const { id, name, date, is_test, source } = election;
  assert.deepEqual(
    { id, name, date, is_test, source },
    { id: 'town-2026', name: 'Town 2026', date: null, is_test: true, source: 'ballots' },
  );
  assert.deepEqual(votes, [
    { location: 0, candidate: 0, votes: 5 },
    { location: 1, candidate: 2, votes: 1 },
    { location: 1, candidate: 0, votes: 7 },
    { location: 1, candidate: 1, votes: 0 },
    { location: 1, candidate: 3, votes: 2 },
    { location: 1, candidate: 4, votes: 3 },
  ]);
});

test('results and electorate are opened once each, so that they may come from a pipe', async (t) => {
  const path = inputFile(t, `${HEADER}c,1,,,,Ada,,5\n`);
  const electorate = inputFile(t, 'location_id,registered_voters\n1,10\n');
  const { mock } = t.mock.method(fs, 'createReadStream');
  syncBuiltinESMExports();
  t.after(() => {
    mock.restore();
    syncBuiltinESMExports();
  });
  await readResults(path, { electorate });
  assert.deepEqual(
    mock.calls.map((call) => call.arguments[0]),
    [path, electorate],
  );
});

test('parents know their registered voters where all below are known', async (t) => {
  const path = inputFile(t, `${HEADER}c,1,,A,,Ada,,5\nc,2,,A,,Ada,,5\nc,3,,B,,Ada,,5\nc,4,,,,Ada,,5\n`);
  const electorate = inputFile(t, 'location_id,registered_voters\n1,10\n2,20\n4,5\n');
  const { election } = await readResults(path, { electorate });
  assert.deepEqual(
    election.parents.map(({ id, name, registered_voters }) => [id, name, registered_voters]),
    [
      ['A', 'A', 30],
      ['B', 'B', null],
    ],
  );
  assert.equal(election.locations[3]!.parent_id, null);
});

test('a column that is not read is said, an unknown contest of vote_for is refused', async (t) => {
  const path = inputFile(t, 'contest,location_id,candidate,votes,Remarks\nc,1,Ada,5,x\n');
  assert.deepEqual((await readResults(path)).notices, [`${path}: columns not used: "Remarks"`]);
  await assert.rejects(readResults(path, { vote_for: new Map([['d', 2]]) }), /vote_for is given for "d"/);
  await assert.rejects(readResults(path, { vote_for: new Map([['c', 0]]) }), /vote_for 0/);
});

test('the votes of a file are those of its rows, whatever the rows', async (t) => {
  const id = fc.constantFrom('1', '2', 'Zoë', '__proto__', 'constructor', 'a b');
  const rows = fc.uniqueArray(fc.tuple(id, id, id, fc.nat(1_000)), {
    selector: ([contest, location, candidate]) => JSON.stringify([contest, location, candidate]),
    minLength: 1,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(rows, async (given) => {
      const text = given.map((row) => `${row.join(',')}\n`).join('');
      // Any row may look like the sum of others, and any contest like two.
      const readings = {
        keep: given.flatMap((row) => row.slice(0, 3).map(String)),
        leave_out: [],
        split_contests: false,
      };
      const path = inputFile(t, `contest,location_id,candidate,votes\n${text}`);
      const { election, votes } = await readResults(path, { readings });
      const read = votes.map(({ location, candidate, votes: count }) => {
        const { contest_id, id: candidateId } = election.candidates[candidate]!;
        return [contest_id, election.locations[location]!.id, candidateId, count];
      });
      assert.deepEqual(read, given);
    }),
    { numRuns: 100 },
  );
});

const AGGREGATES: readonly [name: string, verdict: boolean][] = [
  ['All other candidates', true],
  ['WRITE-IN', true],
  ['Write In', true],
  ['write–ins', true],
  ['Übrige (Wahlkreis 001)', true],
  ['Others', true],
  ['Scattering', true],
  ['Otherson, Mary', false],
  ['Wright Inn', false],
  ['', false],
];
for (const [name, verdict] of AGGREGATES)
  test(`"${name}" ${verdict ? 'sums several people' : 'is a candidate'}`, () => {
    assert.equal(createAggregateTest()(name), verdict);
  });

test('the list of aggregates can be replaced', async (t) => {
  const path = inputFile(t, 'contest,location_id,candidate,votes\nc,1,Other,5\nc,1,Alle anderen,5\n');
  const { election } = await readResults(path, { aggregates: ['alle anderen'] });
  assert.deepEqual(
    election.candidates.map(({ aggregate }) => aggregate),
    [false, true],
  );
});

const NAMES: readonly [path: string, id: string, name: string][] = [
  ['/data/us-mn-2024.csv', 'us-mn-2024', 'Us mn 2024'],
  ['Résultats_T1 (final).csv', 'resultats-t1-final', 'Résultats T1 (final)'],
  ['選挙.csv', 'results', '選挙'],
  ['--.csv', 'results', 'Results'],
  [`${'a'.repeat(300)}.csv`, 'a'.repeat(100), `A${'a'.repeat(299)}`],
];
for (const [path, id, name] of NAMES)
  test(`the election of ${path.slice(0, 30)} is ${id.slice(0, 30)}`, () => {
    assert.deepEqual(electionNameOf(path), { id, name });
  });

const NUMBERS: readonly [text: string, verdict: number | string][] = [
  ['0', 0],
  ['007', 7],
  ['9007199254740991', 2 ** 53 - 1],
  ['9007199254740992', 'is above'],
  ['', 'is empty'],
  ['1,233', 'has a separator'],
  ['1.233', 'has a separator'],
  ['1 233', 'has a separator'],
  ['1\u00a0233', 'has a separator'],
  ["1'233'456", 'has a separator'],
  ['-1,233', 'has a separator'],
  ['-5', 'is negative'],
  ['-0.5', 'is negative'],
  ['5.5', 'is not whole'],
  ['5,5', 'is not whole'],
  ['.5', 'is not whole'],
  ['5.', 'is not whole'],
  ['1e3', 'is in exponent notation'],
  ['1.5E+3', 'is in exponent notation'],
  ['+5', 'has a plus sign'],
  ['0x10', 'is not a number'],
  ['٣', 'is not a number'],
  ['NaN', 'is not a number'],
  ['Infinity', 'is not a number'],
];
for (const [text, verdict] of NUMBERS)
  test(`"${text}" ${verdict}`, () => {
    const result = parseWholeNumber(text);
    if (typeof verdict === 'number') assert.deepEqual(result, { ok: true, value: verdict });
    else assert.ok(!result.ok && result.error.reason.startsWith(verdict) && result.error.nextStep !== '');
  });
