import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type RunningServer, startServer } from '../../src/server/server.ts';
import { feedOf, stateWhere } from '../support/feed.ts';
import { builtPage, noBrowser, openBrowser } from '../support/page.ts';
import { TestCount, testElection } from '../support/test-count.ts';

/** An answer that a cache keeps. */
interface Stored {
  readonly etag: string;
  readonly headers: Record<string, string>;
  readonly content: Buffer;
}

/**
 * A shared cache between pages and a dashboard: it keeps each answer that has a tag, asks whether
 * it is still the newest, and answers from its store after a 304. `turnTo` puts another dashboard
 * behind it, and its store stays.
 */
async function startCache(context: TestContext, first: RunningServer) {
  const stored = new Map<string, Stored>();
  const counts = { fromStore: 0 };
  const streams = new Set<AbortController>();
  let behind = first;
  const server = createServer(async (request, response) => {
    const controller = new AbortController();
    streams.add(controller);
    response.on('close', () => {
      streams.delete(controller);
      controller.abort();
    });
    try {
      const path = request.url ?? '/';
      const known = stored.get(path);
      const tags = known === undefined ? {} : { 'if-none-match': known.etag };
      const headers = { ...passedOn(request.headers), ...tags };
      const answer = await fetch(new URL(path, behind.url), { headers, signal: controller.signal });
      if (answer.status === 304 && known !== undefined) {
        counts.fromStore++;
        const isKnown = request.headers['if-none-match'] === known.etag;
        response.writeHead(isKnown ? 304 : 200, known.headers).end(isKnown ? undefined : known.content);
        return;
      }
      const kept = Object.fromEntries(
        [...answer.headers].filter(
          ([name]) => !/^(content-(encoding|length)|transfer-encoding|connection|keep-alive)$/.test(name),
        ),
      );
      response.writeHead(answer.status, kept);
      const etag = answer.headers.get('etag');
      if (etag === null) {
        for await (const chunk of answer.body ?? []) response.write(chunk);
        response.end();
      } else {
        const content = Buffer.from(await answer.arrayBuffer());
        stored.set(path, { etag, headers: kept, content });
        response.end(content);
      }
    } catch {
      response.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const turnTo = (next: RunningServer): void => {
    behind = next;
    for (const stream of streams) stream.abort();
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, counts, turnTo };
}

/** The headers of a page that a dashboard answers by; the cache asks with a tag of its own. */
const passedOn = (headers: IncomingHttpHeaders): Record<string, string> =>
  headers['last-event-id'] === undefined ? {} : { 'last-event-id': String(headers['last-event-id']) };

/** A dashboard of an election made from the same definition, with seven votes for a candidate. */
async function startDashboard(context: TestContext, instance: string, winner: number): Promise<RunningServer> {
  const count = new TestCount(testElection());
  count.define({ instance });
  count.flush();
  count.cast(0, [winner], 7);
  count.flush();
  const controller = new AbortController();
  const feed = feedOf(count.log, controller.signal);
  await stateWhere(feed, ({ results }) => results.sequence === 7);
  const server = await startServer({ port: 0, results: feed, page: await builtPage() });
  context.after(async () => {
    await server.close();
    controller.abort();
    await feed.done;
  });
  return server;
}

const leads = (page: Page, name: string): Promise<void> =>
  page.locator('[data-leader=one] .name').filter({ hasText: name }).first().waitFor();

describe('a cache between the page and two elections of the same files', { skip: noBrowser() }, () => {
  test('an open, a reloaded and a new page, and the document, show the new winner', async (context) => {
    const first = await startDashboard(context, 'a'.repeat(32), 0);
    const second = await startDashboard(context, 'b'.repeat(32), 1);
    const cache = await startCache(context, first);
    const browser = await openBrowser();
    context.after(() => browser.close());
    const page = await browser.context.newPage();
    await page.goto(cache.url);
    await leads(page, 'Ada');
    // The cache does answer from its store.
    const results = new URL('/api/results', cache.url);
    const before = await (await fetch(results)).text();
    assert.equal(await (await fetch(results)).text(), before);
    assert.ok(cache.counts.fromStore > 0);
    cache.turnTo(second);
    await leads(page, 'Ben');
    await page.reload();
    await leads(page, 'Ben');
    const opened = await browser.context.newPage();
    await opened.goto(cache.url);
    await leads(opened, 'Ben');
    const after = await (await fetch(results)).text();
    assert.equal(after, await (await fetch(new URL('/api/results', second.url))).text());
    assert.notEqual(after, before);
  });
});
