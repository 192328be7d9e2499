/**
 * Voters from a service that answers like randomuser.me, with the faults that such a service has.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  apiPerson,
  type PersonApi,
  type PersonApiAnswer,
  type PersonApiRequest,
  personPage,
  startPersonApi,
} from '../support/person-api.ts';
import { openWorkspace, succeeded, type Workspace } from '../support/workspace.ts';

type Answer = (request: PersonApiRequest) => PersonApiAnswer | undefined;

const SEED = '5';
const VOTERS = 40;
const REGISTER = ['--voters', String(VOTERS), '--seed', SEED];
/** Retried without a pause. */
const AT_ONCE = { 'retry-after': '0' };

async function open(
  context: TestContext,
  answer: Answer = () => undefined,
): Promise<{ workspace: Workspace; api: PersonApi }> {
  const api = await startPersonApi(answer);
  context.after(() => api.close());
  const workspace = openWorkspace(context);
  await workspace.server();
  return { workspace, api };
}

/**
 * The first people of the service are on the roll, each once, in the location that is their state.
 */
async function assertRegistered(workspace: Workspace): Promise<void> {
  const { rows } = await (await workspace.connect()).query(
    `SELECT uuid, registration_number, first_name, last_name, email, phone, cell, picture, registered_age, nationality, location_id
     FROM voters NATURAL JOIN locations ORDER BY voter_id`,
  );
  const expected = Array.from({ length: VOTERS }, (_, ordinal) => {
    const { login, name, email, phone, cell, picture, registered, nat, location } = apiPerson(SEED, ordinal);
    return {
      uuid: login.uuid,
      registration_number: login.uuid,
      first_name: name.first,
      last_name: name.last,
      email,
      phone,
      cell,
      picture: picture.large,
      registered_age: registered.age,
      nationality: nat,
      location_id: location.state,
    };
  });
  assert.deepEqual(rows, expected);
}

describe('people from a service', { concurrency: 2 }, () => {
  test('a whole election of people from the service', async (context) => {
    const { workspace, api } = await open(context);
    const run = ['run', '--api', api.url.href, ...REGISTER, '--turnout', '1', '--rate', 'max', '--port', '0'];
    const document = JSON.parse(succeeded(await workspace.run([...run, '--once', '--json'])));
    assert.equal(document.totals.ballots_cast, VOTERS);
    assert.ok(document.totals.locations > 1 && document.totals.candidates === 3);
    await assertRegistered(workspace);
    assert.equal(api.requests.filter(({ seed }) => seed === SEED).length, 1);
    succeeded(await workspace.run(['verify']));
  });

  test('retries after 429, 500, a body that is not JSON, an error and a closed connection', async (context) => {
    const faults: readonly PersonApiAnswer[] = [
      { status: 429, headers: AT_ONCE },
      { status: 500 },
      { body: '{"results": [{' },
      { body: '<html>' },
      { body: { error: 'busy' } },
      { fault: 'close' },
    ];
    const asked = new Set<number>();
    // The first request for a page meets a fault. The next one gets a seventh of the voters.
    const { workspace, api } = await open(context, ({ seed, page }) => {
      if (seed !== SEED) return undefined;
      const fault = asked.has(page) ? undefined : faults[page - 1];
      asked.add(page);
      return fault ?? { body: { results: Array.from({ length: 6 }, (_, i) => apiPerson(SEED, (page - 1) * 6 + i)) } };
    });
    const registered = await workspace.run(['register', '--api', api.url.href, ...REGISTER]);
    succeeded(registered);
    for (const says of [
      /answers 429 \(too many requests\); asking again in 0\.0 s/,
      /answers 500; asking again in/,
      /not JSON, or cut off; asking again in/,
      /HTML page instead of JSON; asking again in/,
      /answers with an error; asking again in/,
      /no connection \(.*\); asking again in/,
    ])
      assert.match(registered.stderr, says);
    assert.deepEqual(
      api.requests.filter(({ seed }) => seed === SEED).map(({ page }) => page),
      [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7],
    );
    await assertRegistered(workspace);
  });

  test('short pages, with people who are not voters: the next pages fill the gap', async (context) => {
    const { workspace, api } = await open(context, (request) => {
      if (request.seed !== SEED) return undefined;
      const { results } = personPage({ ...request, results: 15 });
      const broken = { ...results[3]!, login: {} };
      return { body: { results: [...results.slice(0, 3), broken, ...results.slice(4)] } };
    });
    const registered = await workspace.run(['register', '--api', api.url.href, ...REGISTER]);
    succeeded(registered);
    assert.match(registered.stderr, /page 1:4: login\.uuid: .*\. Next: nothing; this person is left out/);
    assert.match(registered.stderr, /40 voters are registered/);
    assert.deepEqual(
      api.requests.filter(({ seed }) => seed === SEED).map(({ page }) => page),
      [1, 2, 3],
    );
  });

  for (const [name, answer, says] of [
    ['down', () => ({ status: 503, headers: AT_ONCE }), /after 6 attempts: it answers 503\nNext: {2}Start again later/],
    [
      'busy for an hour',
      () => ({ status: 429, headers: { 'retry-after': '3600' } }),
      /429 \(too many requests\)\nNext: /,
    ],
    ['not there', () => ({ status: 404 }), /it answers 404\nNext: {2}Check the address given with --api/],
    [
      'empty',
      () => ({ body: { results: [] } }),
      /no new person on 3 pages up to page 3; 0 of 40 voters have come\nNext: /,
    ],
  ] as const satisfies readonly (readonly [string, () => PersonApiAnswer, RegExp])[])
    test(`ends with 3 if the service is ${name}; another start goes on`, async (context) => {
      let isUp = false;
      const { workspace, api } = await open(context, () => (isUp ? undefined : answer()));
      const args = ['register', '--api', api.url.href, ...REGISTER];
      const { code, stdout, stderr } = await workspace.run(args);
      assert.deepEqual([code, stdout], [3, ''], stderr);
      assert.match(stderr, says);
      if (name === 'empty') return;
      isUp = true;
      succeeded(await workspace.run(args));
      await assertRegistered(workspace);
    });

  for (const point of ['register.before-commit#2', 'register.after-commit#2', 'register.after-commit#4'])
    test(`killed at ${point}: goes on at the same page`, async (context) => {
      const { workspace, api } = await open(context, (request) => {
        const from = (request.page - 1) * 15;
        return { body: { results: Array.from({ length: 15 }, (_, i) => apiPerson(request.seed, from + i)) } };
      });
      const args = ['register', '--api', api.url.href, ...REGISTER];
      const died = await workspace.run(args, { TALLYROOM_CRASH_AT: point });
      assert.equal(died.signal, 'SIGKILL', died.stderr);
      const asked = api.requests.length;
      const registered = await workspace.run(args);
      succeeded(registered);
      assert.match(registered.stderr, /40 voters are registered/);
      await assertRegistered(workspace);
      const first = api.requests.slice(asked).find(({ seed }) => seed === SEED);
      assert.equal(first?.page, { 'register.before-commit#2': 2, 'register.after-commit#2': 3 }[point]);
    });
});
