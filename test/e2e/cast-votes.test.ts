/**
 * Real cast votes from files: each voter votes once, also if votes are cast twice or refused, or
 * the process is killed.
 */
import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { addressOf, fetchResults, resultsWhere } from '../support/results.ts';
import type { Ended } from '../support/tallyroom.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const VOTERS_EACH = 1_500;

/** An election whose voters are registered and have not voted. */
async function openCouncil(context: TestContext): Promise<Workspace> {
  const workspace = openWorkspace(context);
  await workspace.server();
  const election = workspace.file('council.json', JSON.stringify(COUNCIL));
  const roll = workspace.file('roll.csv', councilRoll(VOTERS_EACH));
  const registered = await workspace.run(['register', '--election', election, '--roll', roll]);
  succeeded(registered);
  assert.match(registered.stderr, /3,000 voters are registered/);
  return workspace;
}

const HEADER = 'registration_number,location_id,mayor,board\n';

/** Votes of northern voters, from one ordinal to another, all for the same candidate. */
const votesFor = (mayor: string, from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${numberOf('north', from + i)},north,${mayor},Cy|Di\n`).join('');

const votedBy = ({ stderr }: Ended): string | undefined => /[\d,]+ votes? cast, [\d,]+ refused/.exec(stderr)?.[0];

interface Outcome {
  readonly ballots: number;
  readonly votes: { readonly [candidate: string]: number };
  readonly undervotes: { readonly [contest: string]: number };
  readonly rejections: { readonly [reason: string]: number };
}

/** Counts the votes that were cast, and counts them again. */
async function outcomeOf(workspace: Workspace): Promise<Outcome> {
  succeeded(await workspace.run(['count', '--once']));
  const verified = JSON.parse(succeeded(await workspace.run(['verify', '--json'])));
  assert.equal(verified.passed, true);
  const dashboard = workspace.start(['dashboard', '--port', '0']);
  const address = await addressOf(dashboard);
  const results = await resultsWhere(address, ({ totals }) => totals.ballots_cast === verified.votes);
  assert.deepEqual(await fetchResults(address), results);
  dashboard.child.kill('SIGINT');
  await dashboard.ended;
  return {
    ballots: results.totals.ballots_cast!,
    votes: Object.fromEntries(
      results.contests.flatMap(({ candidates }) => candidates.map(({ id, votes }) => [id, votes])),
    ),
    undervotes: Object.fromEntries(results.contests.map(({ id, undervotes }) => [id, undervotes!])),
    rejections: verified.rejections,
  };
}

/** Runs `work` while no batch can be committed, once a command waits for that. */
async function whileNoBatchCommits(workspace: Workspace, work: () => void): Promise<void> {
  const client = new pg.Client((await workspace.server()).connection);
  await client.connect();
  try {
    await client.query('BEGIN; LOCK TABLE batches IN EXCLUSIVE MODE');
    for (;;) {
      const { rowCount } = await client.query("SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation'");
      if (rowCount! > 0) break;
      await delay(5);
    }
    work();
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}

describe('cast votes', { concurrency: 2 }, () => {
  for (const [name, change] of [
    ['changed in place', (path: string, content: string) => writeFileSync(path, content.replaceAll('Ada', 'Bob'))],
    ['replaced by a shorter one', (path: string) => writeFileSync(path, 'x\n')],
    ['appended to', (path: string) => appendFileSync(path, '{"registration_number": "S0001"}\n')],
  ] as const)
    test(`a file that is ${name} while it is cast: nothing of what changed is cast, and the rest later`, async (context) => {
      const workspace = await openCouncil(context);
      const ballot = (i: number) =>
        `{"registration_number": "${numberOf('north', i)}",${' '.repeat(4_000)}"location_id": "north", "selections": {"mayor": ["Ada"]}}\n`;
      const content = Array.from({ length: VOTERS_EACH }, (_, i) => ballot(i + 1)).join('');
      const path = workspace.file('votes.ndjson', content);
      const command = workspace.start(['vote', '--votes', path]);
      await whileNoBatchCommits(workspace, () => change(path, content));
      const { code, stderr } = await command.ended;
      assert.equal(code, 2, stderr);
      assert.match(stderr, /votes\.ndjson:?\d*: .*(changed|grown|lines were added).*Next: /);
      writeFileSync(path, content);
      succeeded(await workspace.run(['vote', '--votes', path]));
      const { votes, undervotes, rejections } = await outcomeOf(workspace);
      assert.deepEqual(
        { votes, undervotes, rejections },
        {
          votes: { Ada: VOTERS_EACH, Bob: 0, Cy: 0, Di: 0, Ed: 0 },
          undervotes: { mayor: 0, board: 2 * VOTERS_EACH },
          rejections: {},
        },
      );
    });

  test('every reason for a refusal, beside votes that count', async (context) => {
    const workspace = await openCouncil(context);
    const csv = workspace.file(
      'votes.csv',
      `${HEADER}${[
        'N0001,north,Ada,Cy|Di',
        'N0002,north,Ada,Cy', // one undervote of the board
        'N0003,north,,', // three undervotes
        'N0004,north,Ada|Bob,Cy|Di|Ed', // overvoted in both
        'S0001,south,Bob,',
        'N0001,north,Bob,Ed', // voted above
        'X0001,north,Ada,', // nobody
        'N0005,south,Ada,', // lives in the north
        'N0006,west,Ada,', // nowhere
        'N0007,north,Eve,', // no candidate
        'S0002,south,Ada,Cy', // no board in the south
        'N0008,north,Ada|Ada,', // twice the same
        'N0009,north', // no row
      ].join('\n')}\n`,
    );
    const cast = await workspace.run(['vote', '--votes', csv]);
    succeeded(cast);
    assert.equal(votedBy(cast), '5 votes cast, 8 refused');
    for (const [line, reason] of [
      [7, /has voted already, and that vote stays\. Next: /],
      [8, /not on the roll\. Next: /],
      [9, /registered in another location\. Next: /],
      [10, /location_id: is not a location of the election\. Next: /],
      [11, /names a candidate who does not stand in the contest\. Next: /],
      [12, /names a contest that is not on the ballot of this location\. Next: /],
      [13, /names a candidate twice\. Next: /],
      [14, /the row has 2 fields, the header 4\. Next: /],
    ] as const) {
      const said = cast.stderr.split('\n').find((each) => each.startsWith(`${csv}:${line}: `));
      assert.match(said ?? `nothing of line ${line}`, reason);
    }
    assert.doesNotMatch(cast.stderr, /N000|S000|X000|Eve/);
    const ndjson = workspace.file(
      'votes.ndjson',
      [
        { registration_number: 'N0010', location_id: 'north', selections: { mayor: ['Bob'], board: ['Ed', 'Di'] } },
        { registration_number: 'S0003', location_id: 'south', selections: {} },
        { registration_number: 'N0001', location_id: 'north', selections: { mayor: ['Bob'] } },
        { registration_number: 'S0004', location_id: 'south', selections: { senate: ['Bob'] } },
      ]
        .map((each) => `${JSON.stringify(each)}\n`)
        .join(''),
    );
    const more = await workspace.run(['vote', '--votes', ndjson]);
    assert.equal(votedBy(more), '2 votes cast, 2 refused', more.stderr);
    assert.deepEqual(await outcomeOf(workspace), {
      ballots: 7,
      votes: { Ada: 2, Bob: 2, Cy: 2, Di: 2, Ed: 1 },
      undervotes: { mayor: 2, board: 3 },
      rejections: {
        'already-voted': 2,
        'unknown-voter': 1,
        'wrong-location': 1,
        'unknown-location': 1,
        'unknown-candidate': 1,
        'contest-not-on-ballot': 1,
        'repeated-candidate': 1,
        malformed: 1,
        'unknown-contest': 1,
      },
    });
    for (const path of [csv, ndjson]) {
      const again = await workspace.run(['vote', '--votes', path]);
      assert.equal(votedBy(again), '0 votes cast, 0 refused', again.stderr);
    }
  });

  test('one voter in two files of two processes at once; standard input; the same file under another name', async (context) => {
    const workspace = await openCouncil(context);
    const first = workspace.file('first.csv', HEADER + votesFor('Ada', 1, 1_000));
    const second = workspace.file('second.csv', HEADER + votesFor('Bob', 501, 1_500));
    const both = await Promise.all([first, second].map((path) => workspace.run(['vote', '--votes', path])));
    const [ada, bob] = both.map((each) => Number(/([\d,]+) votes? cast/.exec(each.stderr)![1]!.replace(',', '')));
    for (const each of both) succeeded(each);
    assert.equal(ada! + bob!, 1_500);

    const votes = `${HEADER}S0001,south,Ada,\nS0001,south,Bob,\nN0001,north,Bob,Ed\n`;
    const fromInput = workspace.start(['vote', '--votes', '-']);
    fromInput.child.stdin!.end(votes);
    assert.equal(votedBy(await fromInput.ended), '1 vote cast, 2 refused');
    const again = workspace.start(['vote', '--votes', '-']);
    again.child.stdin!.end(votes);
    assert.equal(votedBy(await again.ended), '0 votes cast, 0 refused');
    const renamed = await workspace.run(['vote', '--votes', workspace.file('renamed.csv', votes)]);
    assert.equal(votedBy(renamed), '0 votes cast, 0 refused');

    assert.deepEqual(await outcomeOf(workspace), {
      ballots: 1_501,
      votes: { Ada: ada! + 1, Bob: bob, Cy: 1_500, Di: 1_500, Ed: 0 },
      undervotes: { mayor: 0, board: 0 },
      rejections: { 'already-voted': 502 },
    });
  });

  for (const point of ['vote.before-commit', 'vote.after-commit'])
    for (const nth of [1, 2])
      test(`killed at ${point}, passing ${nth}; the same file again`, async (context) => {
        const workspace = openWorkspace(context);
        await workspace.server();
        const election = workspace.file('council.json', JSON.stringify(COUNCIL));
        succeeded(
          await workspace.run([
            'register',
            '--election',
            election,
            '--roll',
            workspace.file('roll.csv', councilRoll(2_000)),
          ]),
        );
        // Spaces make the file several blocks long. Voters of its beginning occur again at its end.
        const rows = votesFor('Ada', 1, 2_000) + votesFor('Bob', 1, 200);
        const votes = `${HEADER}${rows.replaceAll('\n', `${' '.repeat(400)}\n`)}X0001,north,Ada,\n`;
        const path = workspace.file('votes.csv', votes);
        const died = await workspace.run(['vote', '--votes', path], { TALLYROOM_CRASH_AT: `${point}#${nth}` });
        assert.equal(died.signal, 'SIGKILL', `the point was not passed: ${died.stderr}`);
        succeeded(await workspace.run(['vote', '--votes', path]));
        assert.deepEqual(await outcomeOf(workspace), {
          ballots: 2_000,
          votes: { Ada: 2_000, Bob: 0, Cy: 2_000, Di: 2_000, Ed: 0 },
          undervotes: { mayor: 0, board: 0 },
          rejections: { 'already-voted': 200, 'unknown-voter': 1 },
        });
      });

  test('a roll that names a voter twice: the line is refused, the others are registered; the same after a kill', async (context) => {
    const workspace = openWorkspace(context);
    await workspace.server();
    const election = workspace.file('council.json', JSON.stringify(COUNCIL));
    const rows = ['N0001,north', 'N0002,north', 'N0001,south', 'S0001,south', 'N0002,north'];
    const roll = workspace.file('roll.csv', `registration_number,location_id\n${rows.join('\n')}\n`);
    const args = ['register', '--election', election, '--roll', roll];
    const died = await workspace.run(args, { TALLYROOM_CRASH_AT: 'register.before-commit' });
    assert.equal(died.signal, 'SIGKILL', died.stderr);
    const registered = await workspace.run(args);
    succeeded(registered);
    for (const [line, first] of [
      [4, 2],
      [6, 3],
    ])
      assert.ok(
        registered.stderr.includes(
          `${roll}:${line}: registration_number: this voter is on the roll already, from line ${first}; the first entry stays. Next: `,
        ),
        registered.stderr,
      );
    assert.match(registered.stderr, /3 voters are registered/);
    assert.doesNotMatch(registered.stderr, /N000|S000/);
    const { rows: voters } = await (await workspace.connect()).query(
      'SELECT registration_number, location_no FROM voters ORDER BY registration_number',
    );
    assert.deepEqual(
      voters.map((each) => [each.registration_number, each.location_no]),
      [
        ['N0001', 0],
        ['N0002', 0],
        ['S0001', 1],
      ],
    );
  });
});
