import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { feedOf, stateWhere } from '../../test/support/feed.ts';
import { TestCount, testElection } from '../../test/support/test-count.ts';
import { startServer } from './server.ts';

test('a reader that takes none of its documents is cut off', async (context) => {
  const count = new TestCount(testElection({ locations: 500, location_id_length: 1_000 }));
  const controller = new AbortController();
  const feed = feedOf(count.log, controller.signal);
  count.define();
  count.flush();
  await stateWhere(feed, ({ results }) => results.is_counted);
  const server = await startServer({ port: 0, results: feed, page: '/nowhere', silent_ms: 500 });
  context.after(async () => {
    await server.close();
    controller.abort();
    await feed.done;
  });
  const ended = Promise.withResolvers<void>();
  const socket = connect({ port: server.port, host: '127.0.0.1' }).on('error', () => ended.resolve());
  context.after(() => socket.destroy());
  socket.pause();
  const request = 'GET /api/results HTTP/1.1\r\nHost: test\r\n\r\n';
  // More documents than the system takes by itself. A write to an end that is gone fails.
  socket.write(request.repeat(40));
  const asking = setInterval(() => socket.write(request), 50);
  context.after(() => clearInterval(asking));
  await ended.promise;
  assert.equal(socket.readableFlowing, false);
});
