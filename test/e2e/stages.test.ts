/**
 * Each stage as a process of its own: the same results as with `run`, whichever process ends and
 * starts again.
 */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type pg from 'pg';
import type { Topic } from '../../src/ports/log.ts';
import { addressOf, completeResults, fetchResults, numbersOf, resultsWhere } from '../support/results.ts';
import type { Started } from '../support/tallyroom.ts';
import { openWorkspace, succeeded, urlOf, type Workspace } from '../support/workspace.ts';

const MAKING = ['--voters', '6000', '--seed', '7'];
const BALLOTS = 4_200;

/** A place to run stages: a data directory, or a database that is named to them. */
interface Place {
  start(args: readonly string[], environment?: NodeJS.ProcessEnv): Started;
}

async function atDataDirectory(workspace: Workspace): Promise<Place> {
  await workspace.server();
  return workspace;
}

/** The server has another directory than the stages. They share only the database. */
async function atDatabase(workspace: Workspace, context: TestContext): Promise<Place> {
  const server = await openWorkspace(context).server();
  const DATABASE_URL = urlOf(server);
  return { start: (args, environment) => workspace.start(args, { DATABASE_URL, ...environment }) };
}

/** The test uses the same wake-up as readers of the log. Resolves at the next append to a topic. */
async function openAppends(workspace: Workspace) {
  const client = await workspace.connect();
  await client.query('LISTEN tallyroom_log');
  return (topic: Topic): Promise<void> =>
    new Promise((resolve) => {
      const look = ({ payload = '' }: pg.Notification): void => {
        if (payload.split('/')[1] !== topic) return;
        client.off('notification', look);
        resolve();
      };
      client.on('notification', look);
    });
}

/** Leaves a defined election with a part of its voters on the roll. */
async function registerInPart(place: Place): Promise<void> {
  const died = await place.start(['register', ...MAKING], { TALLYROOM_CRASH_AT: 'register.after-commit#2' }).ended;
  assert.equal(died.signal, 'SIGKILL', died.stderr);
}

async function interrupt(command: Started): Promise<string> {
  command.child.kill('SIGINT');
  const { code, signal, stderr } = await command.ended;
  assert.equal(signal, null, stderr);
  assert.ok(code === 0 || code === 130, stderr);
  assert.doesNotMatch(stderr, /Error:/);
  return stderr;
}

describe('the stages', { concurrency: 2 }, () => {
  let expected: unknown;
  before(async () => {
    const cleanUp: (() => Promise<void>)[] = [];
    const workspace = openWorkspace({ after: (work) => cleanUp.push(work) });
    after(async () => {
      for (const work of cleanUp) await work();
    });
    const run = ['run', ...MAKING, '--rate', 'max', '--port', '0', '--once', '--json'];
    expected = numbersOf(succeeded(await workspace.run(run)));
  });

  for (const [name, open] of [
    ['one data directory', atDataDirectory],
    ['one database', atDatabase],
  ] as const)
    test(`all at once at ${name}`, async (context) => {
      const place = await open(openWorkspace(context), context);
      await registerInPart(place);
      const dashboard = place.start(['dashboard', '--port', '0']);
      const count = place.start(['count']);
      const vote = place.start(['vote', '--rate', 'max']);
      const register = place.start(['register', ...MAKING]);
      const address = await addressOf(dashboard);
      const results = await completeResults(address);
      assert.deepEqual(numbersOf(results), expected);
      assert.equal(results.totals.ballots_cast, BALLOTS);
      succeeded(await register.ended);
      assert.match((await vote.ended).stderr, /4,200 votes cast, 0 refused/);
      assert.match(await interrupt(count), /Counted 4,200 votes/);
      const verified = await place.start(['verify']).ended;
      assert.match(succeeded(verified), /Everything agrees: 4,200 votes/);
      await interrupt(dashboard);
    });

  test('Ctrl-C of each in the middle, and again', async (context) => {
    const place = openWorkspace(context);
    const appended = await openAppends(place);
    const register = place.start(['register', ...MAKING]);
    await appended('voters');
    await interrupt(register);

    const dashboard = place.start(['dashboard', '--port', '0']);
    const count = place.start(['count']);
    const slow = place.start(['vote', '--rate', '100']);
    const second = place.start(['register', ...MAKING]);
    const address = await addressOf(dashboard);
    await resultsWhere(address, ({ totals }) => totals.ballots_cast! > 0);
    const voted = /([\d,]+) votes cast/.exec(await interrupt(slow))?.[1];
    assert.equal((await slow.ended).code, 130);
    const cast = Number(voted?.replaceAll(',', ''));
    assert.ok(cast > 0 && cast < BALLOTS, `${voted} votes were cast`);
    await interrupt(count);
    await interrupt(dashboard);
    succeeded(await second.ended);

    const again = place.start(['dashboard', '--port', '0']);
    const [vote, recount] = [place.start(['vote', '--rate', 'max']), place.start(['count'])];
    assert.deepEqual(numbersOf(await completeResults(await addressOf(again))), expected);
    succeeded(await vote.ended);
    await interrupt(recount);
    await interrupt(again);
    succeeded(await place.start(['verify']).ended);
  });

  test('Ctrl-C before the end of a registration is not a success', async (context) => {
    const place = openWorkspace(context);
    const appended = await openAppends(place);
    // Half a minute of work, so that the signal comes in the middle of it.
    const register = place.start(['register', '--voters', '2000000']);
    await appended('voters');
    await interrupt(register);
    assert.equal((await register.ended).code, 130);
  });

  test('two processes vote and two count at once: one takes over from the other, no vote counts twice', async (context) => {
    const place = openWorkspace(context);
    const appended = await openAppends(place);
    succeeded(await place.start(['register', ...MAKING]).ended);
    const begun = appended('votes');
    const first = place.start(['vote', '--rate', '100']);
    await begun;
    const second = place.start(['vote', '--rate', 'max']);
    await interrupt(first);
    const other = place.start(['vote', '--rate', 'max']);
    const ended = await Promise.all([first.ended, second.ended, other.ended]);
    assert.deepEqual(
      ended.map(({ code }) => code),
      [130, 0, 0],
    );
    const cast = ended.map(({ stderr }) => Number(/([\d,]+) votes cast, 0 refused/.exec(stderr)![1]!.replace(',', '')));
    assert.equal(cast[0]! + cast[1]! + cast[2]!, BALLOTS);

    const counted = await Promise.all([place.start(['count', '--once']).ended, place.start(['count', '--once']).ended]);
    // The later of two counters fences the earlier, which then ends and says so. The two may also
    // have run one after the other.
    assert.ok(counted.some(({ code }) => code === 0));
    for (const { code, stderr } of counted) if (code !== 0) assert.match(stderr, /Error: .*\nNext: /);
    const dashboard = place.start(['dashboard', '--port', '0']);
    assert.deepEqual(numbersOf(await completeResults(await addressOf(dashboard))), expected);
    await interrupt(dashboard);
    succeeded(await place.start(['verify']).ended);
  });

  test('count --once ends with the votes that were there, also with none', async (context) => {
    const place = await atDataDirectory(openWorkspace(context));
    await registerInPart(place);
    assert.match((await place.start(['count', '--once']).ended).stderr, /Counted 0 votes/);
    succeeded(await place.start(['register', ...MAKING]).ended);
    succeeded(await place.start(['vote', '--rate', 'max']).ended);
    for (const _ of ['counts', 'has counted']) {
      const { code, stderr } = await place.start(['count', '--once']).ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /Counted 4,200 votes/);
    }
    succeeded(await place.start(['verify']).ended);
  });

  test('the dashboard serves the document of run, and a table that --results reads back', async (context) => {
    const workspace = openWorkspace(context);
    await workspace.server();
    const run = ['run', ...MAKING, '--rate', 'max', '--port', '0', '--once', '--json'];
    const document: unknown = JSON.parse(succeeded(await workspace.run(run)));
    const dashboard = workspace.start(['dashboard', '--port', '0']);
    const address = await addressOf(dashboard);
    await completeResults(address);
    const results = await fetch(`${address}api/results`);
    const etag = results.headers.get('etag');
    assert.deepEqual(await results.json(), document);
    assert.ok(etag);
    const known = await fetch(`${address}api/results`, { headers: { 'if-none-match': etag } });
    assert.equal(known.status, 304);
    const table = await (await fetch(`${address}api/results.csv`)).text();
    const original = await fetchResults(address);
    await interrupt(dashboard);

    const other = openWorkspace(context);
    const replay = [
      'run',
      '--results',
      other.file('table.csv', table),
      '--rate',
      'max',
      '--port',
      '0',
      '--once',
      '--json',
    ];
    const replayed = JSON.parse(succeeded(await other.run(replay)));
    const votes = (each: typeof original) => ({
      contests: each.contests.map(({ id, candidates }) => [
        id,
        candidates.map(({ id, party, votes }) => [id, party, votes]),
      ]),
      locations: each.locations.map(({ id, name, votes }) => [id, name, votes]),
    });
    assert.deepEqual(votes(replayed), votes(original));
  });
});
