/// <reference lib="dom" />
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { type RunningServer, startServer } from '../../src/server/server.ts';
import { feedOf, stateWhere } from '../support/feed.ts';
import { type Browser, builtPage, noBrowser, openBrowser } from '../support/page.ts';
import { freePort } from '../support/ports.ts';
import { TestCount, type TestElectionShape, testElection } from '../support/test-count.ts';

describe('the page', { skip: noBrowser() }, () => {
  let browser: Browser;
  let files: string;
  before(async () => {
    files = await builtPage();
    browser = await openBrowser();
  });
  after(() => browser?.close());

  /** An election's page, open. A JavaScript error on it fails the test. */
  async function open(context: TestContext, shape: TestElectionShape | null = {}) {
    const count = new TestCount(testElection(shape ?? {}));
    const controller = new AbortController();
    const feed = feedOf(count.log, controller.signal);
    if (shape !== null) {
      count.define();
      count.flush();
      await stateWhere(feed, ({ results }) => results.is_counted);
    }
    let server: RunningServer = await startServer({ port: await freePort(), results: feed, page: files });
    const page = await browser.context.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) errors.push(message.text());
    });
    context.after(async () => {
      await page.close();
      await server.close();
      controller.abort();
      await feed.done;
      assert.deepEqual(errors, []);
    });
    await page.goto(server.url);
    const stop = () => server.close();
    const restart = async () => {
      server = await startServer({ port: server.port, results: feed, page: files });
    };
    return { page, count, stop, restart };
  }

  const shows = (page: Page, selector: string, text: string | RegExp) =>
    page.locator(selector).filter({ hasText: text }).first().waitFor();
  const rowsOf = (page: Page, column: number) =>
    page.locator(`table.locations tbody tr > :nth-child(${column})`).allInnerTexts();
  const firstRow = (page: Page, text: string) => shows(page, 'table.locations tbody tr:first-child', text);

  test('waits for the election, then shows it at zero', async (context) => {
    const { page, count } = await open(context, null);
    await shows(page, 'h1', 'There is nothing to show yet');
    await shows(page, '.waiting', 'The election is not defined yet.');
    count.define();
    await shows(page, 'h1', 'Council 2026');
    await shows(page, '.note', 'Test election');
    await shows(page, '.note', 'Counting has not begun.');
    await shows(page, '.not-begun li', 'Ada');
    // No count is published, so there is not a single number but the year.
    assert.doesNotMatch((await page.locator('main').innerText()).replaceAll('2026', ''), /\d/);
    count.flush();
    await shows(page, '.badge', 'No votes counted yet');
    await page.locator('[data-leader=none]').waitFor();
    assert.deepEqual(await page.locator('table.candidates tbody td.number').allInnerTexts(), [
      ...['0', '—', '—', '0', '—', '—', '0', '—', '—'],
    ]);
    assert.doesNotMatch(await page.locator('body').innerText(), /NaN|undefined|null/);
  });

  test('shows votes as they are counted, without a reload', async (context) => {
    const { page, count } = await open(context);
    await page.locator('[data-leader=none]').waitFor();
    await page.evaluate('document.body.dataset.notReloaded = "yes"');
    count.cast(0, [1], 300);
    count.cast(1, [0], 100);
    count.flush();
    await shows(page, '[data-leader=one] .name', 'Ben');
    await shows(page, '[data-leader=one]', '200 votes ahead of Ada (50.0 pts)');
    await shows(page, '[data-figure=ballots]', '400');
    await shows(page, '[data-figure=turnout]', '13.3%');
    await shows(page, '[data-figure=locations]', '2 of 3');
    await shows(page, '.centre', '400');
    await shows(page, '[data-figure=voters]', '3,000');
    await shows(page, '[data-figure=candidates]', '3');
    const changed = await page.locator('.changed time').getAttribute('dateTime');
    // The first bar is full, and the second is a third of it. The donut has three quarters and one
    // quarter, less the gap.
    const widths = await page
      .locator('.bars .fill')
      .evaluateAll((bars) => bars.map((bar) => Number(bar.getAttribute('width'))));
    assert.deepEqual(widths.map(Math.round), [100, 33, 0]);
    const slices = await page
      .locator('.donut .slice')
      .evaluateAll((circles) =>
        circles.map((circle) => Number.parseFloat(circle.getAttribute('stroke-dasharray') ?? '')),
      );
    assert.deepEqual(slices, [74.5, 24.5, 0]);
    await page.waitForFunction('document.querySelector(".one img")?.naturalWidth');
    count.cast(2, [0], 500);
    count.flush();
    await shows(page, '[data-leader=one] .name', 'Ada');
    assert.notEqual(await page.locator('.changed time').getAttribute('dateTime'), changed);
    count.end();
    await shows(page, '.badge', 'all votes counted');
    assert.equal(await page.locator('body').getAttribute('data-not-reloaded'), 'yes');
  });

  test('results that are not a sound count are not shown, and the page says why', async (context) => {
    const { page, count } = await open(context, null);
    count.define();
    count.cast(0, [1], 5);
    const records = count.flushRecords();
    count.log.append(records.filter(({ key }) => key !== 'location:L0001'));
    await shows(page, '.waiting', /covers 5 ballots but its locations add up to 0/);
    await page.reload();
    await shows(page, '.waiting', /not a sound count/);
    count.log.append(records);
    await shows(page, '[data-leader=one] .name', 'Ben');
  });

  test('an election that was begun anew is not taken for the one before', async (context) => {
    const first = await open(context);
    first.count.cast(0, [0], 7);
    first.count.flush();
    await shows(first.page, '[data-leader=one] .name', 'Ada');
    const address = first.page.url();
    const known = await fetch(`${address}api/results`);
    const etag = known.headers.get('etag') ?? '';
    await first.stop();
    // The same definition, as many votes, the same epoch and offsets: all for somebody else.
    const again = new TestCount(testElection());
    again.define({ instance: 'b'.repeat(32) });
    again.flush();
    again.cast(0, [1], 7);
    again.flush();
    const controller = new AbortController();
    const feed = feedOf(again.log, controller.signal);
    await stateWhere(feed, ({ results }) => results.sequence === 7);
    const server = await startServer({ port: Number(new URL(address).port), results: feed, page: files });
    context.after(async () => {
      await server.close();
      controller.abort();
    });
    await shows(first.page, '[data-leader=one] .name', 'Ben');
    await first.page.reload();
    await shows(first.page, '[data-leader=one] .name', 'Ben');
    const page = await browser.context.newPage();
    await page.goto(address);
    await shows(page, '[data-leader=one] .name', 'Ben');
    await page.close();
    assert.equal((await fetch(`${address}api/results`, { headers: { 'if-none-match': etag } })).status, 200);
    const stream = new AbortController();
    const events = await fetch(`${address}api/events`, {
      headers: { 'last-event-id': known.headers.get('tallyroom-event-id') ?? '' },
      signal: stream.signal,
    });
    const { value } = await events.body!.getReader().read();
    assert.match(new TextDecoder().decode(value), /event: resync/);
    stream.abort();
  });

  test('a name that reads from right to left turns no figure and no word beside it', async (context) => {
    const { page, count } = await open(context, { contests: [['דוד', 'Ada']] });
    count.cast(0, [0], 1);
    count.flush();
    await shows(page, '[data-leader=one] .votes', /^1 vote$/);
    await shows(page, '[data-leader=one] .margin', '1 vote ahead of Ada');
    for (const selector of ['[data-leader=one] .name', 'table.candidates tbody th', '.bars .name'])
      assert.equal(await page.locator(`${selector} bdi`).first().innerText(), 'דוד');
    // Beside the name, as it is painted: the mark stands to its right.
    const [name, mark] = await Promise.all(
      ['bdi', '.mark'].map((each) => page.locator(`table.candidates tbody th ${each}`).first().boundingBox()),
    );
    assert.ok(name!.x < mark!.x);
  });

  test('a tie shows all of it', async (context) => {
    const { page, count } = await open(context, { registered_voters: null });
    count.cast(0, [0], 7);
    count.cast(1, [2], 7);
    count.flush();
    await shows(page, '[data-leader=tie] h2', 'Tie');
    assert.deepEqual(await page.locator('[data-leader=tie] .name').allInnerTexts(), ['Ada', 'Cleo']);
    assert.equal(await page.locator('[data-figure=turnout] .value').getAttribute('title').then(Boolean), true);
    await shows(page, '[data-figure=turnout]', '—');
  });

  test('a lost connection is shown, the numbers stay, and the page reconnects by itself', async (context) => {
    const { page, count, stop, restart } = await open(context);
    count.cast(0, [1], 300);
    count.flush();
    await shows(page, '[data-figure=ballots]', '300');
    await stop();
    await shows(page, '[data-note=connection]', /Reconnecting|Connection lost/);
    await shows(page, '[data-note=connection]', /Connection lost.*Last contact \d+\ss ago/);
    await page.locator('.is-stale').waitFor();
    await shows(page, '[data-figure=ballots]', '300');
    count.cast(0, [1], 1);
    count.flush();
    await restart();
    await shows(page, '[data-figure=ballots]', '301');
    await page.locator('[data-connection=live]').waitFor();
    assert.equal(await page.locator('[data-note=connection]').count(), 0);
  });

  test('a state that is held back is shown as such', async (context) => {
    const { page, count } = await open(context);
    await shows(page, '[data-figure=ballots]', '0');
    count.cast(0, [1], 1);
    count.flush({ definition: 'another' });
    await shows(page, '.note.is-warning', 'another definition');
    count.flush();
    await shows(page, '[data-figure=ballots]', '1');
    await page.locator('.note.is-warning').waitFor({ state: 'detached' });
  });

  test('pause stops the numbers, resume shows the newest', async (context) => {
    const { page, count } = await open(context);
    count.cast(0, [1], 3);
    count.flush();
    await shows(page, '[data-figure=ballots] .value', /^3$/);
    await page.getByRole('button', { name: 'Pause' }).click();
    count.cast(0, [1], 4);
    count.flush();
    await shows(page, '.pause', '1 new');
    assert.equal(await page.locator('[data-figure=ballots] .value').innerText(), '3');
    await page.getByRole('button', { name: 'Resume' }).click();
    await shows(page, '[data-figure=ballots] .value', /^7$/);
  });

  test('a slower rate shows several updates together', async (context) => {
    const { page, count } = await open(context);
    await page.clock.install();
    await page.reload();
    await page.clock.runFor(1_000);
    await shows(page, '[data-figure=ballots] .value', /^0$/);
    // From here on only the test moves the clock.
    await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1_000);
    // All pages of this browser share the clock.
    context.after(() => page.clock.resume());
    await page.locator('.rate select').selectOption('Every 15 seconds');
    for (const ballots of [3, 4]) {
      count.cast(0, [1], ballots);
      count.flush();
      const waiting = page.locator(`[data-waiting="${ballots === 3 ? 1 : 2}"]`);
      while ((await waiting.count()) === 0) await page.clock.runFor(5);
    }
    assert.equal(await page.locator('[data-figure=ballots] .value').innerText(), '0');
    await page.clock.runFor(16_000);
    await shows(page, '[data-figure=ballots] .value', /^7$/);
  });

  test('sorts by every column, with the keyboard, and says so', async (context) => {
    const { page, count } = await open(context, { locations: 3 });
    count.cast(0, [0], 10);
    count.cast(1, [1], 30);
    count.cast(2, [2], 20);
    count.flush();
    await firstRow(page, 'Ward 2');
    for (const [column, first, last] of [
      ['Location', 'Ward 1', 'Ward 3'],
      ['Turnout', 'Ward 2', 'Ward 1'],
      ['Leading', 'Ward 1', 'Ward 3'],
      ['Registered', 'Ward 1', 'Ward 1'],
      ['Ballots', 'Ward 2', 'Ward 1'],
    ] as const) {
      const head = page.locator('table.locations th', { hasText: column });
      await head.locator('button').focus();
      await page.keyboard.press('Enter');
      await firstRow(page, first);
      const order = await head.getAttribute('aria-sort');
      await page.keyboard.press('Enter');
      await firstRow(page, last);
      assert.deepEqual(new Set([order, await head.getAttribute('aria-sort')]), new Set(['ascending', 'descending']));
      assert.equal(await page.locator('table.locations th[aria-sort=none]').count(), 4);
    }
  });

  test('pages, page size and search', async (context) => {
    const { page } = await open(context, { locations: 120 });
    await shows(page, '.pager', '1–25 of 120');
    await page.getByRole('button', { name: 'Location' }).click();
    await page.getByRole('button', { name: 'Next page' }).click();
    await firstRow(page, 'Ward 26');
    await page.getByRole('button', { name: 'Last page' }).click();
    await shows(page, '.pager', '101–120 of 120');
    assert.equal(await page.getByRole('button', { name: 'Next page' }).isDisabled(), true);
    await page.getByLabel('Rows').selectOption('100');
    await shows(page, '.pager', '1–100 of 120');
    assert.equal((await rowsOf(page, 1)).length, 100);
    await page.getByPlaceholder('Find a location').fill('ward 11');
    await shows(page, '.pager', '1–11 of 11');
    await page.getByPlaceholder('Find a location').fill('nowhere');
    await shows(page, '.aside', 'No location');
  });

  test('chooses among contests', async (context) => {
    const { page, count } = await open(context, {
      contests: [
        ['Ada', 'Ben'],
        ['Cleo', 'Dan'],
      ],
    });
    count.cast(0, [0, 1], 5);
    count.flush();
    await shows(page, '[data-leader=one] .name', 'Ada');
    await page.getByRole('button', { name: 'Contest 2' }).click();
    await shows(page, '[data-leader=one] .name', 'Dan');
  });

  test('a long list of candidates: the first ones, the rest together, all on demand; each keeps its colour', async (context) => {
    const names = Array.from({ length: 14 }, (_, i) => `Candidate ${i + 1}`);
    const { page, count } = await open(context, { contests: [names] });
    count.cast(0, [13], 50);
    count.flush();
    await shows(page, '.bars li:first-of-type', 'Candidate 14');
    assert.equal(await page.locator('.bars li').count(), 9);
    const colour = () => page.locator('[data-bar="Candidate 1"] svg').getAttribute('class');
    const before = await colour();
    await page.getByRole('button', { name: 'Show all 14' }).click();
    await page.locator('.bars li').nth(13).waitFor();
    count.cast(1, [0], 60);
    count.flush();
    await shows(page, '.bars li:first-of-type', /Candidate 1\b/);
    assert.equal(await colour(), before);
  });

  test('fills a wall screen: larger type, everything above in one row', async (context) => {
    const { page, count } = await open(context);
    count.cast(0, [0], 10);
    count.flush();
    await shows(page, '[data-figure=ballots]', '10');
    const sizes: number[] = [];
    for (const width of [1280, 3840]) {
      await page.setViewportSize({ width, height: 2160 });
      sizes.push(
        await page.evaluate(
          'parseFloat(getComputedStyle(document.querySelector("[data-figure=ballots] .value")).fontSize)',
        ),
      );
      const tops = await page
        .locator('.leader, .bars, .donut')
        .evaluateAll((boxes) => boxes.map((box) => box.getBoundingClientRect().top));
      assert.equal(new Set(tops.map(Math.round)).size, 1, `${width} px: ${tops}`);
    }
    assert.ok(sizes[1]! > 1.3 * sizes[0]!, `${sizes}`);
  });

  for (const scheme of ['light', 'dark'] as const)
    test(`fits 320 px without scrolling sideways and is readable, ${scheme}`, async (context) => {
      const long = 'Wilhelmina Featherstonehaugh-Cholmondeley';
      const { page, count } = await open(context, { contests: [[long, 'Ben', 'Cleo']], locations: 30 });
      await page.setViewportSize({ width: 320, height: 700 });
      await page.emulateMedia({ colorScheme: scheme });
      count.cast(0, [0], 12_345_678);
      count.flush();
      await shows(page, '[data-leader=one] .name', long);
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
      const paper = await colourOf(page, 'body', 'backgroundColor');
      for (const selector of [
        'h1',
        '.badge',
        '.changed',
        '.party',
        '.margin',
        'thead button',
        'footer p',
        'footer a',
      ]) {
        const ratio = contrast(await colourOf(page, selector, 'color'), paper);
        assert.ok(ratio >= 4.5, `${selector}: contrast ${ratio}`);
      }
    });
});

const colourOf = (page: Page, selector: string, property: string): Promise<string> =>
  page.evaluate(`getComputedStyle(document.querySelector(${JSON.stringify(selector)})).${property}`);

/** The contrast of two colours `rgb(r, g, b)` as WCAG 2.2 defines it; 4.5 is level AA for text. */
function contrast(left: string, right: string): number {
  const [darker = 0, lighter = 0] = [left, right].map(luminance).sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(colour: string): number {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? []).map((part) => {
    const value = Number(part) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}
