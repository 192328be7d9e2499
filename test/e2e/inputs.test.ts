/**
 * Bad input at the command line: file, line, reason and next step. Good rows are kept, or the file
 * is refused whole.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const RESULTS = 'contest,location_id,candidate,party,votes\n';
const GOOD_RESULTS = `${RESULTS}mayor,1,Zoë,Reds,3\nmayor,1,Bob,Blues,4\nmayor,2,Zoë,Reds,5\n`;
const ELECTORATE = 'location_id,registered_voters\n';
const ROLL = 'registration_number,location_id,first_name,birth_date\n';
const GOOD_ROLL = `${ROLL}R1,north,Zoë,1980-12-31\nR2,south,Bob,\n`;
const VOTES = 'registration_number,location_id,mayor,board\n';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const crlf = (text: string): string => text.replaceAll('\n', '\r\n');
const semicolons = (text: string): string => text.replaceAll(',', ';');
const election = (change: object): string => JSON.stringify({ ...COUNCIL, ...change }, null, 1);

type Kind = 'results' | 'electorate' | 'roll' | 'election' | 'votes';
/** `:line: reason` after the name of the file; the next step follows. */
type Case = readonly [
  name: string,
  kind: Kind,
  content: string | Uint8Array,
  says: RegExp | null,
  verdict: 'refused whole' | number,
];

/**
 * The verdict: the file is refused whole, or the number of ballots cast, voters registered or votes
 * taken.
 */
const CASES: readonly Case[] = [
  ['BOM', 'results', `\ufeff${GOOD_RESULTS}`, null, 12],
  ['CRLF', 'results', crlf(GOOD_RESULTS), null, 12],
  ['semicolons', 'results', semicolons(GOOD_RESULTS), null, 12],
  [
    'Latin-1',
    'results',
    latin1(GOOD_RESULTS),
    /:2: the text is not UTF-8.*Next: convert it with: iconv/,
    'refused whole',
  ],
  [
    'missing column',
    'results',
    GOOD_RESULTS.replace('votes', 'n'),
    /:1: votes: the column is missing/,
    'refused whole',
  ],
  ['negative', 'results', `${GOOD_RESULTS}mayor,2,Bob,Blues,-1\n`, /:5: votes: "-1" is negative/, 'refused whole'],
  [
    'fractional',
    'results',
    `${GOOD_RESULTS}mayor,2,Bob,Blues,1.5\n`,
    /:5: votes: "1\.5" is not whole/,
    'refused whole',
  ],
  [
    '1,233',
    'results',
    `${GOOD_RESULTS}mayor,2,Bob,Blues,"1,233"\n`,
    /:5: votes: "1,233" has a separator/,
    'refused whole',
  ],
  [
    '1,233 unquoted',
    'results',
    `${GOOD_RESULTS}mayor,2,Bob,Blues,1,233\n`,
    /:5: the row has 6 fields/,
    'refused whole',
  ],
  [
    'duplicate row',
    'results',
    `${GOOD_RESULTS}mayor,1,Bob,Blues,4\n`,
    /:5: "Bob" .* is on line 3 already/,
    'refused whole',
  ],
  ['empty file', 'results', '', /: the file is empty/, 'refused whole'],
  ['header only', 'results', RESULTS, /: there is no row below the header/, 'refused whole'],
  ['HTML', 'results', '<!doctype html>\n<title>404</title>', /:1: this is an HTML page/, 'refused whole'],
  ['electorate', 'electorate', `${ELECTORATE}1,10\n2,20\n`, null, 12],
  [
    'electorate: negative',
    'electorate',
    `${ELECTORATE}1,-10\n`,
    /:2: registered_voters: "-10" is neg/,
    'refused whole',
  ],
  ['electorate: 1,233', 'electorate', `${ELECTORATE}1,"1,233"\n`, /:2: .*"1,233" has a separator/, 'refused whole'],
  ['electorate: unknown location', 'electorate', `${ELECTORATE}3,10\n`, /:2: .*"3" is not a location/, 'refused whole'],
  ['electorate: duplicate row', 'electorate', `${ELECTORATE}1,9\n1,9\n`, /:3: .*"1" is on line 2/, 'refused whole'],
  ['BOM, CRLF, semicolons', 'roll', `\ufeff${crlf(semicolons(GOOD_ROLL))}`, null, 2],
  ['Latin-1', 'roll', latin1(GOOD_ROLL), /:2: the text is not UTF-8/, 'refused whole'],
  [
    'missing column',
    'roll',
    'location_id,first_name\nnorth,Zoë\n',
    /:1: registration_number: the column/,
    'refused whole',
  ],
  ['unknown location', 'roll', `${GOOD_ROLL}R3,west,Eve,\n`, /:4: location_id: is not a location of the election/, 2],
  ['duplicate row', 'roll', `${GOOD_ROLL}R1,north,Zoë,\n`, /:4: registration_number: this voter is on the roll/, 2],
  ['a broken row', 'roll', `${GOOD_ROLL}R3,north\nR4,north,"Eve,\nR5,north,Di,\n`, /:4: the row has 2 fields/, 3],
  ['birth date', 'roll', `${GOOD_ROLL}R3,north,Eve,31.12.1980\n`, /:4: birth_date: is not a date/, 2],
  ['no good row', 'roll', `${ROLL}R1,west,Zoë,\n`, /:2: location_id: is not a location/, 'refused whole'],
  ['empty file', 'roll', '', /: the file is empty/, 'refused whole'],
  ['HTML', 'roll', '<html><body>Log in</body></html>', /:1: this is an HTML page/, 'refused whole'],
  ['BOM and CRLF', 'election', `\ufeff${crlf(election({}))}`, null, 4],
  ['Latin-1', 'election', latin1(election({ name: 'Zoë' })), /:3: the text is not UTF-8/, 'refused whole'],
  ['no JSON', 'election', '{\n"id": council\n}', /:2: this is not JSON/, 'refused whole'],
  ['empty file', 'election', '', /: the file is empty/, 'refused whole'],
  ['HTML', 'election', '<!DOCTYPE html>', /:1: this is an HTML page/, 'refused whole'],
  ['missing name', 'election', election({ name: undefined }), /: name: /, 'refused whole'],
  [
    'negative',
    'election',
    election({ locations: [{ id: 'a', registered_voters: -1 }] }),
    /registered_voters: /,
    'refused whole',
  ],
  [
    'fractional',
    'election',
    election({ contests: [{ id: 'mayor', seats: 1.5 }] }),
    /contests\[0\]\.seats: /,
    'refused whole',
  ],
  [
    'unknown contest',
    'election',
    election({ candidates: [{ name: 'Ada', contest_id: 'none' }] }),
    /none/,
    'refused whole',
  ],
  [
    'unknown location',
    'election',
    election({ contests: [{ id: 'mayor', location_ids: ['west'] }, { id: 'board' }] }),
    /west/,
    'refused whole',
  ],
  [
    'location twice',
    'election',
    election({ locations: [{ id: 'a' }, { id: 'a' }] }),
    /: .*\ba\b.* twice/,
    'refused whole',
  ],
  ['BOM, CRLF, semicolons', 'votes', `\ufeff${crlf(semicolons(`${VOTES}N0001,north,Ada,Cy\n`))}`, null, 1],
  ['Latin-1', 'votes', latin1(`${VOTES}N0002,north,Zoë,\n`), /:2: the text is not UTF-8/, 'refused whole'],
  [
    'missing column',
    'votes',
    'registration_number,mayor\nN0002,Ada\n',
    /:1: location_id: the column is/,
    'refused whole',
  ],
  ['unknown contest', 'votes', VOTES.replace('board', 'senate'), /:1: "senate": it is not a contest/, 'refused whole'],
  [
    'unknown candidate',
    'votes',
    `${VOTES}N0002,north,Eve,\nN0003,north,Ada,\n`,
    /:2: selections: names a candidate who does not/,
    1,
  ],
  ['unknown location', 'votes', `${VOTES}N0002,west,Ada,\nN0004,north,Ada,\n`, /:2: location_id: is not a location/, 1],
  ['duplicate row', 'votes', `${VOTES}N0005,north,Ada,\nN0005,north,Ada,\n`, /:3: the voter has voted already/, 1],
  ['no JSON', 'votes', '{"registration_number":\n{}\n', /:1: the line is not a JSON object/, 0],
  ['empty file', 'votes', '', /: the file is empty/, 'refused whole'],
  ['HTML', 'votes', '<html>', /:1: this is an HTML page/, 'refused whole'],
];

const NAMES: Readonly<Record<Kind, string>> = {
  results: '--results',
  electorate: '--electorate',
  roll: '--roll',
  election: '--election',
  votes: '--votes',
};

describe('inputs', () => {
  const cleanUp: (() => Promise<void>)[] = [];
  const workspace = openWorkspace({ after: (work) => cleanUp.push(work) });
  let council = '';
  let results = '';
  before(async () => {
    await workspace.server();
    council = workspace.file('council.json', election({}));
    results = workspace.file('good.csv', GOOD_RESULTS);
    const roll = workspace.file('roll.csv', councilRoll(10));
    succeeded(await workspace.run(['register', '--id', 'cast', '--election', council, '--roll', roll]));
  });
  after(async () => {
    for (const work of cleanUp) await work();
  });

  /** The command that reads a file of this kind, in an election of its own. */
  function commandOf(kind: Kind, path: string): string[] {
    const once = ['--rate', 'max', '--port', '0', '--once', '--fresh'];
    if (kind === 'results') return ['run', '--results', path, ...once];
    if (kind === 'electorate') return ['run', '--results', results, '--electorate', path, ...once];
    if (kind === 'roll') return ['register', '--fresh', '--election', council, '--roll', path];
    if (kind === 'election') return ['register', '--fresh', '--election', path, '--voters', '4'];
    return ['vote', '--id', 'cast', '--votes', path];
  }

  describe('one at a time', { concurrency: 2 }, () => {
    for (const [number, [name, kind, content, says, verdict]] of CASES.entries())
      test(`${NAMES[kind]}, ${name}: ${typeof verdict === 'number' ? `${verdict} taken` : verdict}`, async () => {
        const path = workspace.file(`input-${number}.txt`, content);
        const { code, stdout, stderr } = await workspace.run(commandOf(kind, path));
        assert.equal(code, verdict === 'refused whole' ? 2 : 0, stderr);
        assert.equal(stdout, '');
        const said = stderr.replaceAll(path, 'FILE').split('\n');
        const problem = said.find((line) => /^(Error: )?FILE.*\. Next: .+/.test(line));
        if (says === null) assert.equal(problem, undefined);
        else assert.match(problem ?? stderr, says);
        if (verdict === 'refused whole') assert.match(stderr, /\nNext: {2}.*nothing of it was used/);
        else
          assert.match(
            stderr,
            new RegExp(`\\b${verdict} (ballots cast|ballots, simulated|voters are registered|votes? cast)`),
          );
      });
  });

  test('a file that does not exist, and a directory', async () => {
    for (const [path, says] of [
      [join(workspace.dataDir, 'none.csv'), /there is no such file\. Next: check the name/],
      [workspace.dataDir, /this is a directory\. Next: /],
    ] as const)
      for (const kind of Object.keys(NAMES) as Kind[]) {
        const { code, stderr } = await workspace.run(commandOf(kind, path));
        assert.deepEqual([kind, code], [kind, 2]);
        assert.match(stderr, says);
      }
  });
});

const LARGE_BYTES = 100e6;
const LARGE_ROWS = 25_000;
/**
 * Far below the memory that holding the file would take: its text and rows are several times 100
 * MB.
 */
const PEAK_MB_MAX = 600;

/** A file that is written and read in parts. */
function largeFile(workspace: Workspace, name: string, header: string, row: (ordinal: number) => string): string {
  const path = workspace.file(name, header);
  const file = openSync(path, 'a');
  try {
    for (let ordinal = 1; ordinal <= LARGE_ROWS; ordinal += 1_000)
      writeSync(file, Array.from({ length: 1_000 }, (_, i) => row(ordinal + i)).join(''));
  } finally {
    closeSync(file);
  }
  return path;
}

/** Makes the process print its peak memory at its end. */
const PEAK = "process.on('exit',()=>process.stderr.write('peak_mb='+Math.round(process.resourceUsage().maxRSS/1024)))";
const TELL_PEAK = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(PEAK)}` };

function assertPeak(stderr: string): void {
  const peak = Number(/peak_mb=(\d+)/.exec(stderr)?.[1]);
  assert.ok(peak > 20 && peak < PEAK_MB_MAX, `${peak} MB at most`);
}

test('a roll and votes of 100 MB each are streamed', async (context) => {
  const workspace = openWorkspace(context);
  await workspace.server();
  const wide = 'x'.repeat(400);
  const address = Array.from({ length: 9 }, () => wide).join(',');
  const columns = 'first_name,last_name,gender,address,city,state,country,email,phone';
  const padding = ' '.repeat(LARGE_BYTES / LARGE_ROWS);
  const roll = largeFile(
    workspace,
    'roll.csv',
    `registration_number,location_id,${columns}\n`,
    (ordinal) => `${numberOf('north', ordinal)},north,${address}${padding.slice(3_600)}\n`,
  );
  const election = workspace.file('council.json', JSON.stringify(COUNCIL));
  const register = ['register', '--election', election, '--roll', roll];
  const registered = await workspace.run(register, TELL_PEAK);
  succeeded(registered);
  assert.match(registered.stderr, /25,000 voters are registered/);
  assertPeak(registered.stderr);
  const votes = largeFile(
    workspace,
    'votes.csv',
    VOTES,
    (ordinal) => `${numberOf('north', ordinal)},north,Ada,Cy${padding}\n`,
  );
  const cast = await workspace.run(['vote', '--votes', votes], TELL_PEAK);
  succeeded(cast);
  assert.match(cast.stderr, /25,000 votes cast, 0 refused/);
  assertPeak(cast.stderr);
});
