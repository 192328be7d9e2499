/**
 * Ids and names that a reader cannot tell apart, wherever ids enter: refused with both lines, found
 * by their key, or told.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { inputFile } from '../../test/support/input-files.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { formatProblem, InputRefused } from '../files/problems.ts';
import { readCandidates } from './candidates.ts';
import { checkCastVotes, openCastVotes, readCastVotes } from './cast-votes.ts';
import { readElectionFile } from './election-file.ts';
import { readRoll, scanRoll } from './roll.ts';

const JOSE = 'José Núñez';
const JOSE_DECOMPOSED = JOSE.normalize('NFD');
const ELECTION = {
  id: 'council',
  name: 'Council',
  contests: [{ id: 'mayor–1' }],
  parties: [{ id: 'P 1' }],
  candidates: [{ name: JOSE, party_id: 'P 1' }, { name: 'Ann Rowe' }],
  locations: [{ id: 'north', name: 'Nórth' }, { id: 'south' }],
};

const electionOf = async (t: TestContext, change: object = {}) =>
  await readElectionFile(inputFile(t, JSON.stringify({ ...ELECTION, ...change }, null, 1), 'council.json'));

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => assert.fail('it was accepted'),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof InputRefused, String(error));
  return error.message;
}

test('election file: ids that look the same are refused with both lines', async (t) => {
  for (const [change, said] of [
    [
      { candidates: [{ name: JOSE }, { name: JOSE_DECOMPOSED }] },
      /council\.json:\d+: candidates\[1\]\.name: .* looks the same as candidates\[0\]\.name on line \d+\./,
    ],
    [
      { parties: [{ id: 'P 1' }, { id: 'P\u00a01' }] },
      /parties\[1\]\.id: .* looks the same as parties\[0\]\.id on line/,
    ],
    [
      { locations: [{ id: 'a-1' }, { id: 'a\u20111' }] },
      /locations\[1\]\.id: .* looks the same as locations\[0\]\.id on line/,
    ],
    [{ parents: [{ id: 'ｎorth' }] }, /parents\[0\]\.id: .* looks the same as locations\[0\]\.id on line/],
    [{ contests: [{ id: 'mayor–1' }, { id: 'mayor-1' }] }, /contests\[1\]\.id: .* looks the same as/],
    [
      { locations: [{ id: 'no\u200brth' }] },
      /council\.json:\d+: locations\[0\]\.id: contains a character that nobody sees/,
    ],
    [{ candidates: [{ name: '\u202eOwen' }] }, /council\.json:\d+: candidates\[0\]\.name: .*reverses the direction/],
    [{ name: 'Council\u2067' }, /council\.json:\d+: name: .*reverses the direction/],
  ] as const)
    assert.match(await refused(electionOf(t, change)), said);
});

test('election file: references are found by their key, and written as the id is', async (t) => {
  const { election } = await electionOf(t, {
    contests: [{ id: 'mayor–1', location_ids: ['ｎorth'] }],
    candidates: [{ name: 'می\u200cخواهم', contest_id: 'mayor-1', party_id: 'P\u00a01' }],
    locations: [{ id: 'north', parent_id: 'cöunty'.normalize('NFD') }],
    parents: [{ id: 'cöunty' }],
  });
  assert.deepEqual(election.contests[0]!.location_ids, ['north']);
  const [candidate] = election.candidates;
  assert.deepEqual([candidate!.contest_id, candidate!.party_id], ['mayor–1', 'P 1']);
  assert.deepEqual([candidate!.name, candidate!.id], ['می\u200cخواهم', 'میخواهم'], 'an id has no hidden characters');
  assert.equal(election.locations[0]!.parent_id, 'cöunty');
});

test('election file: a key that is there twice is refused with both lines', async (t) => {
  const text = JSON.stringify(ELECTION, null, 1).replace('"name": "Council"', '"name": "Council",\n "name": "Board"');
  assert.match(
    await refused(readElectionFile(inputFile(t, text, 'council.json'))),
    /council\.json:4: "name": the object has this key already, on line 3, /,
  );
});

test('candidates: names, contests and parties that look the same are refused with both lines', async (t) => {
  for (const [rows, said] of [
    [`name\n${JOSE}\n${JOSE_DECOMPOSED}\nAnn Rowe\n`, /:3: name: .* is on line 2 already/],
    ['name\nJoan Bell\nJoan\u00a0Bell\u200b\n', /:3: name: .* is on line 2 already/],
    ['name,contest\nA,May-1\nB,May\u20131\n', /:3: contest: .*looks like the one on line 2/],
    ['name,party\nA,Pé\nB,Pe\u0301\n', /:3: party: .*looks like the one on line 2/],
    ['name\n\u202eOwen\n', /:2: name: .*reverses the direction/],
  ] as const)
    assert.match(await refused(readCandidates(inputFile(t, rows))), said);
});

test('candidates: one name under two parties keeps two ids, however it is spelled', async (t) => {
  const { candidates, notices } = await readCandidates(
    inputFile(t, `name,party\n${JOSE},Dem\n${JOSE_DECOMPOSED},Democratic\nJon\u200c Bell,Dem\nJоan Rowe,Dem\n`),
  );
  assert.deepEqual(
    candidates.map(({ id }) => id),
    [`${JOSE} (Dem)`, `${JOSE_DECOMPOSED} (Democratic)`, 'Jon Bell', 'Jоan Rowe'],
  );
  assert.match(notices.join('\n'), /lines 2 and 3: .*"Dem" and "Democratic"; they are counted as two candidates/);
  assert.match(notices.join('\n'), /line 5: the word "Jоan" .*mixes Latin letters/);
});

test('roll: a number is its key, a location is found by its key, and hidden characters are refused', async (t) => {
  const { election } = await electionOf(t);
  const path = inputFile(
    t,
    'registration_number,location_id,location_name\n' +
      [
        'A\u20111001,north,',
        'A-1002\u200b,north,',
        '\u202aA-1003,north,',
        '\uff21-1004,,No\u0301rth',
        'A-5,no\u00adrth,',
      ].join('\n'),
  );
  const rows: string[][] = [];
  const said: string[] = [];
  for await (const block of readRoll(path, election)) {
    rows.push(...block.rows.map(({ person, location }) => [person.registration_number, location]));
    said.push(...block.problems.map(formatProblem));
  }
  assert.deepEqual(rows, [
    ['A-1001', 'north'],
    ['A-1004', 'north'],
  ]);
  assert.deepEqual(
    said.map((line) => /:(\d: \w+: contains a character that \w+)/.exec(line)?.[1]),
    [
      '3: registration_number: contains a character that nobody',
      '4: registration_number: contains a character that reverses',
      '6: location_id: contains a character that nobody',
    ],
  );
});

test('roll without an election: spellings of a location that look the same are one location', async (t) => {
  const path = inputFile(t, 'registration_number,location_id\n1,Nórth–1\n2,No\u0301rth-1\n3,South\n');
  const { locations } = await scanRoll(path, null);
  assert.deepEqual(
    locations.map(({ id, registered_voters }) => [id, registered_voters]),
    [
      ['Nórth–1', 2],
      ['South', 1],
    ],
  );
});

const vote = (selections: string, location = 'north', number = 'A-1'): string =>
  `{"registration_number": "${number}", "location_id": "${location}", "selections": ${selections}}`;

test('cast votes: ids are found by their key; a key that is there twice is refused', async (t) => {
  const index = indexElection((await electionOf(t)).election);
  for (const [value, taken] of [
    [vote(`{"mayor-1": ["${JOSE_DECOMPOSED}"]}`), [0]],
    [vote('{"mayor–1": ["Ann\u00a0Rowe\u200b"]}', 'ｎorth'), [1]],
    [vote('{"mayor–1": ["Ann Rowe"], "mayor-1": []}'), /malformed .*selections: names a contest twice/],
    [vote('{"mayor–1": ["Ann Rowe"], "mayor–1": []}'), /malformed .*mayor–1: the key is there twice/],
    [`{"registration_number": "B", ${vote('{}').slice(1)}`, /malformed .*registration_number: the key is there twice/],
    [vote(`{"mayor–1": ["${JOSE}", "${JOSE_DECOMPOSED}"]}`), /repeated-candidate .*names a candidate twice/],
    [vote('{}', 'north', '\u202aA-1\u202c'), /malformed .*registration_number: .*reverses the direction/],
    [vote('{"mayor–1": ["ann rowe"]}'), /unknown-candidate/],
  ] as const) {
    const { votes, refused: others } = checkCastVotes('topic:t/0', index, [{ offset: 1, value: Buffer.from(value) }]);
    if (taken instanceof RegExp)
      assert.match(others.map(({ reason, problem }) => `${reason} ${formatProblem(problem)}`).join(), taken);
    else
      assert.deepEqual(
        votes.map(({ selections }) => selections),
        [taken],
        value,
      );
  }
});

test('cast votes: columns of a CSV are found by their key, and two of one contest are refused', async (t) => {
  const index = indexElection((await electionOf(t)).election);
  const header = 'registration_number,location_id,mayor-1';
  const path = inputFile(t, `${header}\nA-1,north,${JOSE_DECOMPOSED}\n`, 'votes.csv');
  for await (const { votes } of readCastVotes(await openCastVotes(path, index), index, 0))
    assert.deepEqual(
      votes.map(({ selections }) => selections),
      [[0]],
    );
  const two = inputFile(t, `${header},mayor–1\nA-1,north,,\n`, 'votes.csv');
  assert.match(await refused(openCastVotes(two, index)), /votes\.csv:1: "mayor–1": it looks like another column/);
  const json = inputFile(
    t,
    `registration_number,location_id,selections\nA-1,north,"{""mayor–1"": [], ""mayor–1"": []}"\n`,
  );
  for await (const block of readCastVotes(await openCastVotes(json, index), index, 0))
    assert.match(formatProblem(block.refused[0]!.problem), /:2: mayor–1: the key is there twice/);
});
