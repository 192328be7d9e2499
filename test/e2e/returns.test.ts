/**
 * Official returns, from a file to the page: each number once, every version kept, and nothing
 * counted that is in doubt.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { COUNCIL } from '../support/council.ts';
import { builtPage, noBrowser, openBrowser } from '../support/page.ts';
import { addressOf, fetchResults, resultsWhere } from '../support/results.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const ELECTION = {
  ...COUNCIL,
  source: 'returns',
  date: '2026-11-03',
  locations: [
    { id: 'north', name: 'North', registered_voters: 100 },
    { id: 'south', name: 'South', registered_voters: 50 },
  ],
};
const HEADER = 'reported_at,contest,location_id,candidate,votes,units_reporting,units_total,count_type\n';

/** Rows at a time of the night, e.g. `20:15 mayor north Ada 10 1 3`. */
const rows = (...lines: string[]): string =>
  HEADER +
  lines
    .map((line) => line.split(' '))
    .map(([time, ...fields]) => `2026-11-03T${time}:00Z,${[...fields, '', '', ''].slice(0, 7).join(',')}\n`)
    .join('');

async function openReturns(context: TestContext): Promise<Workspace> {
  const workspace = openWorkspace(context);
  await workspace.server();
  const made = await workspace.run([
    'register',
    '--election',
    workspace.file('council.json', JSON.stringify(ELECTION)),
  ]);
  succeeded(made);
  assert.match(made.stderr, /Election council is defined\. Report its returns/);
  return workspace;
}

let files = 0;
const report = (workspace: Workspace, text: string, environment?: NodeJS.ProcessEnv) =>
  workspace.run(['report', workspace.file(`returns-${++files}.csv`, text)], environment);

/** The result document once everything is counted; `verify` agrees with it. */
async function resultsOf(workspace: Workspace) {
  const results = JSON.parse(succeeded(await workspace.run(['run', '--once', '--json', '--port', '0'])));
  const verified = JSON.parse(succeeded(await workspace.run(['verify', '--json'])));
  assert.deepEqual([verified.votes, verified.not_counted], [results.sequence, 0]);
  return results;
}

type Contests = readonly {
  readonly id: string;
  readonly candidates: readonly { readonly id: string; readonly votes: number }[];
}[];
const votesIn = ({ contests }: { contests: Contests }) =>
  Object.fromEntries(contests.flatMap(({ candidates }) => candidates.map(({ id, votes }) => [id, votes])));

describe('official returns', { concurrency: 2 }, () => {
  test('corrections, repeats and late arrivals: the newest number of each cell holds', async (context) => {
    const workspace = await openReturns(context);
    const first = rows('20:15 mayor north Ada 10 1 3', '20:15 mayor north Bob 7 1 3', '20:15 mayor south Ada 4 0 1');
    assert.match((await report(workspace, first)).stderr, /Upload 1: 7 numbers accepted\./);
    assert.match((await report(workspace, first)).stderr, /was taken before, as upload 1: nothing changes\./);
    // A correction downwards, a number known already, and one that is older than what is known.
    const second = rows('20:30 mayor north Ada 8 2 3', '20:15 mayor north Bob 7', '20:00 mayor south Ada 3');
    assert.match((await report(workspace, second)).stderr, /Upload 2: 4 numbers accepted, 1 known already\./);
    const results = await resultsOf(workspace);
    assert.deepEqual(votesIn(results), { Ada: 12, Bob: 7, Cy: 0, Di: 0, Ed: 0 });
    assert.deepEqual(results.contests[0].units, { reporting: 2, total: 4 });
    assert.equal(results.contests[0].undervotes, null);
    assert.deepEqual(
      [results.election.source, results.election.status, results.sequence, results.sequence_of],
      ['returns', 'unofficial-partial', 11, 'versions'],
    );
    assert.deepEqual(
      [results.totals.ballots_cast, results.totals.turnout, results.totals.locations_reporting],
      [null, null, 2],
    );
  });

  test('parts of a count are summed, and their total is not added', async (context) => {
    const workspace = await openReturns(context);
    succeeded(await report(workspace, rows('20:15 mayor north Ada 30', '20:15 mayor north Bob 9')));
    assert.deepEqual(votesIn(await resultsOf(workspace)), { Ada: 30, Bob: 9, Cy: 0, Di: 0, Ed: 0 });
    const parts = rows('20:30 mayor north Ada 20 - - early', '20:30 mayor north Ada 11 - - election-day');
    succeeded(await report(workspace, parts.replaceAll('-,-,', ',,')));
    assert.deepEqual(votesIn(await resultsOf(workspace)), { Ada: 31, Bob: 9, Cy: 0, Di: 0, Ed: 0 });
  });

  test('what is in doubt is kept, named and not counted; a later number stands', async (context) => {
    const workspace = await openReturns(context);
    succeeded(await report(workspace, rows('20:15 mayor north Ada 10 1 3')));
    const doubtful = rows('20:15 mayor north Ada 99', '20:20 mayor north Bob 5 4 3', '20:20 mayor west Bob 5');
    const { stderr } = await report(
      workspace,
      doubtful.replace('2026-11-03T20:20:00Z,mayor,west', '2999-11-03T20:20:00Z,mayor,south'),
    );
    assert.match(stderr, /:2: SAME_TIME: another number of the same time was reported before\. Next: /);
    assert.match(stderr, /:3: UNITS_ABOVE_TOTAL: more units are counted than there are\. Next: /);
    assert.match(stderr, /:4: FUTURE_TIME: the time of the report is in the future\. Next: /);
    assert.match(stderr, /Upload 2: 1 number accepted, 4 in quarantine\./);
    const refused = await report(
      workspace,
      rows('20:30 mayor west Ada 1', '20:30 senate north Ada 1', '20:30 mayor north Ada 11'),
    );
    assert.match(refused.stderr, /:2: location_id: "west" is not a location of the election\. Next: /);
    assert.match(refused.stderr, /Upload 3: 1 number accepted, 2 rows refused\./);
    const results = await resultsOf(workspace);
    assert.deepEqual(votesIn(results), { Ada: 11, Bob: 5, Cy: 0, Di: 0, Ed: 0 });
    const database = await workspace.connect();
    const { rows: kept } = await database.query('SELECT count(*)::int AS n FROM returns WHERE fault IS NOT NULL');
    assert.equal(kept[0].n, 4);
  });

  test('a file without times: the same bytes again are a new report, unless they were the last', async (context) => {
    const workspace = await openReturns(context);
    const counts = (votes: number): string => `contest,location_id,candidate,votes\nmayor,north,Ada,${votes}\n`;
    const said: string[] = [];
    for (const votes of [10, 12, 12, 10]) said.push((await report(workspace, counts(votes))).stderr);
    assert.deepEqual(
      said.map((each) => /Upload \d|as upload \d/.exec(each)?.[0]),
      ['Upload 1', 'Upload 2', 'as upload 2', 'Upload 3'],
    );
    assert.equal(votesIn(await resultsOf(workspace)).Ada, 10);
    const earlier = workspace.file('earlier.csv', counts(50));
    succeeded(await workspace.run(['report', earlier, '--reported-at', '2026-11-03T20:00:00Z']));
    assert.equal(votesIn(await resultsOf(workspace)).Ada, 10);
    // The same bytes with another time that a person gives are another report.
    const later = ['--reported-at', new Date(Date.now() + 60_000).toISOString()];
    assert.match((await workspace.run(['report', earlier, ...later])).stderr, /Upload 5: 1 number accepted/);
    assert.match((await workspace.run(['report', earlier, ...later])).stderr, /Upload 6: 0 numbers accepted, 1 known/);
    assert.equal(votesIn(await resultsOf(workspace)).Ada, 50);
  });

  test('a dashboard shows each upload as it comes, and a counter that is killed counts on', async (context) => {
    const workspace = await openReturns(context);
    const running = workspace.start(['run', '--port', '0']);
    const address = await addressOf(running);
    const before = await resultsWhere(address, ({ is_counted }) => is_counted);
    assert.deepEqual([before.election.status, before.totals.locations_reporting], ['pre-election', 0]);
    succeeded(await report(workspace, rows('20:15 mayor north Ada 10 1 3')));
    const shown = await resultsWhere(address, ({ sequence }) => sequence === 3);
    assert.deepEqual(shown.locations[0]!.units, { mayor: { reporting: 1, total: 3 }, board: null });
    running.child.kill('SIGKILL');
    await running.ended;
    succeeded(await report(workspace, rows('20:30 mayor north Ada 9 3 3')));
    const again = workspace.start(['run', '--port', '0']);
    const now = await resultsWhere(await addressOf(again), ({ sequence }) => sequence === 6);
    assert.equal(votesIn(now).Ada, 9);
    again.child.kill('SIGINT');
    await again.ended;
    await resultsOf(workspace);
  });

  test('killed on either side of the commit, and two processes with one file: each number once', async (context) => {
    const workspace = await openReturns(context);
    const text = rows('20:15 mayor north Ada 10 1 3', '20:15 board north Cy 4');
    for (const point of ['report.before-commit', 'report.after-commit']) {
      const died = await report(workspace, text, { TALLYROOM_CRASH_AT: point });
      assert.equal(died.signal, 'SIGKILL', died.stderr);
    }
    assert.match((await report(workspace, text)).stderr, /was taken before, as upload 1/);
    const other = rows('20:30 mayor north Ada 11 2 3');
    const said = await Promise.all([report(workspace, other), report(workspace, other)]);
    assert.deepEqual(said.map(({ stderr }) => /taken before|3 numbers accepted/.exec(stderr)?.[0]).sort(), [
      '3 numbers accepted',
      'taken before',
    ]);
    assert.equal((await resultsOf(workspace)).sequence, 7);
  });

  test('each kind of election takes its own kind of counts, and Spark counts votes alone', async (context) => {
    const workspace = await openReturns(context);
    for (const [args, reason] of [
      [['vote'], /counts official returns, and takes no ballots/],
      [['register', '--add', workspace.file('late.csv', 'registration_number,location_id\nN1,north\n')], /no voters/],
      [
        ['vote', '--votes', workspace.file('votes.csv', 'registration_number,location_id,mayor\nN1,north,Ada\n')],
        /takes no ballots/,
      ],
      [['report'], /report takes a FILE/],
      [['report', workspace.file('x.csv', 'a,b\n1,2\n')], /contest/],
      [['report', workspace.file('y.csv', rows('20:15 mayor north Ada 1')), '--reported-at', 'noon'], /must be a time/],
    ] as const) {
      const { code, stderr } = await workspace.run(args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, reason);
      assert.match(stderr, /Next: +\w/);
    }
    succeeded(await workspace.run(['register', '--voters', '10', '--fresh']));
    const { code, stderr } = await report(workspace, rows('20:15 mayor north Ada 1'));
    assert.equal(code, 2, stderr);
    assert.match(stderr, /counts ballots, and takes no official returns/);
  });

  test('verify finds what was changed by hand, in tables, topic and results', async (context) => {
    const workspace = await openReturns(context);
    succeeded(await report(workspace, rows('20:15 mayor north Ada 10 1 3', '20:15 mayor south Ada 4 0 1')));
    succeeded(await report(workspace, rows('20:30 mayor north Ada 12 2 3', '20:30 mayor north Bob 1')));
    await resultsOf(workspace);
    const database = await workspace.connect();
    await assert.rejects(database.query('UPDATE returns SET value = 1'), /keeps every row/);
    await assert.rejects(database.query('TRUNCATE uploads CASCADE'), /keeps every row/);
    await database.query('ALTER TABLE returns DISABLE TRIGGER keep; ALTER TABLE uploads DISABLE TRIGGER keep');
    const seen = async (change: string, undo: string, reason: RegExp): Promise<void> => {
      await database.query(change);
      const { code, stdout } = await workspace.run(['verify']);
      assert.equal(code, 1, change);
      assert.match(stdout, reason, change);
      await database.query(undo);
    };
    await seen(
      'SELECT 1',
      'ALTER TABLE returns ENABLE TRIGGER keep; ALTER TABLE uploads ENABLE TRIGGER keep',
      /FAIL +tables of returns refuse changes/,
    );
    await database.query('SET session_replication_role = replica');
    await seen(
      'UPDATE returns SET value = value + 1 WHERE seq = 0',
      'UPDATE returns SET value = value - 1 WHERE seq = 0',
      /FAIL +versions in the log = table returns/,
    );
    await seen(
      "UPDATE returns SET reported_at = reported_at + interval '1 hour' WHERE seq = 0",
      "UPDATE returns SET reported_at = reported_at - interval '1 hour' WHERE seq = 0",
      /FAIL +returns in the log = returns in PostgreSQL/,
    );
    await seen(
      'UPDATE uploads SET accepted = accepted + 1',
      'UPDATE uploads SET accepted = accepted - 1',
      /FAIL +table uploads = table returns/,
    );
    await seen(
      "UPDATE log_ends SET next_seq = next_seq + 1 WHERE topic = 'returns'",
      "UPDATE log_ends SET next_seq = next_seq - 1 WHERE topic = 'returns'",
      /FAIL +every seq and every link/,
    );
    await seen(
      "CREATE TABLE kept AS SELECT * FROM log WHERE topic = 'returns'; DELETE FROM log WHERE topic = 'returns' AND base_offset > 0",
      "DELETE FROM log WHERE topic = 'returns'; INSERT INTO log SELECT * FROM kept",
      /FAIL/,
    );
    await seen(
      "INSERT INTO returns SELECT election_no, upload_no, line, location_no, contest_no, count_type, field, candidate_no, value, reported_at + interval '1 day', 100, NULL FROM returns WHERE seq = 0",
      'DELETE FROM returns WHERE seq = 100',
      /FAIL +versions in table returns behind the end of the log/,
    );
    succeeded(await workspace.run(['verify']));
    await database.query('DROP INDEX returns_cell');
    const unsafe = await report(workspace, rows('20:45 mayor north Ada 13'));
    assert.equal(unsafe.code, 1, unsafe.stderr);
    assert.match(unsafe.stderr, /table returns lacks a unique index/);
  });

  test('the page shows votes and counted units, live, and no ballots', { skip: noBrowser() }, async (context) => {
    const workspace = await openReturns(context);
    succeeded(await report(workspace, rows('20:15 mayor north Ada 10 1 3', '20:15 mayor south Ada 0 0 1')));
    await builtPage();
    const running = workspace.start(['run', '--port', '0']);
    const address = await addressOf(running);
    await resultsWhere(address, ({ sequence }) => sequence === 6);
    const browser = await openBrowser();
    context.after(() => browser.close());
    const page = await browser.context.newPage();
    await page.goto(address);
    const shows = (selector: string, text: string | RegExp) =>
      page.locator(selector).filter({ hasText: text }).first().waitFor();
    await shows('[data-figure="votes"]', /Votes counted\s*10/);
    await shows('[data-figure="units"]', /1 of 4/);
    await shows('table.locations thead', /Votes.*Units counted/s);
    assert.equal(await page.locator('[data-figure="ballots"], [data-figure="turnout"]').count(), 0);
    assert.doesNotMatch(await page.locator('body').innerText(), /left blank|NaN|ballot/i);
    succeeded(await report(workspace, rows('20:30 mayor north Ada 9 3 3', '20:30 mayor south Bob 30 1 1')));
    await shows('[data-figure="votes"]', /Votes counted\s*39/);
    await shows('[data-figure="units"]', /4 of 4/);
    await shows('table.locations tbody tr:first-child', /South.*30.*100.*Bob/s);
    assert.doesNotMatch(await (await fetch(`${address}api/results.csv`)).text(), /NaN|undefined/);
    assert.doesNotMatch(JSON.stringify(await fetchResults(address)), /NaN/);
    running.child.kill('SIGINT');
    await running.ended;
  });
});
