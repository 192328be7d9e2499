/**
 * Rows of voters, candidates and cast votes: the value of a good row, and the line to go on reading
 * at.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { inputFile } from '../../test/support/input-files.ts';
import type { Election } from '../domain/election/election.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { VOTER_PERSON_FIELDS } from '../domain/election/voter.ts';
import { InputRefused } from '../files/problems.ts';
import { readCandidates } from './candidates.ts';
import { type CastVote, openCastVotes, readCastVotes } from './cast-votes.ts';
import { electionFileSchema, readElectionFile } from './election-file.ts';
import { readResults } from './results/results.ts';
import { type RollRow, readRoll, scanRoll } from './roll.ts';

async function rollOf(path: string, election: Election | null = null, fromLine = 1): Promise<RollRow[]> {
  const rows: RollRow[] = [];
  for await (const block of readRoll(path, election, fromLine)) rows.push(...block.rows);
  return rows;
}

test('a voter with every column is kept whole', async (t) => {
  const columns = VOTER_PERSON_FIELDS.map((field) => (field === 'street' ? 'address' : field));
  const values = columns.map((column) =>
    column === 'birth_date' ? '1980-12-31' : column === 'registered_age' ? '7' : `the ${column}`,
  );
  const path = inputFile(t, `location_id,location_name,${columns.join(',')}\n5,Ward 5,${values.join(',')}\n`);
  const [row, ...none] = await rollOf(path);
  assert.deepEqual(none, []);
  const expected = VOTER_PERSON_FIELDS.map((field, i) => [field, field === 'registered_age' ? 7 : values[i]]);
  assert.deepEqual(row, { line: 2, location: '5', person: Object.fromEntries(expected) });
});

test('a voter with a name in one column, and nothing else', async (t) => {
  const path = inputFile(
    t,
    'Registration_Number;Location_Name;Name\n1;North;Mary Ann  Smith\n2;North;Cher\n3;North;\n',
  );
  const rows = await rollOf(path);
  assert.deepEqual(
    rows.map(({ person: { first_name, last_name } }) => [first_name, last_name]),
    [
      ['Mary Ann', 'Smith'],
      [null, 'Cher'],
      [null, null],
    ],
  );
  assert.deepEqual(Object.keys(rows[0]!.person).sort(), [...VOTER_PERSON_FIELDS].sort());
});

test('the locations of a roll are those of its voters, counted', async (t) => {
  const path = inputFile(
    t,
    'registration_number,location_id,location_name,shoe_size\n1,b,Bee,40\n2,a,,41\n3,b,Bee,42\n,b,,\n',
  );
  const scan = await scanRoll(path, null);
  assert.deepEqual(scan.locations, [
    { id: 'b', name: 'Bee', type: 'location', parent_id: null, registered_voters: 2 },
    { id: 'a', name: 'a', type: 'location', parent_id: null, registered_voters: 1 },
  ]);
  assert.equal(scan.voters, 3);
  assert.equal(scan.problem_count, 1);
  assert.deepEqual(scan.notices, [`${path}: columns not used: "shoe_size"`]);
});

test('more problems than can be shown are counted', async (t) => {
  const path = inputFile(t, `registration_number,location_id\n1,a\n${',a\n'.repeat(50)}`);
  const scan = await scanRoll(path, null);
  assert.deepEqual([scan.voters, scan.problem_count, scan.problems.length], [1, 50, 5]);
});

const ELECTION = {
  id: 'council',
  name: 'Council',
  contests: [{ id: 'mayor' }, { id: 'board', vote_for: 2, location_ids: ['n', 'e'] }],
  candidates: ['Ada', 'Bob', 'Cy']
    .map((name) => ({ name, contest_id: 'mayor' }))
    .concat(['Di', 'Ada'].map((name) => ({ name, contest_id: 'board' }))),
  locations: [
    { id: 'n', name: 'Twin' },
    { id: 's', name: 'Twin' },
    { id: 'e', name: 'East' },
  ],
};
const electionOf = async (t: Parameters<typeof inputFile>[0]) =>
  (await readElectionFile(inputFile(t, JSON.stringify(ELECTION)))).election;

test('with an election a location is known by its id, or a name that only one has', async (t) => {
  const election = await electionOf(t);
  const path = inputFile(t, 'registration_number,location_id,location_name\n1,n,anything\n2,,East\n3,East,\n4,,Twin\n');
  const rows = await rollOf(path, election);
  assert.deepEqual(
    rows.map(({ location }) => location),
    ['n', 'e', 'e'],
  );
  const { problems, locations } = await scanRoll(path, election);
  assert.match(problems[0]!.reason, /is the name of several locations/);
  assert.equal(problems[0]!.line, 5);
  assert.deepEqual(locations, [
    { ...election.locations[0]!, registered_voters: 1 },
    { ...election.locations[2]!, registered_voters: 2 },
  ]);
});

test('a roll is read on from where a block ended', async (t) => {
  const path = inputFile(
    t,
    `registration_number,location_id\n${Array.from({ length: 60_000 }, (_, i) => `REG-${i},ward\n`).join('')}`,
  );
  const all = await rollOf(path);
  assert.equal(all.length, 60_000);
  const ends: number[] = [];
  for await (const { next_line } of readRoll(path, null)) ends.push(next_line);
  assert.ok(ends.length > 2);
  assert.equal(ends.at(-1), 60_002);
  for (const end of ends) assert.equal((await rollOf(path, null, end)).length, 60_002 - end);
});

test('candidates of several contests are grouped, told apart and described', async (t) => {
  const path = inputFile(
    t,
    'name,contest,party,biography,platform,photo,aggregate\n' +
      'Ada,mayor,X,"Born\nhere",More,https://example.com/a.png,\nDi,board,,,,,\nAda,mayor,Y,,,,no\nWrite-in,mayor,,,,,\nOthers,board,,,,,no\nSome,board,,,,,YES\n',
  );
  const { contests, parties, candidates } = await readCandidates(path);
  assert.deepEqual(
    contests.map(({ id, vote_for, seats, location_ids }) => [id, vote_for, seats, location_ids]),
    [
      ['mayor', 1, 1, null],
      ['board', 1, 1, null],
    ],
  );
  assert.deepEqual(
    parties.map(({ id }) => id),
    ['X', 'Y'],
  );
  assert.deepEqual(
    candidates.map(({ id, contest_id, party_id, aggregate }) => [contest_id, id, party_id, aggregate]),
    [
      ['mayor', 'Ada (X)', 'X', false],
      ['mayor', 'Ada (Y)', 'Y', false],
      ['mayor', 'Write-in', null, true],
      ['board', 'Di', null, false],
      ['board', 'Others', null, false],
      ['board', 'Some', null, true],
    ],
  );
  const { biography, platform, photo } = candidates[0]!;
  assert.deepEqual(
    { biography, platform, photo },
    { biography: 'Born\nhere', platform: 'More', photo: 'https://example.com/a.png' },
  );
});

async function votesOf(path: string, election: Election, fromLine = 0): Promise<CastVote[]> {
  const index = indexElection(election);
  const votes: CastVote[] = [];
  for await (const block of readCastVotes(await openCastVotes(path, index), index, fromLine)) {
    assert.deepEqual(block.refused, []);
    votes.push(...block.votes);
  }
  return votes;
}

test('the same votes in each form are the same votes', async (t) => {
  const election = await electionOf(t);
  const columns = 'registration_number,location_id,board,mayor\nv1,n,Ada|Di,Cy\nv2,s,,\nv3,e,,Bob | Ada\n';
  const selections = ['{"board":["Ada","Di"],"mayor":["Cy"]}', '{}', '{"mayor":["Bob","Ada"],"board":[]}'];
  const places = ['n', 's', 'e'];
  const table = selections.map((each, i) => `v${i + 1};${places[i]};"${each.replaceAll('"', '""')}"\n`).join('');
  const lines = selections.map(
    (each, i) => `{"registration_number":"v${i + 1}","location_id":"${places[i]}","selections":${each}}\n`,
  );
  const expected = [
    { registration_number: 'v1', location: 0, selections: [2, 3, 4] },
    { registration_number: 'v2', location: 1, selections: [] },
    { registration_number: 'v3', location: 2, selections: [0, 1] },
  ];
  const withLines = (first: number) => expected.map((vote, i) => ({ line: first + i, ...vote }));
  assert.deepEqual(await votesOf(inputFile(t, columns), election), withLines(2));
  assert.deepEqual(
    await votesOf(inputFile(t, `registration_number;location_id;selections\n${table}`), election),
    withLines(2),
  );
  assert.deepEqual(await votesOf(inputFile(t, lines.join('')), election), withLines(1));
});

test('cast votes are read on from where a block ended, in both formats', async (t) => {
  const election = await electionOf(t);
  const index = indexElection(election);
  const rows = Array.from({ length: 30_000 }, (_, i) => `voter-number-${i},n,Ada,\n`).join('');
  const lines = Array.from(
    { length: 8_000 },
    (_, i) => `{"registration_number":"voter-${i}","location_id":"n","selections":{"mayor":["Ada"]}}\n`,
  );
  for (const [content, total] of [
    [`registration_number,location_id,mayor,board\n${rows}`, 30_000],
    [lines.join(''), 8_000],
  ] as const) {
    const path = inputFile(t, content);
    const file = await openCastVotes(path, index);
    let read = 0;
    let blocks = 0;
    for await (const { next_line, votes } of readCastVotes(file, index, 0)) {
      read += votes.length;
      blocks++;
      assert.equal((await votesOf(path, election, next_line)).length, total - read);
    }
    assert.equal(read, total);
    assert.ok(blocks > 1);
  }
});

test('whatever the bytes, every reader ends, with rows or a refusal', async (t) => {
  const election = await electionOf(t);
  const index = indexElection(election);
  const snippets = [
    'registration_number,location_id',
    ',mayor',
    ',selections',
    '\nv,n,Ada',
    '\n',
    '"',
    'contest,location_id,candidate,votes',
    '\nc,n,Ada,5',
    '{"registration_number":"v","location_id":"n","selections":{"mayor":["Ada"]}}',
    '{',
    '[',
    'name',
    JSON.stringify(ELECTION),
    '\0',
    ';',
    '\r',
  ];
  const part = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...snippets).map((text) => Buffer.from(text)) },
    fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
  );
  const counts = { read: 0, refused: 0 };
  const readers: ((path: string) => Promise<unknown>)[] = [
    readResults,
    readElectionFile,
    readCandidates,
    (path) => scanRoll(path, election),
    (path) => rollOf(path),
    async (path) => {
      for await (const _ of readCastVotes(await openCastVotes(path, index), index, 0));
    },
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 8 }), async (parts) => {
      const path = inputFile(t, Buffer.concat(parts));
      for (const read of readers)
        try {
          await read(path);
          counts.read++;
        } catch (error) {
          assert.ok(error instanceof InputRefused, error instanceof Error ? error.stack : String(error));
          counts.refused++;
        }
    }),
    { numRuns: 150 },
  );
  assert.ok(counts.read > 0 && counts.refused > 0);
});

test('whatever the JSON, an election file is read or refused by path', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const parsed = electionFileSchema.safeParse(value);
      assert.ok(parsed.success || parsed.error.issues.length > 0);
    }),
  );
});

test('the examples of docs/inputs.md are read as it says', async (t) => {
  const text = readFileSync(new URL('../../docs/inputs.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/```(?:json)?\n(.*?)```/gs)].map(([, block]) => block!);
  const example = (start: string): string =>
    inputFile(t, blocks.find((block) => block.startsWith(start)) ?? assert.fail(start));
  const { election } = await readElectionFile(example('{\n'));
  assert.equal((await readResults(example('contest,'))).votes.length, 2);
  assert.equal((await readCandidates(example('name,contest'))).candidates.length, 1);
  assert.equal((await rollOf(example('registration_number,location_id,first'), election)).length, 1);
  const forms = ['registration_number,location_id,mayor', 'registration_number;', '{"registration_number'];
  for (const form of forms) assert.equal((await votesOf(example(form), election))[0]?.registration_number, 'N-000017');
});
