import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inputFile } from '../../test/support/input-files.ts';
import { formatPath } from '../files/problems.ts';
import { electionJsonSchema, readElectionFile } from './election-file.ts';

test('the published schema is that of the code', () => {
  const published = new URL('../../docs/election.schema.json', import.meta.url);
  assert.deepEqual(
    JSON.parse(readFileSync(published, 'utf8')),
    electionJsonSchema(),
    'make it again: see "Election file" in docs/inputs.md',
  );
});

test('what a file leaves out has a default', async (t) => {
  const file = { id: 'a', name: 'A', contests: [{ id: 'c' }], candidates: [{ name: 'Ada' }], locations: [{ id: '1' }] };
  const { election, sha256 } = await readElectionFile(inputFile(t, `\ufeff${JSON.stringify(file)}`));
  assert.equal(sha256.length, 64);
  assert.deepEqual(election, {
    id: 'a',
    name: 'A',
    date: null,
    is_test: false,
    source: 'ballots',
    contests: [{ id: 'c', name: 'c', vote_for: 1, seats: 1, location_ids: null }],
    parties: [],
    candidates: [
      {
        id: 'Ada',
        contest_id: 'c',
        name: 'Ada',
        party_id: null,
        aggregate: false,
        biography: null,
        platform: null,
        photo: null,
      },
    ],
    locations: [{ id: '1', name: '1', type: 'location', parent_id: null, registered_voters: null }],
    parents: [],
  });
});

test('what a file says is kept, candidates grouped by contest', async (t) => {
  const photo = 'data:image/png;base64,AAAA';
  const file = {
    $schema: './election.schema.json',
    id: 'a-1',
    name: 'A',
    date: '2028-02-29',
    is_test: true,
    contests: [
      { id: 'c', name: 'C', vote_for: 2, seats: 2, location_ids: ['1'] },
      { id: 'd', location_ids: null },
    ],
    parties: [{ id: 'p', name: 'P' }, { id: 'q' }],
    candidates: [
      { id: '1', contest_id: 'd', name: 'Ada', party_id: 'p' },
      { contest_id: 'c', name: 'Others', aggregate: true },
      { id: '1', contest_id: 'c', name: 'Bob', biography: 'Line\nline', platform: 'More', photo },
    ],
    locations: [
      { id: '1', name: 'One', type: 'ward', parent_id: 'up', registered_voters: 0 },
      { id: '2', registered_voters: null },
    ],
    parents: [{ id: 'up' }],
  };
  const { election } = await readElectionFile(inputFile(t, JSON.stringify(file)));
  assert.deepEqual(
    election.candidates.map(({ contest_id, id, name, aggregate }) => [contest_id, id, name, aggregate]),
    [
      ['c', 'Others', 'Others', true],
      ['c', '1', 'Bob', false],
      ['d', '1', 'Ada', false],
    ],
  );
  assert.deepEqual(election.candidates[1]!.photo, photo);
  assert.deepEqual(election.contests[0], file.contests[0]);
  assert.deepEqual(election.locations[0], file.locations[0]);
  assert.deepEqual(election.parties[1], { id: 'q', name: 'q' });
  assert.deepEqual(election.parents[0]!.type, 'parent');
  assert.equal(election.date, '2028-02-29');
});

test('a path is written as in JavaScript', () => {
  assert.equal(formatPath(['candidates', 2, 'party_id']), 'candidates[2].party_id');
  assert.equal(formatPath([]), '');
});
