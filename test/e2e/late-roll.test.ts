/**
 * A roll that grows, shrinks and is corrected after registration, also while others vote, and a
 * description that is revised: nobody votes twice, nobody removed votes, and the electorates are
 * those of the roll.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { addressOf, resultsWhere } from '../support/results.ts';
import type { Ended } from '../support/tallyroom.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

const VOTERS_EACH = 500;

async function openCouncil(context: TestContext): Promise<Workspace> {
  const workspace = openWorkspace(context);
  await workspace.server();
  const election = workspace.file('council.json', JSON.stringify(COUNCIL));
  const roll = workspace.file('roll.csv', councilRoll(VOTERS_EACH));
  succeeded(await workspace.run(['register', '--election', election, '--roll', roll]));
  return workspace;
}

const ROLL_HEADER = 'registration_number,location_id,name\n';
const VOTES_HEADER = 'registration_number,location_id,mayor,board\n';
const vote = (number: string, location: string): string => `${number},${location},Ada,\n`;

async function said(workspace: Workspace, args: readonly string[], pattern: RegExp): Promise<Ended> {
  const ended = await workspace.run(args);
  succeeded(ended);
  assert.match(ended.stderr, pattern);
  return ended;
}

interface Shown {
  readonly ballots: number;
  readonly registered: { readonly [location: string]: number | null };
}

/** Counts, verifies, and looks at what a dashboard shows. */
async function outcomeOf(workspace: Workspace): Promise<Shown> {
  succeeded(await workspace.run(['count', '--once']));
  const verified = JSON.parse(succeeded(await workspace.run(['verify', '--json'])));
  assert.equal(verified.passed, true);
  const dashboard = workspace.start(['dashboard', '--port', '0']);
  const results = await resultsWhere(
    await addressOf(dashboard),
    ({ totals }) => totals.ballots_cast === verified.votes,
  );
  dashboard.child.kill('SIGINT');
  await dashboard.ended;
  return {
    ballots: results.totals.ballots_cast!,
    registered: Object.fromEntries(results.locations.map(({ id, registered_voters }) => [id, registered_voters])),
  };
}

describe('a roll that changes late', { concurrency: 2 }, () => {
  test('voters are added and removed, each once, by name', async (context) => {
    const workspace = await openCouncil(context);
    const more = workspace.file(
      'more.csv',
      `${ROLL_HEADER}${numberOf('north', 1)},north,Known\n${numberOf('north', 2)},south,Moved\nN9001,north,Late\nS9001,south,Late\n`,
    );
    const added = await said(workspace, ['register', '--add', more], /2 voters added to the roll, 2 left out\. 1,002/);
    assert.match(added.stderr, /more\.csv:2: .*on the roll already/);
    assert.match(added.stderr, /more\.csv:3: .*on the roll in another location/);
    assert.doesNotMatch(added.stderr, /N9001|N0001/);
    await said(workspace, ['register', '--add', more], /was taken before; nothing is changed\. 1,002/);

    const votes = workspace.file(
      'votes.csv',
      `${VOTES_HEADER}${vote('N9001', 'north')}${vote(numberOf('south', 1), 'south')}`,
    );
    await said(workspace, ['vote', '--votes', votes], /2 votes cast, 0 refused/);
    const gone = workspace.file(
      'gone.csv',
      `registration_number,reason\n${numberOf('north', 3)},died\nN9001,moved\nX1,moved\n${numberOf('north', 4)},he is tired\n${numberOf('north', 3)},died\n`,
    );
    const removed = await said(
      workspace,
      ['register', '--remove', gone],
      /1 voter removed from the roll, 3 left out\. 1,001/,
    );
    assert.match(removed.stderr, /gone\.csv:3: .*has voted/);
    assert.match(removed.stderr, /gone\.csv:4: .*not on the roll/);
    assert.match(removed.stderr, /gone\.csv:5: reason: is not a reason code/);
    const late = workspace.file(
      'late.csv',
      `${VOTES_HEADER}${vote(numberOf('north', 3), 'north')}${vote('S9001', 'south')}`,
    );
    const cast = await said(workspace, ['vote', '--votes', late], /1 vote cast, 1 refused/);
    assert.match(cast.stderr, /not on the roll/);

    assert.deepEqual(await outcomeOf(workspace), { ballots: 3, registered: { north: 500, south: 501 } });
    // The number of a voter who was removed is free: a voter who moved is removed and added again.
    const again = workspace.file('again.csv', `${ROLL_HEADER}${numberOf('north', 3)},south,Moved\n`);
    await said(workspace, ['register', '--add', again], /1 voter added to the roll, 0 left out\. 1,002/);
    const moved = workspace.file('moved.csv', `${VOTES_HEADER}${vote(numberOf('north', 3), 'south')}`);
    await said(workspace, ['vote', '--votes', moved], /1 vote cast, 0 refused/);
    assert.deepEqual(await outcomeOf(workspace), { ballots: 4, registered: { north: 500, south: 502 } });
  });

  test('registering with the changed roll is refused, and names the way', async (context) => {
    const workspace = await openCouncil(context);
    const election = workspace.file('council.json', JSON.stringify(COUNCIL));
    const roll = workspace.file('roll.csv', councilRoll(VOTERS_EACH + 1));
    const refused = await workspace.run(['register', '--election', election, '--roll', roll]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /register --add FILE/);
  });

  test('while others vote', async (context) => {
    const workspace = await openCouncil(context);
    const ordinals = Array.from({ length: VOTERS_EACH }, (_, i) => i + 1);
    const votes = workspace.file(
      'votes.csv',
      VOTES_HEADER +
        ordinals
          .map((each) => vote(numberOf('north', each), 'north') + vote(numberOf('south', each), 'south'))
          .join(''),
    );
    const gone = workspace.file(
      'gone.csv',
      `registration_number,reason\n${ordinals.map((each) => `${numberOf('north', each)},moved\n`).join('')}`,
    );
    const more = workspace.file(
      'more.csv',
      `${ROLL_HEADER}${ordinals.map((each) => `L${each},south,Late\n`).join('')}`,
    );
    const voting = [workspace.start(['vote', '--votes', votes]), workspace.start(['register', '--add', more])];
    const removing = workspace.start(['register', '--remove', gone]);
    for (const { ended } of [...voting, removing]) succeeded(await ended);
    const client = await workspace.connect();
    const { rows } = await client.query<{ removed: number; voted: number; both: number }>(
      `SELECT count(*) FILTER (WHERE removed_in IS NOT NULL)::integer AS removed,
              count(p.voter_id)::integer AS voted,
              count(p.voter_id) FILTER (WHERE removed_in IS NOT NULL)::integer AS both
       FROM voters v LEFT JOIN participation p USING (voter_id)`,
    );
    const { removed, voted, both } = rows[0]!;
    assert.equal(both, 0);
    assert.equal(voted + removed, 2 * VOTERS_EACH);
    assert.deepEqual(await outcomeOf(workspace), {
      ballots: voted,
      registered: { north: VOTERS_EACH - removed, south: 2 * VOTERS_EACH },
    });
  });

  for (const point of ['roll-change.before-commit', 'roll-change.after-commit'])
    test(`death at ${point}: the same file makes the change once`, async (context) => {
      const workspace = await openCouncil(context);
      const more = workspace.file('more.csv', `${ROLL_HEADER}N9001,north,Late\n`);
      const gone = workspace.file('gone.csv', `registration_number,reason\n${numberOf('south', 1)},died\n`);
      for (const change of [
        ['--add', more],
        ['--remove', gone],
      ]) {
        const died = await workspace.run(['register', ...change], { TALLYROOM_CRASH_AT: point });
        assert.equal(died.signal, 'SIGKILL', died.stderr);
        succeeded(await workspace.run(['register', ...change]));
      }
      assert.deepEqual(await outcomeOf(workspace), { ballots: 0, registered: { north: 501, south: 499 } });
    });
});

describe('result records name the revision they were made under', () => {
  /** The records of a topic, by key. */
  async function topicOf(workspace: Workspace, topic: string): Promise<Map<string, Record<string, unknown>>> {
    const lines = succeeded(await workspace.run(['topics', topic]))
      .trim()
      .split('\n');
    return new Map(
      lines.map((line) => {
        const [key, value] = line.split('\t') as [string, string];
        return [key, JSON.parse(value)];
      }),
    );
  }

  for (const isRunning of [true, false])
    test(isRunning ? 'a counter that runs' : 'a counter that starts later', async (context) => {
      const workspace = await openCouncil(context);
      succeeded(await workspace.run(['count', '--once']));
      const counting = isRunning ? workspace.start(['count']) : null;
      await counting?.says(/Counting election council/);
      const more = workspace.file('more.csv', `${ROLL_HEADER}N9001,north,Late\n`);
      await said(workspace, ['register', '--add', more], /1 voter added/);
      if (counting === null) succeeded(await workspace.run(['count', '--once']));
      for (;;) {
        const north = (await topicOf(workspace, 'turnout-by-location')).get('north');
        if (north?.revision !== 1) continue;
        assert.equal(north.registered_voters, VOTERS_EACH + 1);
        break;
      }
      counting?.child.kill('SIGINT');
      await counting?.ended;
      assert.equal((await topicOf(workspace, 'votes-per-candidate')).get('["mayor","Ada"]')?.revision, 1);
      succeeded(await workspace.run(['verify']));
    });
});

describe('a description that is revised', () => {
  test('names change, ballots and electorates do not', async (context) => {
    const workspace = await openCouncil(context);
    const votes = workspace.file('votes.csv', `${VOTES_HEADER}${vote(numberOf('north', 1), 'north')}`);
    await said(workspace, ['vote', '--votes', votes], /1 vote cast/);
    succeeded(await workspace.run(['count', '--once']));
    const revised = workspace.file(
      'revised.json',
      JSON.stringify({
        ...COUNCIL,
        name: 'Town council',
        contests: COUNCIL.contests.map((contest) => ({ ...contest, name: `Contest of ${contest.id}` })),
        locations: COUNCIL.locations.map((location) => ({ ...location, name: `${location.name} ward` })),
      }),
    );
    await said(workspace, ['register', '--revise', revised], /has its description 1 now/);
    await said(workspace, ['register', '--revise', revised], /has this description already/);
    const dashboard = workspace.start(['dashboard', '--port', '0']);
    const results = await resultsWhere(await addressOf(dashboard), ({ totals }) => totals.ballots_cast === 1);
    assert.equal(results.election.name, 'Town council');
    assert.deepEqual(
      results.contests.map(({ name }) => name),
      ['Contest of mayor', 'Contest of board'],
    );
    assert.deepEqual(
      results.locations.map(({ name, registered_voters }) => [name, registered_voters]),
      [
        ['North ward', VOTERS_EACH],
        ['South ward', VOTERS_EACH],
      ],
    );
    // A dashboard that is open follows.
    const second = workspace.file('second.json', JSON.stringify({ ...COUNCIL, name: 'Third name' }));
    await said(workspace, ['register', '--revise', second], /has its description 2 now/);
    await resultsWhere(await addressOf(dashboard), ({ election }) => election.name === 'Third name');
    dashboard.child.kill('SIGINT');
    await dashboard.ended;
    assert.equal((await outcomeOf(workspace)).ballots, 1);
  });

  test('what counts differently is refused by name', async (context) => {
    const workspace = await openCouncil(context);
    const revised = workspace.file(
      'revised.json',
      JSON.stringify({
        ...COUNCIL,
        contests: [{ id: 'mayor' }, { id: 'board', vote_for: 3, seats: 2, location_ids: ['north'] }],
      }),
    );
    const refused = await workspace.run(['register', '--revise', revised]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /never how votes are counted: contest "board" has another vote_for/);
  });
});
