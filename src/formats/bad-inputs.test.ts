/**
 * Every kind of bad input, one row a case: the content of the file, the problem that is reported,
 * and the outcome.
 */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { type TestContext, test } from 'node:test';
import { inputFile } from '../../test/support/input-files.ts';
import { OperationalError } from '../base/errors.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { formatProblem, InputRefused } from '../files/problems.ts';
import { readCandidates } from './candidates.ts';
import { openCastVotes, readCastVotes } from './cast-votes.ts';
import { readElectionFile } from './election-file.ts';
import { readResults } from './results/results.ts';
import { readRoll, scanRoll } from './roll.ts';

const ELECTION = {
  id: 'council',
  name: 'Council',
  contests: [
    { id: 'mayor', location_ids: ['1', '2'] },
    { id: 'board', vote_for: 2, location_ids: ['1'] },
  ],
  candidates: [
    { name: 'Ada', contest_id: 'mayor' },
    { name: 'Bob', contest_id: 'mayor' },
    { name: 'Cy', contest_id: 'board' },
    { name: 'Di', contest_id: 'board' },
    { name: 'Ed', contest_id: 'board' },
  ],
  locations: [
    { id: '1', name: 'North' },
    { id: '2', name: 'South' },
  ],
};

/**
 * Reads a file of a kind to its end. @returns the number of accepted rows, and the problems of the
 * others.
 */
type Reading = (t: TestContext, path: string) => Promise<{ taken: number; said: string[] }>;

const readings = {
  results: async (_, path) => ({ taken: (await readResults(path)).votes.length, said: [] }),
  electorate: async (t, path) => {
    const results = inputFile(t, 'contest,location_id,candidate,votes\nc,1,Ada,5\nc,2,Ada,5\n', 'results.csv');
    const { election } = await readResults(results, { electorate: path });
    return { taken: election.locations.filter((location) => location.registered_voters !== null).length, said: [] };
  },
  election: async (_, path) => ({ taken: (await readElectionFile(path)).election.candidates.length, said: [] }),
  candidates: async (_, path) => ({ taken: (await readCandidates(path)).candidates.length, said: [] }),
  roll: async (t, path) => {
    const election = await electionOf(t);
    const scan = await scanRoll(path, election);
    const said: string[] = [];
    let taken = 0;
    for await (const { rows, problems } of readRoll(path, election)) {
      taken += rows.length;
      said.push(...problems.map(formatProblem));
    }
    assert.equal(scan.voters, taken);
    assert.deepEqual(scan.problems.map(formatProblem), said);
    return { taken, said };
  },
  votes: async (t, path) => {
    const index = indexElection(await electionOf(t));
    const file = await openCastVotes(path, index);
    const said: string[] = [];
    let taken = 0;
    for await (const { votes, refused } of readCastVotes(file, index, 0)) {
      taken += votes.length;
      said.push(...refused.map(({ reason, problem }) => `${reason} ${formatProblem(problem)}`));
    }
    return { taken, said };
  },
} as const satisfies Record<string, Reading>;

const electionOf = async (t: TestContext) =>
  (await readElectionFile(inputFile(t, JSON.stringify(ELECTION), 'council.json'))).election;

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const utf16 = (text: string, encoding: 'utf16le' | 'utf16be'): Buffer => {
  const bytes = Buffer.from(text, 'utf16le');
  return encoding === 'utf16le' ? bytes : bytes.swap16();
};
const RESULTS = 'contest,location_id,candidate,votes\n';
const ROLL = 'registration_number,location_id,birth_date\n';
const VOTES = 'registration_number,location_id,mayor,board\n';
const json = (change: object): string => JSON.stringify({ ...ELECTION, ...change });
const vote = (selections: unknown, location_id: unknown = '1'): string =>
  `${JSON.stringify({ registration_number: 'secret-7', location_id, selections })}\n`;

type Case = readonly [
  name: string,
  kind: keyof typeof readings,
  content: string | Uint8Array,
  said: RegExp | null,
  verdict: 'refused whole' | number,
];

const WHOLE_FILES: readonly Case[] = [
  ['empty file', 'results', '', /input\.csv: the file is empty\. Next: /, 'refused whole'],
  ['blank lines only', 'results', '\n \r\n\n', /blank lines only/, 'refused whole'],
  ['header only', 'results', RESULTS, /no row below the header/, 'refused whole'],
  ['byte order mark', 'results', `\ufeff${RESULTS}c,1,Ada,5\n`, null, 1],
  ['byte order mark before a quote', 'results', `\ufeff"contest",location_id,candidate,votes\nc,1,Ada,5\n`, null, 1],
  ['CRLF', 'results', `${RESULTS}c,1,Ada,5\n`.replaceAll('\n', '\r\n'), null, 1],
  [
    'CR alone',
    'results',
    `${RESULTS}c,1,Ada,5\n`.replaceAll('\n', '\r'),
    /:1: .*carriage return alone/,
    'refused whole',
  ],
  ['no line end at the end', 'results', `${RESULTS}c,1,Ada,5`, null, 1],
  ['blank and empty rows', 'results', `\n${RESULTS}\n,,,\nc,1,Ada,5\n \n`, null, 1],
  ['semicolons', 'results', `${RESULTS}c,1,Ada,5\n`.replaceAll(',', ';'), null, 1],
  ['tabs', 'results', `${RESULTS}c,1,Ada,5\n`.replaceAll(',', '\t'), null, 1],
  [
    'quotes',
    'results',
    `${RESULTS}c,1,"Ada ""A,"" Smith",5\n"c","1","B\nC",6\n`,
    /:3: candidate: contains a tab or a line break/,
    'refused whole',
  ],
  ['quoted with separators', 'results', `${RESULTS}c,1,"Ada ""A,"" Smith",5\n"c","1","Bob",6\n`, null, 2],
  ['UTF-8', 'results', `${RESULTS}c,1,Zoë,5\n`, null, 1],
  [
    'Latin-1',
    'results',
    latin1(`${RESULTS}c,1,Ada,5\nc,1,Zoë,5\n`),
    /:3: the text is not UTF-8.*iconv -f WINDOWS-1252 -t UTF-8 /,
    'refused whole',
  ],
  ...(['utf16le', 'utf16be'] as const).flatMap((encoding): Case[] => [
    [`${encoding} with a mark`, 'results', utf16(`\ufeff${RESULTS}c,1,Zoë,5\n`, encoding), null, 1],
    [`${encoding} without a mark`, 'results', utf16(`${RESULTS}c,1,Zoë,5\n`, encoding), null, 1],
    [`${encoding}: bad number`, 'results', utf16(`${RESULTS}c,1,Zoë,x\n`, encoding), /:2: votes: /, 'refused whole'],
    [`${encoding}: election`, 'election', utf16(json({}), encoding), null, 5],
    [`${encoding}: roll`, 'roll', utf16(`${ROLL}R1,1,\n`, encoding), null, 1],
    [`${encoding}: votes`, 'votes', utf16(`${VOTES}R1,1,Ada,\n`, encoding), null, 1],
    [`${encoding}: NDJSON`, 'votes', utf16(vote({ mayor: ['Ada'] }), encoding), null, 1],
    [
      `${encoding}: half a character`,
      'results',
      utf16(`${RESULTS}c,1,Z\ud800,5\n`, encoding),
      /:1: from here on the text is not UTF-16/,
      'refused whole',
    ],
  ]),
  ['percentage', 'results', `${RESULTS}c,1,Ada,54 %\n`, /:2: votes: "54 %" is a percentage/, 'refused whole'],
  ['separator told', 'results', `sep=;\n${RESULTS.replaceAll(',', ';')}c;1;Ada;5\n`, null, 1],
  ['separator told in quotes', 'results', `"sep=|"\r\n${RESULTS.replaceAll(',', '|')}c|1|Ada|5\n`, null, 1],
  ['separator told: bad number', 'results', `sep=,\n${RESULTS}c,1,Ada,x\n`, /:3: votes: /, 'refused whole'],
  ['separator told: votes', 'votes', `sep=\t\n${VOTES.replaceAll(',', '\t')}R1\t1\tAda\t\n`, null, 1],
  [
    'XML',
    'results',
    '<?xml version="1.0"?>\n<ElectionResult/>',
    /this is XML \(its root is <ElectionResult>\)/,
    'refused whole',
  ],
  [
    'EML',
    'results',
    '<?xml version="1.0"?><!-- x --><eml:EML Id="510d"/>',
    /this is EML, an XML format/,
    'refused whole',
  ],
  ['XHTML', 'results', '<?xml version="1.0"?><html/>', /this is an HTML page/, 'refused whole'],
  ['XML as UTF-16', 'roll', utf16('\ufeff<?xml version="1.0"?><R/>', 'utf16le'), /this is XML/, 'refused whole'],
  ['XML, no declaration', 'votes', '<Votes>\n', /this is XML/, 'refused whole'],
  ['JSON object', 'results', '{"Election": [\n {"Name": "General"}\n]}', /:1: this is JSON/, 'refused whole'],
  ['JSON list', 'roll', '[\n {"registration_number": "1"}\n]', /:1: this is JSON/, 'refused whole'],
  ['JSON list of votes', 'votes', `[${vote({})}]`, /:1: this is JSON/, 'refused whole'],
  ['zero bytes', 'results', new Uint8Array(4_096), /mostly zero bytes/, 'refused whole'],
  ['PDF', 'results', '%PDF-1.7\n', /a PDF document/, 'refused whole'],
  [
    'workbook',
    'results',
    Buffer.from('PK\u0003\u0004 and more', 'latin1'),
    /a workbook or ZIP archive/,
    'refused whole',
  ],
  ['gzip', 'results', Buffer.from([0x1f, 0x8b, 8, 0]), /compressed with gzip/, 'refused whole'],
  ['HTML', 'results', '\n<!DOCTYPE html><html><body>404', /:1: this is an HTML page/, 'refused whole'],
  ['HTML without a doctype', 'votes', '<html lang="en">\n', /:1: this is an HTML page/, 'refused whole'],
  [
    'missing column',
    'results',
    'contest,location_id,candidate,Stimmen\nc,1,Ada,5\n',
    /:1: votes: the column is missing; found "contest", "location_id", "candidate", "Stimmen"/,
    'refused whole',
  ],
  ['columns in other case', 'results', 'Contest, LOCATION_ID ,candidate,Votes\nc,1,Ada,5\n', null, 1],
  [
    'duplicate column',
    'results',
    'contest,location_id,candidate,votes,Votes\nc,1,Ada,5,6\n',
    /:1: Votes: columns 4 and 5 have the same name/,
    'refused whole',
  ],
  [
    'column without a name',
    'results',
    'contest,location_id,candidate,votes,\nc,1,Ada,5,\n',
    /:1: column 5 has no name/,
    'refused whole',
  ],
  [
    'a feed of returns',
    'results',
    `timestamp,${RESULTS}x,c,1,Ada,5\n`,
    /:1: timestamp: this is a feed of returns/,
    'refused whole',
  ],
  ['too few fields', 'results', `${RESULTS}c,1,Ada\n`, /:2: the row has 3 fields, the header 4/, 'refused whole'],
  [
    'too many fields',
    'results',
    `${RESULTS}c,1,Ada,1,233\n`,
    /:2: the row has 5 fields, the header 4\. Next: put a value that contains "," in quotes/,
    'refused whole',
  ],
  [
    'quote not closed',
    'results',
    `${RESULTS}c,1,"Ada,5\nc,2,Ada,5\n`,
    /:2: a quote is out of place or not closed/,
    'refused whole',
  ],
  ['quote inside', 'results', `${RESULTS}c,1,A"d"a,5\n`, /:2: a quote is out of place/, 'refused whole'],
  [
    'line too long',
    'results',
    `${RESULTS}c,1,${'a'.repeat(1_000_001)},5\n`,
    /:2: the line is longer than 1000000 bytes/,
    'refused whole',
  ],
  ['negative', 'results', `${RESULTS}c,1,Ada,-5\n`, /:2: votes: "-5" is negative\. Next: /, 'refused whole'],
  ['fractional', 'results', `${RESULTS}c,1,Ada,5.5\n`, /:2: votes: "5\.5" is not whole/, 'refused whole'],
  [
    '1,233',
    'results',
    `${RESULTS}c,1,Ada,"1,233"\n`,
    /:2: votes: "1,233" has a separator between its digits\. Next: write the digits alone/,
    'refused whole',
  ],
  ['1.233', 'results', `${RESULTS}c,1,Ada,1.233\n`, /:2: votes: "1\.233" has a separator/, 'refused whole'],
  ['1 233', 'results', `${RESULTS}c,1,Ada,1 233\n`, /:2: votes: "1 233" has a separator/, 'refused whole'],
  ['1e3', 'results', `${RESULTS}c,1,Ada,1e3\n`, /:2: votes: "1e3" is in exponent notation/, 'refused whole'],
  [
    'empty number',
    'results',
    `${RESULTS}c,1,Ada,\n`,
    /:2: votes: is empty\. Next: .*leave the row out where it gives none/,
    'refused whole',
  ],
  [
    '2^53',
    'results',
    `${RESULTS}c,1,Ada,9007199254740992\n`,
    /:2: votes: .* is above 9007199254740991/,
    'refused whole',
  ],
  [
    'a sum above the limit',
    'results',
    `${RESULTS}c,1,Ada,99999999999999\nc,1,Bob,99999999999999\n`,
    /:3: votes: the votes up to here sum to more/,
    'refused whole',
  ],
  ['not a number', 'results', `${RESULTS}c,1,Ada,many\n`, /:2: votes: "many" is not a number/, 'refused whole'],
  ['candidate empty', 'results', `${RESULTS}c,1,,5\n`, /:2: candidate: is empty/, 'refused whole'],
  [
    'NUL in a name',
    'results',
    `${RESULTS}c,1,A\0da,5\n`,
    /:2: candidate: contains a control character/,
    'refused whole',
  ],
  [
    'duplicate row',
    'results',
    `${RESULTS}c,1,Ada,5\nc,2,Ada,5\nc,1,Ada,5\n`,
    /:4: "Ada" in location "1" is on line 2 already\. Next: if they are two people/,
    'refused whole',
  ],
  [
    'two problems',
    'results',
    `${RESULTS}c,1,Ada,-5\nc,2,Ada,x\n`,
    /:2: votes: [^\n]*\n[^\n]*:3: votes: /,
    'refused whole',
  ],
  [
    'more than 20 problems',
    'results',
    RESULTS + 'c,1,Ada,-5\n'.repeat(30),
    /:6: [^\n]*\n\.\.\. and 25 more: votes: "\.\.\." is negative$/,
    'refused whole',
  ],
  [
    'location with two names',
    'results',
    'contest,location_id,location_name,candidate,votes\nc,1,North,Ada,5\nc,1,Nord,Bob,5\n',
    /:3: location_name: location "1" has "Nord" here and "North" on line 2/,
    'refused whole',
  ],
  [
    'location with two parents',
    'results',
    'contest,location_id,parent_id,candidate,votes\nc,1,A,Ada,5\nc,1,B,Bob,5\n',
    /:3: parent_id: location "1" has "B" here and "A" on line 2/,
    'refused whole',
  ],
  [
    'parent with two names',
    'results',
    'contest,location_id,parent_id,parent_name,candidate,votes\nc,1,A,Old,Ada,5\nc,2,A,New,Ada,5\n',
    /:3: parent_name: "A" is "New" here and "Old" on line 2/,
    'refused whole',
  ],
  [
    'location that is a parent',
    'results',
    'contest,location_id,parent_id,candidate,votes\nc,1,1,Ada,5\n',
    /the id 1 is given twice/,
    'refused whole',
  ],
  ['electorate', 'electorate', 'location_id,registered_voters\n2,7\n1,6\n', null, 2],
  ['electorate in part', 'electorate', 'location_id,registered_voters\n2,7\n', null, 1],
  [
    'electorate: unknown location',
    'electorate',
    'location_id,registered_voters\n2,7\n3,6\n',
    /:3: location_id: "3" is not a location of the results/,
    'refused whole',
  ],
  [
    'electorate: location twice',
    'electorate',
    'location_id,registered_voters\n2,7\n2,6\n',
    /:3: location_id: "2" is on line 2 already/,
    'refused whole',
  ],
  [
    'electorate: fractional',
    'electorate',
    'location_id,registered_voters\n2,7.5\n',
    /:2: registered_voters: "7\.5" is not whole/,
    'refused whole',
  ],
  ['election: no JSON', 'election', '{"id": "a",\n"name" "x"}', /:2: this is not JSON/, 'refused whole'],
  ['election: no quotes', 'election', '{"id": a,\n"name": "x"\n\n}', /:1: this is not JSON/, 'refused whole'],
  ['election: no quotes later', 'election', '{"id": "a",\n"name": x\n\n}', /:2: this is not JSON/, 'refused whole'],
  ['election: a quote not closed', 'election', '{"id": "a",\n"name": "x\n\n}', /:2: this is not JSON/, 'refused whole'],
  ['election: cut off', 'election', '{"id": "a",\n"name": "x"', /:2: this is not JSON/, 'refused whole'],
  ['election: HTML', 'election', '<!doctype html>', /HTML page/, 'refused whole'],
  ['election: Latin-1', 'election', latin1('{"name": "Zoë"}'), /:1: the text is not UTF-8/, 'refused whole'],
  ['election: no object', 'election', 'null', /expected object/, 'refused whole'],
  ['election: unknown key', 'election', json({ partys: [] }), /unrecognized key: "partys"/, 'refused whole'],
  ['election: id', 'election', json({ id: 'Council 2026' }), /: id: invalid string/, 'refused whole'],
  [
    'election: date',
    'election',
    json({ date: '2026-02-30' }),
    /: date: is not a date of the calendar\. Next: write year-month-day/,
    'refused whole',
  ],
  [
    'election: vote_for',
    'election',
    json({ contests: [{ id: 'mayor', vote_for: 0 }] }),
    /: contests\[0\]\.vote_for: /,
    'refused whole',
  ],
  [
    'election: line break in an id',
    'election',
    json({ locations: [{ id: 'a\tb' }] }),
    /: locations\[0\]\.id: contains a tab/,
    'refused whole',
  ],
  [
    'election: lone surrogate',
    'election',
    json({ name: '\ud800' }),
    /: name: contains half a character/,
    'refused whole',
  ],
  [
    'election: photo',
    'election',
    json({ candidates: [{ name: 'Ada', contest_id: 'mayor', photo: 'http://x/' }] }),
    /: candidates\[0\]\.photo: is neither an https address nor/,
    'refused whole',
  ],
  [
    'election: location unknown',
    'election',
    json({ contests: [{ id: 'mayor', location_ids: ['9'] }, { id: 'board' }] }),
    /unknown location "9"/,
    'refused whole',
  ],
  [
    'election: contest left out',
    'election',
    json({ candidates: [{ name: 'Ada' }] }),
    /candidate "Ada" has no contest_id/,
    'refused whole',
  ],
  [
    'election: candidate twice',
    'election',
    json({ candidates: [...ELECTION.candidates, { name: 'Ada', contest_id: 'mayor' }] }),
    /given twice/,
    'refused whole',
  ],
  ['election', 'election', json({}), null, 5],
  ['candidates', 'candidates', 'name,party,photo\nAda,A,\nBob,,https://example.com/b.png\n', null, 2],
  [
    'candidates: twice',
    'candidates',
    'name,party\nAda,A\nAda,A\n',
    /:3: name: "Ada" of the same contest and party is on line 2/,
    'refused whole',
  ],
  [
    'candidates: same id',
    'candidates',
    'name,party\nAda,A\nAda,\nAda (A),\n',
    /:4: name: "Ada \(A\)" would be the id of two/,
    'refused whole',
  ],
  ['candidates: no name', 'candidates', 'name,party\n,A\n', /:2: name: is empty/, 'refused whole'],
  [
    'candidates: aggregate',
    'candidates',
    'name,aggregate\nAda,maybe\n',
    /:2: aggregate: "maybe" is neither yes nor no/,
    'refused whole',
  ],
  [
    'candidates: photo',
    'candidates',
    'name,photo\nAda,javascript:alert(1)\n',
    /:2: photo: is neither/,
    'refused whole',
  ],
];

const ROWS: readonly Case[] = [
  ['a good roll', 'roll', `${ROLL}s1,1,\ns2,South,1980-12-31\n`, null, 2],
  [
    'no header',
    'roll',
    'secret-7,1,1980-12-31\n',
    /:1: registration_number: the column is missing; the first line has none of the known columns/,
    'refused whole',
  ],
  [
    'no location column',
    'roll',
    'registration_number\nsecret-7\n',
    /:1: location_id: neither location_id nor location_name/,
    'refused whole',
  ],
  [
    'no good row',
    'roll',
    `${ROLL}secret-7,9,\n`,
    /:2: location_id: is not a location of the election/,
    'refused whole',
  ],
  ['unknown location', 'roll', `${ROLL}s1,1,\nsecret-7,9,\n`, /:3: location_id: is not a location of the election/, 1],
  ['no registration number', 'roll', `${ROLL}s1,1,\n,1,\n`, /:3: registration_number: is empty/, 1],
  ['no location', 'roll', `${ROLL}s1,1,\nsecret-7,,\n`, /:3: location_id: is empty/, 1],
  ['no date', 'roll', `${ROLL}s1,1,\nsecret-7,1,31.12.1980\n`, /:3: birth_date: is not a date/, 1],
  ['NUL', 'roll', `${ROLL}s1,1,\nsecret\0,1,\n`, /:3: registration_number: contains a control character/, 1],
  ['too few fields', 'roll', `${ROLL}s1,1,\nsecret-7\ns3,1,\n`, /:3: the row has 1 fields, the header 3/, 2],
  [
    'one broken quote between good rows',
    'roll',
    `${ROLL}s1,1,\n"secret-7,1,\ns3,1,\n"s4","1",""\ns5,1,\n`,
    /:3: a quote is out of place/,
    4,
  ],
  ['quote not closed at the end', 'roll', `${ROLL}s1,1,\n"secret-7,1,`, /:3: a quote is out of place/, 1],
  [
    'registered age',
    'roll',
    'registration_number,location_id,registered_age\ns1,1,4\nsecret-7,1,-4\n',
    /:3: registered_age: is negative/,
    1,
  ],
  ['Latin-1', 'roll', latin1(`${ROLL}secret-é,1,\n`), /:2: the text is not UTF-8/, 'refused whole'],
  ['line too long', 'roll', `${ROLL}s1,1,\n${'x'.repeat(1_100_000)}\ns2,1,\n`, /:3: the line is longer/, 2],
  ['cast votes', 'votes', `${VOTES}s1,1,Ada,Cy|Di\ns2,2,Bob,\ns3,1,,\n`, null, 3],
  ['overvotes are votes', 'votes', `${VOTES}s1,1,Ada|Bob,Cy|Di|Ed\n`, null, 1],
  [
    'selections as JSON',
    'votes',
    'registration_number;location_id;selections\ns1;1;"{""mayor"": [""Ada""]}"\n',
    null,
    1,
  ],
  [
    'unknown location',
    'votes',
    `${VOTES}s1,1,Ada,\nsecret-7,9,Ada,\n`,
    /^unknown-location .*:3: location_id: is not a location/,
    1,
  ],
  ['contest not on ballot', 'votes', `${VOTES}s1,1,Ada,\nsecret-7,2,Ada,Cy\n`, /^contest-not-on-ballot .*:3: /, 1],
  ['unknown candidate', 'votes', `${VOTES}s1,1,Ada,\nsecret-7,1,Zed,\n`, /^unknown-candidate .*:3: /, 1],
  ['candidate of another contest', 'votes', `${VOTES}secret-7,1,Cy,\n`, /^unknown-candidate .*:2: /, 0],
  ['repeated candidate', 'votes', `${VOTES}s1,1,Ada,\nsecret-7,1,Ada|Ada,\n`, /^repeated-candidate .*:3: /, 1],
  ['no registration number', 'votes', `${VOTES},1,Ada,\n`, /^malformed .*:2: registration_number: is empty/, 0],
  ['too many fields', 'votes', `${VOTES}s1,1,Ada,Cy,Di\ns2,1,Ada,\n`, /^malformed .*:2: the row has 5 fields/, 1],
  [
    'column of no contest',
    'votes',
    'registration_number,location_id,Mayor\ns1,1,Ada\n',
    /:1: "Mayor": it is not a contest of the election; its case differs/,
    'refused whole',
  ],
  [
    'no selections',
    'votes',
    'registration_number,location_id\ns1,1\n',
    /:1: selections: neither this column nor one for a contest/,
    'refused whole',
  ],
  [
    'selections twice',
    'votes',
    'registration_number,location_id,selections,mayor\ns1,1,{},Ada\n',
    /:1: selections: there are columns for contests beside it/,
    'refused whole',
  ],
  ['NDJSON', 'votes', vote({ mayor: ['Ada'], board: [] }) + vote({}), null, 2],
  [
    'NDJSON: byte order mark, CRLF, blank lines',
    'votes',
    `\ufeff\r\n${vote({}).replace('\n', '\r\n')}\r\n${vote({})}`,
    null,
    2,
  ],
  ['NDJSON: unknown contest', 'votes', vote({}) + vote({ judge: ['secret-7'] }), /^unknown-contest .*:2: /, 1],
  ['NDJSON: unknown candidate', 'votes', vote({ mayor: ['secret-7'] }), /^unknown-candidate /, 0],
  ['NDJSON: candidate that is not text', 'votes', vote({ mayor: [7] }), /^unknown-candidate /, 0],
  ['NDJSON: contest of Object', 'votes', vote(JSON.parse('{"__proto__": ["Ada"]}')), /^unknown-contest /, 0],
  ['NDJSON: not on ballot', 'votes', vote({ board: ['Cy'] }, '2'), /^contest-not-on-ballot /, 0],
  [
    'NDJSON: selections no lists',
    'votes',
    vote({ mayor: 'secret-7' }),
    /^malformed .*: selections: is not an object of lists/,
    0,
  ],
  ['NDJSON: location a number', 'votes', vote({}, 1), /^malformed .*: location_id: is not text/, 0],
  [
    'NDJSON: no JSON',
    'votes',
    `${vote({})}{"secret-7\n${vote({})}`,
    /^malformed .*:2: the line is not a JSON object/,
    2,
  ],
  ['NDJSON: a list', 'votes', `${vote({})}["secret-7"]\n`, /^malformed .*:2: /, 1],
  [
    'NDJSON: a key too many',
    'votes',
    `${vote({})}{"registration_number":"secret-7","location_id":"1","selections":{},"selection":{}}\n`,
    /^malformed .*:2: there is a key/,
    1,
  ],
  [
    'NDJSON: too many selections',
    'votes',
    vote({ mayor: Array(201).fill('Ada') }),
    /^malformed .*: there are more than 200 selections/,
    0,
  ],
];

for (const [name, kind, content, expected, verdict] of [...WHOLE_FILES, ...ROWS])
  test(`${kind}, ${name}: ${typeof verdict === 'number' ? `${verdict} taken` : verdict}`, async (t) => {
    const path = inputFile(t, content, kind === 'election' ? 'input.json' : 'input.csv');
    let said = '';
    try {
      const read = await readings[kind](t, path);
      said = read.said.join('\n');
      assert.equal(read.taken, verdict);
    } catch (error) {
      if (!(error instanceof InputRefused)) throw error;
      assert.equal(verdict, 'refused whole', error.message);
      assert.equal(error.code, 'INPUT_REFUSED');
      assert.match(error.nextStep, /^[A-Z].*\.$/);
      said = error.message;
    }
    if (expected === null) assert.equal(said, '');
    else assert.match(said, expected);
    for (const line of said.split('\n').filter((each) => each !== '' && !each.startsWith('...')))
      assert.match(line, /input\.(csv|json)(:\d+)?: .+\. Next: .+\.$/);
    assert.doesNotMatch(said.replaceAll(path, ''), /secret/);
  });

test('a file that is not there, and a directory, are refused by name', async (t) => {
  const path = inputFile(t, 'x');
  const directory = path.slice(0, -basename(path).length);
  for (const [wrong, reason] of [
    [`${path}.none`, /there is no such file/],
    [directory, /this is a directory/],
  ] as const)
    for (const read of [readResults, readElectionFile, (file: string) => scanRoll(file, null), readCandidates])
      await assert.rejects(read(wrong), (error) => {
        assert.ok(error instanceof OperationalError && error.code === 'INPUT_REFUSED');
        assert.match(error.message, reason);
        return true;
      });
});
