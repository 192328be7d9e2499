/**
 * Records of another system's topic: the vote or the reason that each gives, and that a file of the
 * same votes gives the same.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import fc from 'fast-check';
import { inputFile } from '../../test/support/input-files.ts';
import { temporaryDirectory } from '../../test/support/tallyroom.ts';
import { type ElectionIndex, indexElection } from '../domain/election/election-index.ts';
import { formatProblem } from '../files/problems.ts';
import { type CastVotes, checkCastVotes, openCastVotes, RECORD_BYTES_MAX, readCastVotes } from './cast-votes.ts';
import { readElectionFile } from './election-file.ts';

const CONTESTS = [{ id: 'mayor' }, { id: 'board', vote_for: 2, location_ids: ['north'] }, { id: '__proto__' }];
const CANDIDATES = [
  ...['Ada', 'Bob'].map((name) => ({ name, contest_id: 'mayor' })),
  ...['Cy', 'Di', 'Ada'].map((name) => ({ name, contest_id: 'board' })),
  { name: 'constructor', contest_id: '__proto__' },
];
const ELECTION = {
  id: 'council',
  name: 'Council',
  contests: CONTESTS,
  candidates: CANDIDATES,
  locations: ['north', 'south'].map((id) => ({ id, name: id })),
};

let index: ElectionIndex;
before(async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, 'council.json');
  writeFileSync(path, JSON.stringify(ELECTION));
  index = indexElection((await readElectionFile(path)).election);
  directory.remove();
});

const vote = (selections: unknown, location_id: unknown = 'north', registration_number: unknown = 'N1'): string =>
  JSON.stringify({ registration_number, location_id, selections });

/** The result of one record at offset 7: its vote, or the reason and the message. */
function taken(value: Buffer | null): { votes: CastVotes['votes']; said: string | null } {
  const { votes, refused, ...rest } = checkCastVotes('topic:polls/2', index, [{ offset: 7, value }]);
  assert.deepEqual(rest, {}, 'where to go on only the topic knows');
  assert.equal(votes.length + refused.length, 1, 'each record is a vote or is refused');
  return { votes, said: refused.map(({ reason, problem }) => `${reason} ${formatProblem(problem)}`)[0] ?? null };
}

describe('a record that is a vote', () => {
  const padding = RECORD_BYTES_MAX - Buffer.byteLength(vote({}));
  const cases: readonly [name: string, value: string, location: number, selections: number[]][] = [
    ['one selection', vote({ mayor: ['Bob'] }), 0, [1]],
    ['several contests, in another order', vote({ board: ['Di', 'Cy'], mayor: ['Ada'] }), 0, [0, 2, 3]],
    ['the same name in two contests', vote({ mayor: ['Ada'], board: ['Ada'] }), 0, [0, 4]],
    ['blank', vote({}), 0, []],
    ['empty lists', vote({ mayor: [], board: [] }), 0, []],
    ['overvoted', vote({ mayor: ['Ada', 'Bob'] }, 'south'), 1, [0, 1]],
    ['ids that are names of JavaScript', vote(JSON.parse('{"__proto__": ["constructor"]}')), 0, [5]],
    [
      'over several lines, with blanks around',
      `\r\n ${JSON.stringify(JSON.parse(vote({ mayor: ['Ada'] })), null, 2)} \n`,
      0,
      [0],
    ],
    ['as long as a record may be', vote({}) + ' '.repeat(padding), 0, []],
  ];
  for (const [name, value, location, selections] of cases)
    test(name, () => {
      const expected = { line: 7, registration_number: 'N1', location, selections };
      assert.deepEqual(taken(Buffer.from(value)), { votes: [expected], said: null });
    });
});

describe('a record that is none', () => {
  const cases: readonly [name: string, value: string | Buffer | null, said: RegExp][] = [
    ['no value', null, /^malformed topic:polls\/2:7: the record has no value\. Next: write one vote a record\.$/],
    [
      'empty',
      '',
      /^malformed topic:polls\/2:7: the record is not a JSON object\. Next: write one JSON object a record\.$/,
    ],
    ['blank', ' \n', /^malformed .*: the record is not a JSON object/],
    ['no JSON', '{"registration_number": "N1"', /^malformed .*: the record is not a JSON object/],
    ['a list', '[]', /^malformed .*: the record is not a JSON object/],
    ['null as JSON', 'null', /^malformed .*: the record is not a JSON object/],
    ['two votes', `${vote({})}\n${vote({})}`, /^malformed .*: the record is not a JSON object/],
    ['nested a million deep', '['.repeat(RECORD_BYTES_MAX), /^malformed .*: the record is not a JSON object/],
    ['a byte order mark', `\ufeff${vote({})}`, /^malformed .*: the record is not a JSON object/],
    ['UTF-16', Buffer.from(vote({}), 'utf16le'), /^malformed .*: the record is not a JSON object/],
    ['Latin-1', Buffer.from(vote({}, 'nörth'), 'latin1'), /^malformed .*: the record is not UTF-8\. Next: /],
    [
      'a byte too long',
      vote({}).padEnd(RECORD_BYTES_MAX + 1),
      /^malformed .*: the record is longer than 1000000 bytes/,
    ],
    [
      'a key too many',
      '{"registration_number":"N1","location_id":"north","selections":{},"booth":1}',
      /^malformed .*: there is a key that no vote has/,
    ],
    [
      'a key with the name of the prototype',
      `{"__proto__":1,${vote({}).slice(1)}`,
      /^malformed .*: there is a key that no vote has/,
    ],
    ['a number of a voter', vote({}, 'north', 1), /^malformed .*:7: registration_number: is not text/],
    ['no voter', '{"location_id":"north","selections":{}}', /^malformed .*:7: registration_number: is not text/],
    ['an empty voter', vote({}, 'north', ' '), /^malformed .*:7: registration_number: is empty, too long or not text/],
    [
      'half a character',
      vote({}, 'north', '\ud800'),
      /^malformed .*:7: registration_number: is empty, too long or not text/,
    ],
    ['a location that is not text', vote({}, 3), /^malformed .*:7: location_id: is not text/],
    [
      'no selections',
      '{"registration_number":"N1","location_id":"north"}',
      /^malformed .*:7: selections: is not an object of lists/,
    ],
    ['selections that are a list', vote(['Ada']), /^malformed .*:7: selections: is not an object of lists/],
    ['a selection without a list', vote({ mayor: 'Ada' }), /^malformed .*:7: selections: is not an object of lists/],
    [
      'too many selections',
      vote({ mayor: new Array(201).fill('Ada') }),
      /^malformed .*:7: selections: there are more than 200 selections/,
    ],
    ['another location', vote({}, 'west'), /^unknown-location .*:7: location_id: is not a location of the election/],
    [
      'another contest',
      vote({ senate: ['Ada'] }),
      /^unknown-contest .*:7: selections: names a contest that is not in the election/,
    ],
    [
      'a contest of the north',
      vote({ board: ['Cy'] }, 'south'),
      /^contest-not-on-ballot .*:7: selections: names a contest that is not on/,
    ],
    [
      'another candidate',
      vote({ mayor: ['Cy'] }),
      /^unknown-candidate .*:7: selections: names a candidate who does not stand/,
    ],
    [
      'a candidate that is not text',
      vote({ mayor: [null] }),
      /^unknown-candidate .*:7: selections: names a candidate who does not stand/,
    ],
    [
      'a candidate twice',
      vote({ board: ['Cy', 'Cy'] }),
      /^repeated-candidate .*:7: selections: names a candidate twice/,
    ],
  ];
  for (const [name, value, said] of cases)
    test(name, () => {
      const outcome = taken(value === null ? null : Buffer.from(value));
      assert.deepEqual(outcome.votes, []);
      assert.match(outcome.said ?? 'nothing', said);
      assert.doesNotMatch(outcome.said!, /N1|Ada|Cy|senate|west|nörth/, 'no value of a vote is repeated');
    });
});

test('votes and refusals of many records keep the offsets, whatever lies between them', () => {
  const at = (offset: number, value: string | null) => ({ offset, value: value === null ? null : Buffer.from(value) });
  const records = [
    at(3, vote({})),
    at(4, null),
    at(90, vote({}, 'west')),
    at(91, vote({ mayor: ['Ada'] }, 'south', 'S1')),
  ];
  const { votes, refused } = checkCastVotes('topic:polls/0', index, records);
  assert.deepEqual(
    votes.map(({ line, registration_number }) => [line, registration_number]),
    [
      [3, 'N1'],
      [91, 'S1'],
    ],
  );
  assert.deepEqual(
    refused.map(({ line, reason }) => [line, reason]),
    [
      [4, 'malformed'],
      [90, 'unknown-location'],
    ],
  );
});

test('a record and the line of a file with the same text are taken alike', async (t) => {
  const id = (...known: string[]) => fc.oneof(fc.constantFrom(...known), fc.constantFrom('', '7', '__proto__', 'Ædå'));
  const selections = fc.dictionary(id('mayor', 'board'), fc.array(id('Ada', 'Bob', 'Cy', 'Di'), { maxLength: 3 }));
  const value = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(selections, id('north', 'south'), id('N1', 'N2')).map((each) => vote(...each)) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 1, arbitrary: fc.string({ minLength: 1 }).map((text) => `x${text.replaceAll(/[\r\n]/g, ' ')}`) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
      // The first line tells the format.
      const lines = [vote({}), ...values];
      const path = inputFile(t, lines.join('\n'), 'votes.ndjson');
      const fromFile: CastVotes[] = [];
      for await (const block of readCastVotes(await openCastVotes(path, index), index, 0)) fromFile.push(block);
      const records = lines.map((text, i) => ({ offset: i + 1, value: Buffer.from(text) }));
      const fromTopic = checkCastVotes('topic:polls/0', index, records);
      assert.deepEqual(
        fromTopic.votes,
        fromFile.flatMap(({ votes }) => votes),
      );
      const reasons = (each: CastVotes['refused']) => each.map(({ line, reason }) => [line, reason]);
      assert.deepEqual(reasons(fromTopic.refused), reasons(fromFile.flatMap(({ refused }) => refused)));
    }),
    { numRuns: 50 },
  );
});

test('votes from a pipe are refused by name: the file is read more than once', async (context) => {
  const { path, remove } = temporaryDirectory();
  context.after(remove);
  const pipe = join(path, 'cast.csv');
  execFileSync('mkfifo', [pipe]);
  await assert.rejects(openCastVotes(pipe, index), /cast\.csv: it is read more than once, and this is a pipe/);
});
