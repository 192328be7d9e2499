import { existsSync, statfsSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { PAGE_DIRECTORY } from '../base/resources.ts';
import { type Command, EXIT, findElection, withBackend } from './shared.ts';

const PAGE = join(PAGE_DIRECTORY, 'index.html');
/** With less space, PostgreSQL's own log of changes does not fit. */
const DISK_GB_MIN = 5;

export const command: Command = async (config, terminal) => {
  let failed = false;
  const say = (good: boolean, line: string): void => {
    failed ||= !good;
    terminal.stdout.write(`${good ? 'ok   ' : 'FAIL '} ${line}\n`);
  };
  say(true, `Node ${process.version} on ${process.platform} ${process.arch}`);
  say(
    existsSync(PAGE),
    existsSync(PAGE) ? 'the page is built' : 'the page is not built: start with `npm start`, which builds it',
  );
  const gigabytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);
  say(true, `memory: ${gigabytes(freemem())} of ${gigabytes(totalmem())} GiB free`);
  const free = freeBytes(resolve(config.dataDir));
  say(
    free > DISK_GB_MIN * 2 ** 30,
    `disk: ${gigabytes(free)} GiB free for ${resolve(config.dataDir)} (some 260 MB a million votes with their roll)`,
  );
  return withBackend(config, terminal, async (backend) => {
    for (const line of await backend.describe()) say(true, line);
    const entry = config.id === null ? await backend.elections.latest() : await findElection(backend, config.id);
    if (entry === null) say(true, 'no election yet: `npm start` makes one');
    else {
      say(true, `${config.id === null ? 'last ' : ''}election: ${entry.id}, "${entry.name}", seed ${entry.seed}`);
      await backend.assertSafe(entry);
      say(true, 'commits are durable, and a voter can vote once');
      const lag = await backend.lag(entry);
      if (config.kafka !== null)
        say(true, lag === 0 ? 'everything committed is in Kafka' : `batches that are not in Kafka yet: ${lag}`);
    }
    return failed ? EXIT.check_failed : EXIT.done;
  });
};

/** The free space at a path, or at the nearest parent directory that exists. */
function freeBytes(path: string): number {
  const existing = existsSync(path) ? path : dirname(path);
  if (!existsSync(existing) && existing !== path) return freeBytes(existing);
  const { bavail, bsize } = statfsSync(existing);
  return bavail * bsize;
}
