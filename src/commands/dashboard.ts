import { startServer } from '../server/server.ts';
import { showResults } from '../stages/show-results.ts';
import { type Command, EXIT, findElection, withBackend } from './shared.ts';

export const command: Command = (config, terminal) =>
  withBackend(config, terminal, async (backend, progress) => {
    const entry = await findElection(backend, config.id);
    const shown = showResults({ progress });
    const server = await startServer({ port: config.port, host: config.host, results: shown.feed });
    try {
      progress.say(`Election ${entry.id}. Results: ${server.url}`);
      await shown.follow({ backend, entry, progress, signal: terminal.signal });
    } finally {
      await server.close();
    }
    return EXIT.done;
  });
