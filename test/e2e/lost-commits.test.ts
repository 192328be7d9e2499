/** Answers to COMMIT that never arrive: what a command says at its end is what is stored. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { COUNCIL, councilRoll, numberOf } from '../support/council.ts';
import { chunks, type Fate, startProxy, type TcpProxy } from '../support/proxy.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

/** The fate of the first commits of batches; all others pass. */
const FATES: readonly Fate[] = ['cut at the answer', 'cut', 'pass', 'cut at the answer', 'cut at the answer'];

async function behindProxy(
  context: TestContext,
  workspace: Workspace,
  fates = FATES,
): Promise<{ proxy: TcpProxy; url: string }> {
  const { host, port, user, database } = (await workspace.server()).connection;
  const proxy = await startProxy({ target: () => ({ path: join(host, `.s.PGSQL.${port}`) }), framing: chunks });
  context.after(() => proxy.close());
  let commits = 0;
  let isAtWork = false;
  proxy.judge = (message) => {
    isAtWork ||= message.includes('begin_batch');
    return isAtWork && message.includes('COMMIT\0') ? (fates[commits++] ?? 'pass') : 'pass';
  };
  return { proxy, url: `postgresql://${user}@127.0.0.1:${proxy.port}/${database}` };
}

async function stored(workspace: Workspace): Promise<{ votes: number; rejected: number }> {
  const client = await workspace.connect();
  const { rows } = await client.query<{ votes: number; rejected: number }>(
    `SELECT (SELECT coalesce(sum(votes), 0)::integer FROM batches) AS votes,
       (SELECT count(*)::integer FROM rejections) AS rejected`,
  );
  return rows[0]!;
}

const sentence = ({ votes, rejected }: { votes: number; rejected: number }): string =>
  `${votes.toLocaleString('en-GB')} votes cast, ${rejected.toLocaleString('en-GB')} refused.`;

test('vote: the sum at the end has each vote that is stored, once', async (t) => {
  const workspace = openWorkspace(t);
  const { proxy, url } = await behindProxy(t, workspace);
  succeeded(await workspace.run(['register', '--voters', '20000', '--partitions', '2']));
  const ended = await workspace.run(['vote', '--rate', '4000'], { DATABASE_URL: url });
  succeeded(ended);
  assert.equal(proxy.faults, FATES.filter((fate) => fate !== 'pass').length);
  const sums = await stored(workspace);
  assert.ok(sums.votes > 0);
  assert.ok(ended.stderr.includes(sentence(sums)), ended.stderr);
});

test('vote --votes FILE: the refused are in the sum too', async (t) => {
  const workspace = openWorkspace(t);
  const { proxy, url } = await behindProxy(t, workspace);
  const election = workspace.file('election.json', JSON.stringify(COUNCIL));
  const roll = workspace.file('roll.csv', councilRoll(10));
  succeeded(await workspace.run(['register', '--election', election, '--roll', roll]));
  const line = (number: string): string => `${number},south,Ada\n`;
  const numbers = Array.from({ length: 10 }, (_, i) => numberOf('south', i + 1));
  const votes = workspace.file(
    'votes.csv',
    `registration_number,location_id,mayor\n${[...numbers, 'nobody', numbers[0]!].map(line).join('')}`,
  );
  const ended = await workspace.run(['vote', '--votes', votes], { DATABASE_URL: url });
  succeeded(ended);
  assert.ok(proxy.faults > 0);
  const sums = await stored(workspace);
  assert.deepEqual(sums, { votes: 10, rejected: 2 });
  assert.ok(ended.stderr.includes(sentence(sums)), ended.stderr);
  const again = workspace.file('again.csv', `registration_number,location_id,mayor\n${line('nobody')}`);
  const refused = await behindProxy(t, workspace);
  const last = await workspace.run(['vote', '--votes', again], { DATABASE_URL: refused.url });
  succeeded(last);
  assert.ok(last.stderr.includes(sentence({ votes: 0, rejected: 1 })), last.stderr);
});

test('vote: an answer to COMMIT that is swallowed while the connection stays open', async (t) => {
  const workspace = openWorkspace(t);
  const { proxy, url } = await behindProxy(t, workspace, ['swallow the answer']);
  succeeded(await workspace.run(['register', '--voters', '2000', '--partitions', '1']));
  const ended = await workspace.run(['vote', '--rate', '2000'], { DATABASE_URL: url });
  succeeded(ended);
  assert.equal(proxy.faults, 1);
  assert.match(ended.stderr, /PostgreSQL does not answer\. Waiting for it; nothing committed is lost\./);
  const sums = await stored(workspace);
  assert.ok(sums.votes > 0);
  assert.ok(ended.stderr.includes(sentence(sums)), ended.stderr);
});
