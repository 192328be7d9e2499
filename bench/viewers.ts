import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createFeed, type ResultsFeed } from '../src/live/results-feed.ts';
import { definitionInForce, StateBuilder } from '../src/live/state-builder.ts';
import { startServer } from '../src/server/server.ts';
import { TestCount, testElection } from '../test/support/test-count.ts';
import { conditions, print } from './support.ts';

const LOCATIONS = 3_154;
/** Locations that change from one state to the next: those of a busy moment of the night. */
const CHANGED = 200;
const STATE_SPACING_MS = 250;
/** The aim: the memory a minute after all viewers left, by the memory before they came. */
const KEPT_MAX = 1.2;
/** How many viewers connect before the next wait: a machine with everything on it takes no more. */
const CONNECTING_MAX = 250;

const request = 'GET /api/events HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n\r\n';

/**
 * The memory of a dashboard before, with, and after its viewers, while 3,154 locations are counted.
 * The viewers are raw connections of another process, which read and forget. Needs `ulimit -n`
 * above the number of viewers.
 * Options: --viewers N, --seconds N (with all of them), --after N (seconds after all left).
 */
export async function bench(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      viewers: { type: 'string', default: '5000' },
      seconds: { type: 'string', default: '20' },
      after: { type: 'string', default: '60' },
    },
  });
  const { feed, next } = electionNight();
  await using server = await startServer({ port: 0, results: feed, page: '/nowhere' });
  const counting = setInterval(next, STATE_SPACING_MS);
  // As many states before as with the viewers, so that the difference is theirs.
  await pause(Number(values.seconds) * 1_000);
  const before = show('before', 0);
  const viewers = fork(fileURLToPath(import.meta.url), [String(server.port), values.viewers]);
  await once(viewers, 'message');
  show('all are here', Number(values.viewers));
  await pause(Number(values.seconds) * 1_000);
  show('with viewers', Number(values.viewers));
  viewers.disconnect();
  await once(viewers, 'exit');
  for (let second = 0; second < Number(values.after); second += 10) {
    await pause(10_000);
    show(`${second + 10} s after`, 0);
  }
  const kept = process.memoryUsage.rss() / before;
  print({ figure: 'memory kept', ratio: Number(kept.toFixed(2)), target: KEPT_MAX, ...conditions() });
  clearInterval(counting);
}

/** A feed without a log, because a log in memory would grow; `next` shows its next state. */
function electionNight(): { feed: ResultsFeed; next(): void } {
  const count = new TestCount(testElection({ locations: LOCATIONS }));
  const { election } = count.index;
  const made = { election, hash: 'a'.repeat(64), partitions: 1, defined_at: '2026-11-23T08:00:00.000Z' };
  const builder = new StateBuilder(definitionInForce(made), 0);
  builder.catchUp();
  const feed = createFeed();
  let [location, offset] = [0, 0];
  const next = (): void => {
    for (let i = 0; i < CHANGED; i++) count.cast(location++ % LOCATIONS, [i % 3], 1);
    builder.take(count.flushRecords().map(({ key, value }) => ({ key, value, offset: offset++ })));
    feed.show(builder.build(1, new Map()));
  };
  next();
  return { feed, next };
}

/** Prints the memory of this process in MB. @returns its resident bytes. */
function show(moment: string, viewers: number): number {
  const { rss, ...parts } = process.memoryUsage();
  const megabytes = Object.entries({ rss, ...parts }).map(([name, bytes]) => [name, Math.round(bytes / 1e6)]);
  print({ figure: 'memory of a dashboard, MB', moment, viewers, ...Object.fromEntries(megabytes) });
  return rss;
}

/** The other process: connects all viewers, says so, and leaves with the channel to its parent. */
async function view(port: number, viewers: number): Promise<void> {
  const sockets: Socket[] = [];
  process.once('disconnect', () => {
    for (const socket of sockets) socket.destroy();
    process.exit();
  });
  while (sockets.length < viewers) {
    const batch = Array.from({ length: Math.min(CONNECTING_MAX, viewers - sockets.length) }, () => {
      const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {});
      socket.write(request);
      return socket;
    });
    await Promise.all(batch.map((socket) => once(socket, 'data')));
    for (const socket of batch) socket.resume();
    sockets.push(...batch);
  }
  process.send?.('ready');
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url))
  await view(Number(process.argv[2]), Number(process.argv[3]));
