import { count } from '../stages/count.ts';
import { type Command, EXIT, findElection, withBackend } from './shared.ts';

export const command: Command = (config, terminal) =>
  withBackend(config, terminal, async (backend, progress) => {
    const entry = await findElection(backend, config.id);
    progress.say(`Counting election ${entry.id}. Ctrl-C ends it.`);
    const isDone = await count({ backend, entry, progress, signal: terminal.signal }, config.engine, config.once);
    progress.say(`Counted ${progress.counted.toLocaleString('en-GB')} ${progress.counted === 1 ? 'vote' : 'votes'}.`);
    return config.once && !isDone ? EXIT.interrupted : EXIT.done;
  });
