import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, IncomingMessage, ServerResponse } from 'node:http';
import { connect, Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { createGunzip, gunzipSync } from 'node:zlib';
import { feedOf, stateWhere } from '../../test/support/feed.ts';
import { TestCount, type TestElectionShape, testElection } from '../../test/support/test-count.ts';
import { OperationalError } from '../base/errors.ts';
import type { Results } from '../domain/results/results.ts';
import { createFeed } from '../live/results-feed.ts';
import { type Admission, Hub, type HubOptions, VIEWERS_PER_ADDRESS_MAX } from './hub.ts';
import { startServer } from './server.ts';

/** A served election of one location's ballots; everything ends with the test. */
async function serve(context: TestContext, shape?: TestElectionShape | null, viewers: HubOptions = {}) {
  const count = new TestCount(testElection(shape ?? {}));
  const controller = new AbortController();
  const feed = feedOf(count.log, controller.signal);
  if (shape !== null) {
    count.define();
    count.cast(0, [1], 5);
    count.flush();
    await stateWhere(feed, ({ results }) => results.sequence === 5);
  }
  const server = await startServer({ port: 0, results: feed, page: '/nowhere', viewers });
  context.after(async () => {
    await server.close();
    controller.abort();
    await feed.done;
  });
  const vote = async (location: number, ballots: number) => {
    count.cast(location, [1], ballots);
    count.flush();
    const expected = count.tally.ballots.reduce((sum, each) => sum + each, 0);
    await stateWhere(feed, ({ results }) => results.sequence === expected);
  };
  return { count, feed, server, vote, at: (path: string) => new URL(path, server.url) };
}

/** A hub without a server. @returns what connects a viewer from any address. */
function openHub(context: TestContext, options: HubOptions): (remoteAddress: string) => [Admission, ServerResponse] {
  const controller = new AbortController();
  const feed = feedOf(new TestCount(testElection()).log, controller.signal);
  const hub = new Hub(feed, options);
  context.after(async () => {
    hub.close();
    controller.abort();
    await feed.done;
  });
  return (remoteAddress) => {
    const request = new IncomingMessage(new Socket());
    Object.defineProperty(request.socket, 'remoteAddress', { value: remoteAddress });
    const response = new ServerResponse(request);
    return [hub.connect(request, response), response];
  };
}

const jsonOf = async <Shape>(response: Response): Promise<Shape> => (await response.json()) as Shape;

/** Opens the event stream and hands out one event after another, without heartbeats. */
async function openEvents(context: TestContext, url: URL, headers: Record<string, string> = {}) {
  const request = get(url, { headers });
  context.after(() => request.destroy());
  const [response]: IncomingMessage[] = (await once(request, 'response')) as IncomingMessage[];
  const isPacked = response!.headers['content-encoding'] === 'gzip';
  const text = isPacked ? response!.pipe(createGunzip()) : response!;
  const chunks = text.setEncoding('utf8')[Symbol.asyncIterator]();
  let rest = '';
  const next = async (): Promise<{
    id: string;
    event: string;
    data: { locations?: unknown[] } & Record<string, unknown>;
  }> => {
    for (;;) {
      const end = rest.indexOf('\n\n');
      if (end === -1) {
        const { done, value } = await chunks.next();
        assert.ok(!done, 'the stream ended');
        rest += value;
        continue;
      }
      const lines = rest.slice(0, end).split('\n');
      rest = rest.slice(end + 2);
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
      if (field('event') !== '') return { id: field('id'), event: field('event'), data: JSON.parse(field('data')) };
    }
  };
  return { response: response!, isPacked, next };
}

describe('sloppy proxies', () => {
  for (const path of ['//api/results', '/api//results', '///api///results?x=//y'])
    test(`${path} is answered as one address`, async (context) => {
      const { server } = await serve(context);
      const request = get({ host: '127.0.0.1', port: server.port, path });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      assert.equal(response.statusCode, 200);
      assert.match(response.headers['content-type']!, /json/);
    });

  test('a text that is not an address is 400', async (context) => {
    const { server } = await serve(context);
    const request = get({ host: '127.0.0.1', port: server.port, path: 'http://' });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 400);
  });

  test('gzip that is refused by its weight is not sent: neither documents nor events', async (context) => {
    const { at, server } = await serve(context, { locations: 200 });
    const headers = { 'accept-encoding': 'gzip;q=0' };
    const request = get({ host: '127.0.0.1', port: server.port, path: '/api/results', headers });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    assert.equal(response.headers['content-encoding'], undefined);
    assert.equal((await openEvents(context, at('/api/events'), headers)).isPacked, false);
  });
});

describe('the snapshot', () => {
  test('is the results document, with an ETag that answers 304 until something changes', async (context) => {
    const { at, feed, vote } = await serve(context);
    const first = await fetch(at('/api/results'));
    assert.deepEqual(await first.json(), JSON.parse(JSON.stringify(feed.state()!.results)));
    const etag = first.headers.get('etag')!;
    assert.equal(etag, `"${feed.state()!.id}-sound-json"`);
    assert.equal(first.headers.get('tallyroom-event-id'), feed.state()!.id);
    const known = { headers: { 'if-none-match': `"other", W/${etag}` } };
    assert.equal((await fetch(at('/api/results'), known)).status, 304);
    await vote(1, 2);
    const { body } = await nextState(at, known, 7);
    assert.equal(body.totals.ballots_cast, 7);
  });

  test('is the same when compressed, for a client that accepts gzip', async (context) => {
    const { at, feed } = await serve(context, { locations: 50 });
    const request = get(at('/api/results'), { headers: { 'accept-encoding': 'gzip' } });
    const [response]: IncomingMessage[] = (await once(request, 'response')) as IncomingMessage[];
    assert.equal(response!.headers['content-encoding'], 'gzip');
    const content = Buffer.concat(await response!.toArray());
    assert.equal(gunzipSync(content).toString(), JSON.stringify(feed.state()!.results));
  });

  test('as CSV', async (context) => {
    const { at } = await serve(context);
    const text = await (await fetch(at('/api/results.csv'))).text();
    assert.match(text, /\ncontest-1,L0001,Ward 1,city,The city,Ben,Ben party,5\n/);
  });
});

/** A tick may still be waiting for its turn: asks until the sequence is there. */
async function nextState(at: (path: string) => URL, init: RequestInit, sequence: number) {
  for (;;) {
    const response = await fetch(at('/api/results'), init);
    if (response.status === 200) {
      const body = await jsonOf<Results>(response);
      if (body.sequence === sequence) return { response, body };
    }
  }
}

describe('the event stream', () => {
  for (const encoding of ['gzip', 'identity'])
    test(`carries every change at once, ${encoding}`, async (context) => {
      const { at, vote, feed } = await serve(context);
      const events = await openEvents(context, at('/api/events'), { 'accept-encoding': encoding });
      assert.equal(events.isPacked, encoding === 'gzip');
      assert.equal(events.response.headers['content-type'], 'text/event-stream; charset=utf-8');
      assert.deepEqual(await events.next(), { id: feed.state()!.id, event: 'resync', data: { sequence: 5 } });
      await vote(1, 2);
      const update = await events.next();
      assert.deepEqual([update.event, update.id, update.data.sequence], ['update', feed.state()!.id, 7]);
      assert.deepEqual(update.data.locations, [['L0002', 2, 0, 2, 0]]);
    });

  test('goes on after the last id, with everything since then in one event', async (context) => {
    const { at, vote } = await serve(context);
    const listener = await openEvents(context, at('/api/events'));
    await listener.next();
    const ids: string[] = [];
    for (const location of [1, 2, 1]) {
      await vote(location, 2);
      ids.push((await listener.next()).id);
    }
    const [first, , last] = ids as [string, string, string];
    const events = await openEvents(context, at('/api/events'), { 'last-event-id': first });
    const update = await events.next();
    assert.deepEqual([update.event, update.id], ['update', last]);
    assert.deepEqual(update.data.locations, [
      ['L0002', 4, 0, 4, 0],
      ['L0003', 2, 0, 2, 0],
    ]);
    const current = await openEvents(context, at('/api/events'), { 'last-event-id': last });
    assert.deepEqual((await current.next()).data.locations, []);
  });

  for (const [kind, id] of [
    ['unknown', (id: string) => `${id}0`],
    ['of another election', (id: string) => `${'0'.repeat(32)}${id.slice(32)}`],
    ['not an id at all', () => 'x'],
  ] as const)
    test(`sends a viewer to the snapshot: its last id is ${kind}`, async (context) => {
      const { at, feed } = await serve(context);
      const events = await openEvents(context, at('/api/events'), { 'last-event-id': id(feed.state()!.id) });
      assert.equal((await events.next()).event, 'resync');
    });

  test('sends a viewer to the snapshot: too many locations changed while it was away', async (context) => {
    const { at, count, feed } = await serve(context, { locations: 600 });
    const listener = await openEvents(context, at('/api/events'));
    const { id } = await listener.next();
    for (let location = 0; location < 600; location++) count.cast(location, [0], 1);
    count.flush();
    await stateWhere(feed, ({ results }) => results.sequence === 605);
    assert.equal((await listener.next()).data.locations?.length, 600);
    const events = await openEvents(context, at('/api/events'), { 'last-event-id': id });
    assert.equal((await events.next()).event, 'resync');
  });

  test('a state of topics that were made again is fetched whole, though its id is lower', async (context) => {
    const { feed: source } = await serve(context);
    const shown = source.state()!;
    const feed = createFeed();
    const [instance] = shown.id.split('.');
    feed.show({ state: { ...shown, id: `${instance}.1.1.90` }, trouble: null });
    const server = await startServer({ port: 0, results: feed, page: '/nowhere' });
    context.after(() => server.close());
    const events = await openEvents(context, new URL('/api/events', server.url));
    await events.next();
    const lower = `${instance}.1.1.2`;
    feed.show({ state: { ...shown, id: lower, results: { ...shown.results, sequence: 1 } }, trouble: null });
    const { event, id } = await events.next();
    assert.deepEqual([event, id], ['resync', lower]);
  });

  test('waits for the definition, then says that there is something to fetch', async (context) => {
    const { at, count, feed } = await serve(context, null);
    const events = await openEvents(context, at('/api/events'));
    count.define();
    const { id, event, data } = await events.next();
    assert.deepEqual([id, event, data], [feed.state()!.id, 'resync', { sequence: 0 }]);
  });

  test('tells why a state is held', async (context) => {
    const { at, count } = await serve(context);
    const events = await openEvents(context, at('/api/events'));
    await events.next();
    count.cast(0, [0], 1);
    count.flush({ definition: 'another' });
    const update = await events.next();
    assert.match(String(update.data.held), /another definition/);
    assert.equal(update.data.sequence, 5);
    const metrics = await (await fetch(at('/metrics'))).text();
    assert.match(metrics, /\ntallyroom_held\{reason="The count follows another definition/);
  });

  test('a viewer that does not read is skipped, takes a bounded buffer, and is resynced afterwards', async (context) => {
    // Frames of half a megabyte soon fill the kernel's buffers.
    const LOCATIONS = 500;
    const { at, count, feed, server } = await serve(context, { locations: LOCATIONS, location_id_length: 1_000 });
    const metric = async (name: string): Promise<number> => {
      const text = await (await fetch(at('/metrics'))).text();
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    };
    const stalled = connect({ port: server.port, host: '127.0.0.1' });
    context.after(() => stalled.destroy());
    stalled.pause();
    stalled.write('GET /api/events HTTP/1.1\r\nHost: test\r\n\r\n');
    const listener = await openEvents(context, at('/api/events'));
    await listener.next();
    let sequence = 5;
    while ((await metric('tallyroom_frames_skipped_total')) === 0) {
      for (let location = 0; location < LOCATIONS; location++) count.cast(location, [0], 1);
      count.flush();
      sequence += LOCATIONS;
      await stateWhere(feed, ({ results }) => results.sequence === sequence);
      await listener.next();
    }
    let tail = '';
    let isResynced = false;
    stalled.setEncoding('utf8').on('data', (chunk: string) => {
      tail += chunk;
      // The first one, of sequence 5, is the welcome.
      for (const [, sent] of tail.matchAll(/event: resync\ndata: \{"sequence":(\d+)\}/g))
        isResynced ||= Number(sent) > 5;
      tail = tail.slice(-100);
    });
    stalled.resume();
    while (!isResynced) {
      count.cast(0, [0], 1);
      count.flush();
      await listener.next();
    }
    assert.equal(await metric('tallyroom_viewers'), 2);
  });

  test('a viewer that never reads is dropped; one that reads stays', async (context) => {
    const LOCATIONS = 500;
    const shape = { locations: LOCATIONS, location_id_length: 1_000 };
    const { at, count, feed, server } = await serve(context, shape, { heartbeat_ms: 20, stalled_ms: 500 });
    const stalled = connect({ port: server.port, host: '127.0.0.1' });
    context.after(() => stalled.destroy());
    stalled.on('error', () => {});
    stalled.pause();
    stalled.write('GET /api/events HTTP/1.1\r\nHost: test\r\n\r\n');
    const listener = await openEvents(context, at('/api/events'));
    await listener.next();
    const metrics = async (): Promise<string> => (await fetch(at('/metrics'))).text();
    for (
      let sequence = 5 + LOCATIONS;
      !/^tallyroom_viewers_dropped_total 1$/m.test(await metrics());
      sequence += LOCATIONS
    ) {
      for (let location = 0; location < LOCATIONS; location++) count.cast(location, [0], 1);
      count.flush();
      await stateWhere(feed, ({ results }) => results.sequence === sequence);
      await listener.next();
    }
    assert.match(await metrics(), /^tallyroom_viewers 1$/m);
  });

  test('one address cannot take every place; this machine and proxies may', (context) => {
    const connectFrom = openHub(context, { proxies: ['10.0.0.9'] });
    const responses = Array.from({ length: VIEWERS_PER_ADDRESS_MAX }, () => connectFrom('::ffff:10.0.0.1')[1]);
    assert.equal(connectFrom('10.0.0.1')[0], 'too-many-from-address');
    for (const other of ['10.0.0.2', '127.0.0.1', '::1']) assert.equal(connectFrom(other)[0], 'in');
    for (let i = 0; i <= VIEWERS_PER_ADDRESS_MAX; i++) assert.equal(connectFrom('10.0.0.9')[0], 'in');
    responses[0]!.emit('close');
    assert.equal(connectFrom('10.0.0.1')[0], 'in');
  });

  test('memory is given back once, after a crowd has left', async (context) => {
    const before = globalThis.gc;
    context.after(() => {
      globalThis.gc = before;
    });
    const collected = context.mock.fn(async () => {});
    globalThis.gc = collected as unknown as NodeJS.GCFunction;
    const connectFrom = openHub(context, { heartbeat_ms: 5 });
    const beats = () => new Promise((resolve) => setTimeout(resolve, 60));
    const crowd = Array.from({ length: 2_000 }, () => connectFrom('127.0.0.1')[1]);
    for (const response of crowd.slice(0, 999)) response.emit('close');
    await beats();
    assert.equal(collected.mock.callCount(), 0, '1,001 of 2,000 are still here');
    crowd[999]!.emit('close');
    while (collected.mock.callCount() === 0) await beats();
    for (const response of crowd.slice(1_000, 1_900)) response.emit('close');
    await beats();
    assert.equal(collected.mock.callCount(), 1, '900 more are no crowd');
  });

  test('more viewers than are served at once: each gets each change once, in order', async (context) => {
    const VIEWERS = 600;
    const CHANGES = 20;
    const { server, count, feed } = await serve(context);
    const received: string[] = Array.from({ length: VIEWERS }, () => '');
    const sockets = received.map((_, viewer) => {
      const socket = connect({ port: server.port, host: '127.0.0.1' }).setEncoding('utf8');
      context.after(() => socket.destroy());
      socket.on('data', (text: string) => {
        received[viewer] += text;
      });
      socket.write('GET /api/events HTTP/1.1\r\nHost: test\r\n\r\n');
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, 'data')));
    for (let change = 1; change <= CHANGES; change++) {
      count.cast(0, [1], 1);
      count.flush();
      await stateWhere(feed, ({ results }) => results.sequence === 5 + change);
    }
    const { id } = feed.state()!;
    while (!received.every((text) => text.includes(`id: ${id}\n`)))
      await new Promise((resolve) => setTimeout(resolve, 5));
    for (const text of received) {
      const offsets = [...text.matchAll(/^id: \S*\.(\d+)$/gm)].map(([, offset]) => Number(offset));
      assert.deepEqual(
        offsets,
        [...new Set(offsets)].sort((left, right) => left - right),
      );
    }
  });

  test('a viewer that leaves is forgotten', async (context) => {
    const { at } = await serve(context);
    const controller = new AbortController();
    await fetch(at('/api/events'), { signal: controller.signal });
    const viewers = async () => /^tallyroom_viewers (\d+)$/m.exec(await (await fetch(at('/metrics'))).text())?.[1];
    assert.equal(await viewers(), '1');
    controller.abort();
    while ((await viewers()) !== '0');
  });
});

describe('the rest', () => {
  test('before the definition: alive, not ready, and says so', async (context) => {
    const { at } = await serve(context, null);
    assert.equal((await fetch(at('/healthz'))).status, 200);
    for (const path of ['/readyz', '/api/results', '/api/results.csv']) {
      const response = await fetch(at(path));
      assert.equal(response.status, 503);
      assert.equal((await jsonOf<{ error: { code: string } }>(response)).error.code, 'WAITING');
    }
  });

  for (const [method, path, status] of [
    ['GET', '/readyz', 200],
    ['HEAD', '/api/results', 200],
    ['HEAD', '/api/events', 200],
    ['POST', '/api/results', 405],
    ['GET', '/', 503],
    ['GET', '/api/nothing', 404],
    ['GET', '/../../package.json', 404],
    ['GET', '//', 503],
    ['GET', '/api/photo?contest=contest-1&candidate=Ada', 200],
    ['GET', '/api/photo?contest=contest-1&candidate=nobody', 404],
  ] as const)
    test(`${method} ${path}: ${status}`, async (context) => {
      const { at, server } = await serve(context);
      const response = await fetch(path === '//' ? `${server.url}/` : at(path), { method });
      assert.equal(response.status, status);
      assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/);
      await response.body?.cancel();
    });

  test('a picture is an image and nothing that runs', async (context) => {
    const { at } = await serve(context);
    const response = await fetch(at('/api/photo?contest=contest-1&candidate=Ada'));
    assert.equal(response.headers.get('content-type'), 'image/svg+xml');
    assert.match(response.headers.get('content-security-policy') ?? '', /sandbox/);
    assert.match(await response.text(), /^<svg .*<\/svg>$/);
  });

  test('metrics are in the Prometheus text format', async (context) => {
    const { at } = await serve(context);
    const text = await (await fetch(at('/metrics'))).text();
    for (const line of text.trim().split('\n'))
      assert.match(line, /^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{.*\})? [\d.e+]+)$/);
    assert.match(text, /^tallyroom_votes_counted 5$/m);
    assert.match(text, /^tallyroom_held 0$/m);
  });

  test('the API describes every address it has', async (context) => {
    const { at } = await serve(context);
    const { paths } = await jsonOf<{ paths: object }>(await fetch(at('/api/openapi.json')));
    for (const path of Object.keys(paths)) {
      const response = await fetch(at(path), { method: 'HEAD' });
      assert.notEqual(response.status, 405, path);
      assert.ok(response.status !== 404 || path === '/api/photo', path);
    }
    assert.ok(Object.keys(paths).includes('/api/events'));
  });

  test('a port in use is refused by name, with the way out', async (context) => {
    const { server, feed } = await serve(context);
    await assert.rejects(startServer({ port: server.port, results: feed }), (error) => {
      assert.ok(error instanceof OperationalError);
      assert.equal(error.code, 'PORT_IN_USE');
      assert.match(error.message, new RegExp(`Port ${server.port} `));
      assert.match(error.nextStep, /--port 0/);
      return true;
    });
  });
});
