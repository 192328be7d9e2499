import type { Config } from '../cli/config.ts';
import { showProgress } from '../cli/progress.ts';
import type { ElectionId } from '../domain/election/election.ts';
import { createFeed, followResults } from '../live/results-feed.ts';
import type { ClosableLog } from '../ports/backend.ts';
import type { Progress } from '../ports/progress.ts';
import { startServer } from '../server/server.ts';
import { openResults } from '../wire/kafka.ts';
import { type Command, EXIT, findElection, type Terminal, withBackend } from './shared.ts';

/**
 * Shows the results of one election. Where the log is in Kafka it opens no database, so any number
 * of dashboards may run.
 */
export const command: Command = async (config, terminal) => {
  const { kafka, id } = config;
  if (kafka === null)
    return withBackend(config, terminal, async (backend, progress) => {
      const entry = await findElection(backend, id);
      return show(config, terminal, progress, { id: entry.id, open: () => backend.openLog(entry) });
    });
  using progress = showProgress(terminal.stderr);
  return await show(config, terminal, progress, await openResults(kafka, id as ElectionId | null));
};

async function show(
  { port, host, proxies }: Config,
  { signal }: Terminal,
  progress: Progress,
  { id, open }: { id: ElectionId; open(): Promise<ClosableLog> },
): Promise<number> {
  const feed = createFeed();
  await using server = await startServer({ port, host, results: feed, viewers: { proxies } });
  progress.say(`Election ${id}. Results: ${server.url}`);
  await followResults(open, feed, progress, signal);
  return EXIT.done;
}
