/** Several processes that start for the first time, at once and with the same inputs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPersonApi } from '../support/person-api.ts';
import { openWorkspace, succeeded, urlOf, type Workspace } from '../support/workspace.ts';

const STARTS = 5;

const ROLL = `registration_number,location_id\n${Array.from({ length: 300 }, (_, i) => `R${i},Ward ${i % 3}\n`).join('')}`;
const RESULTS = `contest,location_id,candidate,votes
Mayor,North,Bo,30
Mayor,North,Cy,20
`;

async function elections(workspace: Workspace): Promise<{ id: string; voters: number }[]> {
  const client = await workspace.connect();
  const { rows } = await client.query<{ id: string; voters: number }>(
    `SELECT election_id AS id, (SELECT count(*)::integer FROM voters v WHERE v.election_no = e.election_no) AS voters
     FROM elections e ORDER BY election_no`,
  );
  return rows;
}

const startAll = (workspace: Workspace, args: readonly string[], environment: NodeJS.ProcessEnv = {}) =>
  Promise.all(Array.from({ length: STARTS }, () => workspace.run(args, environment)));

const SOURCES: Readonly<Record<string, (workspace: Workspace) => { args: string[]; voters: number }>> = {
  'a roll': (workspace) => ({ args: ['--roll', workspace.file('roll.csv', ROLL)], voters: 300 }),
  'a results CSV': (workspace) => ({ args: ['--results', workspace.file('results.csv', RESULTS)], voters: 50 }),
  'the generator': () => ({ args: ['--voters', '400'], voters: 400 }),
};

for (const [name, source] of Object.entries(SOURCES))
  for (const profile of ['bundled', 'DATABASE_URL'] as const)
    test(`${STARTS} first starts at once from ${name} make one election (${profile})`, async (t) => {
      const workspace = openWorkspace(t);
      const { args, voters } = source(workspace);
      const environment = profile === 'bundled' ? {} : { DATABASE_URL: urlOf(await workspace.server()) };
      for (const ended of await startAll(workspace, ['register', ...args], environment)) succeeded(ended);
      const made = await elections(workspace);
      assert.equal(made.length, 1);
      assert.equal(made[0]!.voters, voters);
    });

test(`${STARTS} first starts at once from a service make one election`, async (t) => {
  const workspace = openWorkspace(t);
  const api = await startPersonApi();
  t.after(() => api.close());
  for (const ended of await startAll(workspace, ['register', '--api', api.url.href, '--voters', '60']))
    succeeded(ended);
  const made = await elections(workspace);
  assert.deepEqual(
    made.map((each) => each.voters),
    [60],
  );
});

test('two fresh starts at once make two elections', async (t) => {
  const workspace = openWorkspace(t);
  await workspace.server();
  const args = ['register', '--voters', '100', '--fresh'];
  for (const ended of await Promise.all([workspace.run(args), workspace.run(args)])) succeeded(ended);
  assert.deepEqual(await elections(workspace), [
    { id: 'generated', voters: 100 },
    { id: 'generated-2', voters: 100 },
  ]);
});

test('a first start that dies before the definition is gone on with by those after it', async (t) => {
  const workspace = openWorkspace(t);
  const args = ['register', '--roll', workspace.file('roll.csv', ROLL)];
  const { signal } = await workspace.run(args, { TALLYROOM_CRASH_AT: 'define.before-commit' });
  assert.equal(signal, 'SIGKILL');
  for (const ended of await startAll(workspace, args)) succeeded(ended);
  assert.deepEqual(
    (await elections(workspace)).map((each) => each.voters),
    [300],
  );
});
