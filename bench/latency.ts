/// <reference lib="dom" />
import { parseArgs } from 'node:util';
import { showResults } from '../src/live/show-results.ts';
import type { Engine } from '../src/ports/counter.ts';
import { startServer } from '../src/server/server.ts';
import { count } from '../src/stages/count.ts';
import { chooserOf, registerElection } from '../src/stages/register.ts';
import { voteFromRoll } from '../src/stages/vote.ts';
import { paceOf } from '../src/stages/voting/pace.ts';
import { builtPage, openBrowser } from '../test/support/page.ts';
import { silent } from '../test/support/progress.ts';
import { clusterServers } from './servers.ts';
import { conditions, makeReplay, print, withFreshBackend } from './support.ts';

/**
 * The measurement begins this long after the first paint of counted votes. Before it Spark starts
 * its query, which takes some ten seconds on a server that has just started, and then its compiler
 * still warms up.
 */
const WARM_UP_SECONDS: Record<Engine, number> = { local: 3, spark: 20 };
const SECONDS: Record<Engine, number> = { local: 20, spark: 60 };
/** What is asked of it. */
const P99_MS_TARGETS: Record<Engine, number> = { local: 100, spark: 400 };

/**
 * When the page had painted how many ballots; both ends of a latency are read from the one clock of
 * this machine.
 */
interface Paint {
  readonly ballots: number;
  readonly at: number;
}

declare global {
  interface Window {
    paints: Paint[];
  }
}

/**
 * From the return of COMMIT to the paint, in Chromium, of the first state that holds the batch. One
 * partition, so that a state with as many ballots holds just those votes; everything runs on this
 * machine. Options: --engine spark, --rate N, --seconds N, --warm-up N.
 */
export async function bench(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rate: { type: 'string', default: '20000' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      engine: { type: 'string', default: 'local' },
    },
  });
  const engine: Engine = values.engine === 'spark' ? 'spark' : 'local';
  const rate = Number(values.rate);
  const votes = rate * Number(values.seconds ?? SECONDS[engine]);
  const servers = engine === 'spark' ? await clusterServers(['kafka', 'postgres', 'spark']) : null;
  const measured = withFreshBackend(async (backend) => {
    const entry = await makeReplay(backend, votes, 1);
    const signal = new AbortController().signal;
    await registerElection({ backend, entry, progress: silent(), signal });
    const commits: Paint[] = [];
    const progress = silent();
    let voted = 0;
    Object.defineProperty(progress, 'voted', {
      get: () => voted,
      set(total: number) {
        voted = total;
        commits.push({ ballots: total, at: performance.timeOrigin + performance.now() });
      },
    });
    const done = new AbortController();
    const context = { backend, entry, progress, signal: done.signal };
    const shown = showResults({ progress: silent() });
    const server = await startServer({ port: 0, results: shown.feed, page: await builtPage() });
    const browser = await openBrowser();
    try {
      const following = Promise.all([shown.follow(() => backend.openLog(entry), done.signal), count(context, engine)]);
      const page = await browser.context.newPage();
      await page.goto(server.url);
      await page.waitForSelector('[data-figure="ballots"]');
      await page.evaluate(watchPaints);
      const chooser = chooserOf(entry, await backend.elections.replayed(entry));
      await voteFromRoll({ ...context, signal }, chooser, paceOf(rate, votes));
      await page.waitForFunction((total) => (window.paints.at(-1)?.ballots ?? 0) >= total, votes);
      const paints = await page.evaluate(() => window.paints);
      done.abort();
      await following;
      report(engine, rate, Number(values['warm-up'] ?? WARM_UP_SECONDS[engine]), commits, paints);
    } finally {
      await browser.close();
      await server.close();
    }
  }, servers ?? {});
  await measured.finally(() => servers?.close());
}

/**
 * Runs in the page: notes, after the frame that painted it, each number of ballots that is shown.
 */
function watchPaints(): void {
  window.paints = [];
  const figure = document.querySelector('[data-figure="ballots"]')!;
  new MutationObserver(() => {
    const ballots = Number(/[\d,]+/.exec(figure.textContent ?? '')?.[0].replaceAll(',', ''));
    requestAnimationFrame(() => {
      // A task posted from a frame's callback runs when that frame has been handed over.
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.paints.push({ ballots, at: performance.timeOrigin + performance.now() });
      channel.port2.postMessage(null);
    });
  }).observe(figure, { subtree: true, childList: true, characterData: true });
}

function report(
  engine: Engine,
  rate: number,
  warmUp_s: number,
  commits: readonly Paint[],
  paints: readonly Paint[],
): void {
  const begun = paints.find(({ ballots }) => ballots > 0)!.at + warmUp_s * 1000;
  const latencies = commits
    .filter((commit) => commit.at >= begun)
    .map((commit) => paints.find((paint) => paint.ballots >= commit.ballots)!.at - commit.at)
    .sort((a, b) => a - b);
  const quantile = (q: number): number =>
    Math.round(latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))]!);
  print({
    name: 'latency',
    engine,
    p50_ms: quantile(0.5),
    p99_ms: quantile(0.99),
    max_ms: quantile(1),
    limit: P99_MS_TARGETS[engine],
    ratio: Number((quantile(0.99) / P99_MS_TARGETS[engine]).toFixed(2)),
    votes_per_s: rate,
    warm_up_s: warmUp_s,
    batches: latencies.length,
    ...conditions(),
  });
}
