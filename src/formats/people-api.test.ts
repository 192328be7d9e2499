import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  apiPerson,
  type PersonApiAnswer,
  type PersonApiRequest,
  personPage,
  startPersonApi,
} from '../../test/support/person-api.ts';
import { OperationalError } from '../base/errors.ts';
import { VOTER_PERSON_FIELDS } from '../domain/election/voter.ts';
import { fetchCandidates, fetchPage, type PeopleApi, parseApiUrl } from './people-api.ts';

interface Asked {
  readonly api: PeopleApi;
  readonly requests: readonly PersonApiRequest[];
  readonly waits: number[];
  readonly said: string[];
}

/** A service that is stopped at the end of the test, and a client without pauses. */
async function serve(
  t: TestContext,
  answer?: (request: PersonApiRequest) => PersonApiAnswer | undefined,
  options: Partial<PeopleApi> = {},
): Promise<Asked> {
  const server = await startPersonApi(answer);
  t.after(() => server.close());
  const waits: number[] = [];
  const said: string[] = [];
  const api: PeopleApi = {
    url: server.url,
    seed: '7',
    page_size: 10,
    random: () => 0.5,
    now: () => Date.parse('2026-05-07T12:00:00Z'),
    sleep: async (ms) => waits.push(ms),
    say: (line) => said.push(line),
    ...options,
  };
  return { api, requests: server.requests, waits, said };
}

const isDown = (reason: RegExp) => (error: unknown) => {
  assert.ok(error instanceof OperationalError);
  assert.equal(error.code, 'SOURCE_UNREACHABLE');
  assert.match(error.message, reason);
  assert.match(error.message, /^http:\/\/127\.0\.0\.1:\d+\/api\//);
  assert.match(error.nextStep, /^[A-Z].*\.$/);
  return true;
};

test('the same seed and page give the same people, and each page others', async (t) => {
  const { api, requests } = await serve(t);
  const [one, two, again] = [await fetchPage(api, 1), await fetchPage(api, 2), await fetchPage(api, 1)];
  assert.deepEqual([one.page, one.people.length], [1, 10]);
  assert.deepEqual(again, one);
  const both = [...one.people, ...two.people].map(({ person }) => person.registration_number);
  assert.equal(new Set(both).size, 20);
  assert.deepEqual(
    requests.map(({ results, page, seed }) => [results, page, seed]),
    [1, 2, 1].map((page) => [10, page, '7']),
  );
});

test('every field of a person is kept', async (t) => {
  const { api } = await serve(t);
  const { people, problems } = await fetchPage(api, 1);
  const given = apiPerson('7', 0);
  assert.deepEqual(problems, []);
  assert.deepEqual(Object.keys(people[0]!.person).sort(), [...VOTER_PERSON_FIELDS].sort());
  assert.deepEqual(people[0], {
    location: given.location.state,
    person: {
      registration_number: given.login.uuid,
      uuid: given.login.uuid,
      first_name: given.name.first,
      last_name: given.name.last,
      birth_date: given.dob.date.slice(0, 10),
      gender: given.gender,
      nationality: 'GB',
      street: `${given.location.street.number} Station Road`,
      city: 'Market Town',
      state: given.location.state,
      country: 'United Kingdom',
      postcode: String(given.location.postcode),
      email: given.email,
      phone: given.phone,
      cell: given.cell,
      picture: given.picture.large,
      registered_age: 10,
    },
  });
  const byCity = await fetchPage({ ...api, location: 'city' }, 1);
  assert.equal(byCity.people[0]!.location, 'Market Town');
  const byCounty = await fetchPage({ ...api, location: 'county' }, 1);
  assert.equal(byCounty.people.length, 0);
  assert.equal(byCounty.problems[0]!.column, 'location.county');
});

const PAGE = { body: personPage({ seed: '7', page: 1, results: 10 }) };
/** The first answer, the pause after it, and the message. The second answer is right. */
const TRANSIENT: readonly [name: string, answer: PersonApiAnswer, waits: readonly number[], said: RegExp][] = [
  ['too many requests', { status: 429 }, [375], /answers 429 \(too many requests\)/],
  ['Retry-After in seconds', { status: 429, headers: { 'retry-after': '7' } }, [7000], /429.*in 7\.0 s/],
  [
    'Retry-After as a date',
    { status: 503, headers: { 'retry-after': 'Thu, 07 May 2026 12:00:09 GMT' } },
    [9000],
    /503/,
  ],
  ['Retry-After in the past', { status: 503, headers: { 'retry-after': 'Thu, 07 May 2026 11:00:00 GMT' } }, [0], /503/],
  ['Retry-After that says nothing', { status: 429, headers: { 'retry-after': 'soon' } }, [375], /429/],
  ['server error', { status: 500 }, [375], /answers 500/],
  ['bad gateway as HTML', { status: 502, body: '<html>' }, [375], /answers 502/],
  ['HTML with status 200', { body: '<!doctype html><p>maintenance' }, [375], /an HTML page instead of JSON/],
  ['JSON cut off', { body: '{"results": [{"gen' }, [375], /not JSON, or cut off/],
  ['an error as JSON', { body: { error: 'Uh oh, something has gone wrong' } }, [375], /answers with an error/],
  ['another shape', { body: { people: [] } }, [375], /no "results"/],
  ['no object', { body: 'null' }, [375], /no "results"/],
  ['more people than a page may have', { body: { results: Array(5001).fill(0) } }, [375], /of up to 5000 people/],
  ['connection closed', { fault: 'close' }, [375], /no connection/],
];
for (const [name, answer, waits, said] of TRANSIENT)
  test(`asked again after: ${name}`, async (t) => {
    const asked = await serve(t, ({ number }) => (number === 1 ? answer : PAGE));
    const { people } = await fetchPage(asked.api, 1);
    assert.equal(people.length, 10);
    assert.equal(asked.requests.length, 2);
    assert.deepEqual(asked.waits, waits);
    assert.match(asked.said.join('\n'), said);
  });

/** The answer to every request, the number of requests, and the message of the error. */
const HOPELESS: readonly [name: string, answer: PersonApiAnswer, requests: number, reason: RegExp][] = [
  ['always 429', { status: 429 }, 6, /after 6 attempts: it answers 429/],
  ['always 500', { status: 500 }, 6, /after 6 attempts: it answers 500/],
  ['always HTML', { body: '<html>' }, 6, /after 6 attempts: .*HTML page/],
  ['always invalid JSON', { body: '{' }, 6, /after 6 attempts: .*not JSON/],
  ['not found', { status: 404 }, 1, /: it answers 404/],
  ['forbidden', { status: 403 }, 1, /: it answers 403/],
  ['Retry-After of a day', { status: 429, headers: { 'retry-after': '86400' } }, 1, /429/],
  ['redirects without end', { status: 302, headers: { location: '/api/' } }, 4, /from one address to the next/],
  ['redirect to nowhere', { status: 302, headers: { location: 'http://[' } }, 1, /from one address to the next/],
  [
    'redirect to another protocol',
    { status: 302, headers: { location: 'ftp://127.0.0.1/' } },
    1,
    /ftp:.* not encrypted/,
  ],
  ['too large an answer', { body: ' '.repeat(64_000_001) }, 1, /larger than 64000000 bytes/],
];
for (const [name, answer, requests, reason] of HOPELESS)
  test(`given up: ${name}`, async (t) => {
    const asked = await serve(t, () => answer);
    await assert.rejects(fetchPage(asked.api, 1), isDown(reason));
    assert.equal(asked.requests.length, requests);
  });

test('a service that never answers is given up', async (t) => {
  const asked = await serve(t, () => ({ fault: 'hang' }), { timeout_ms: 20 });
  await assert.rejects(fetchPage(asked.api, 1), isDown(/no complete answer in time/));
  // There are six requests. The service may not have seen one that timed out.
  assert.equal(asked.waits.length, 5);
});

test('a service that is not there is named', async (t) => {
  const server = await startPersonApi();
  await server.close();
  const { api } = await serve(t, undefined, { url: server.url });
  await assert.rejects(fetchPage(api, 1), isDown(/ECONNREFUSED/));
});

test('the pauses double up to a limit, of which chance leaves out up to a half', async (t) => {
  const least = await serve(t, () => ({ status: 500 }), { random: () => 0 });
  await assert.rejects(fetchPage(least.api, 1));
  assert.deepEqual(least.waits, [250, 500, 1000, 2000, 4000]);
});

test('the signal ends asking', async (t) => {
  const stop = new AbortController();
  const { api, requests } = await serve(t, () => ({ status: 500 }), {
    signal: stop.signal,
    sleep: async () => stop.abort(new Error('stopped')),
  });
  await assert.rejects(fetchPage(api, 1), /stopped/);
  assert.equal(requests.length, 1);
});

test('a redirect is followed', async (t) => {
  const { api, requests } = await serve(t, ({ number }) =>
    number === 1 ? { status: 307, headers: { location: '/elsewhere?results=10' } } : PAGE,
  );
  assert.equal((await fetchPage(api, 1)).people.length, 10);
  assert.equal(requests.length, 2);
});

test('a short page and an empty one are pages', async (t) => {
  const { api } = await serve(t, ({ page, seed }) => ({
    body: personPage({ seed, page, results: page === 1 ? 4 : 0 }),
  }));
  assert.equal((await fetchPage(api, 1)).people.length, 4);
  assert.deepEqual((await fetchPage(api, 2)).people, []);
});

test('a person of another shape is left out and reported without a value', async (t) => {
  const good = apiPerson('7', 0);
  const wrong = [
    null,
    { ...good, login: {} },
    { ...good, login: { uuid: 'planted secret' } },
    { ...good, dob: { date: 'planted' } },
    { ...good, location: { ...good.location, state: 'planted\u0000' } },
    { ...good, location: { ...good.location, state: ' ' } },
    { ...good, email: 'planted'.repeat(100) },
    { ...good, name: 'planted' },
    { ...good, registered: { age: -1 } },
    { ...good, cell: '\ud800' },
  ];
  const { api } = await serve(t, () => ({ body: { results: [...wrong, good] } }));
  const { people, problems } = await fetchPage(api, 2);
  assert.equal(people.length, 1);
  assert.deepEqual(
    problems.map(({ line, column }) => [line, column]),
    [
      [1, null],
      [2, 'login.uuid'],
      [3, 'login.uuid'],
      [4, 'dob.date'],
      [5, 'location.state'],
      [6, 'location.state'],
      [7, 'email'],
      [8, 'name'],
      [9, 'registered.age'],
      [10, 'cell'],
    ],
  );
  assert.match(problems[0]!.file, /^http:\/\/127\.0\.0\.1:\d+\/api\/ page 2$/);
  assert.doesNotMatch(JSON.stringify(problems), /planted/);
});

test('candidates have different names and photos, and are not on the roll', async (t) => {
  const { api, requests } = await serve(t);
  const candidates = await fetchCandidates(api, 3);
  assert.equal(new Set(candidates.map(({ name }) => name)).size, 3);
  for (const { name, photo } of candidates) {
    assert.match(name, /^\S+ \S+/);
    assert.match(photo!, /^https:\/\//);
  }
  assert.ok(requests.every(({ seed }) => seed === '7-candidates'));
});

test('too few candidates are an error', async (t) => {
  const { api } = await serve(t, () => ({ body: { results: [apiPerson('7', 0)] } }));
  await assert.rejects(fetchCandidates(api, 3), isDown(/1 different people with a name, and 3 candidates/));
});

const ADDRESSES: readonly [text: string, verdict: 'taken' | 'refused'][] = [
  ['https://randomuser.me/api/', 'taken'],
  ['http://127.0.0.1:8080/api?nat=gb', 'taken'],
  ['randomuser.me/api', 'refused'],
  ['file:///etc/passwd', 'refused'],
  ['https://user:secret@example.com/', 'refused'],
  ['', 'refused'],
];
for (const [text, verdict] of ADDRESSES)
  test(`--api "${text}" is ${verdict}`, () => {
    if (verdict === 'taken') assert.equal(parseApiUrl(text).href.startsWith('http'), true);
    else assert.throws(() => parseApiUrl(text), { code: 'USAGE' });
  });
