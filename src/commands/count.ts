import { definitionOf } from '../ports/elections.ts';
import { count } from '../stages/count.ts';
import { type Command, EXIT, findElection, withBackend } from './shared.ts';

export const command: Command = (config, terminal) =>
  withBackend(config, terminal, async (backend, progress) => {
    const found = await findElection(backend, config.id);
    const entry = config.recount ? await backend.elections.beginGeneration(found) : found;
    progress.say(`Counting election ${entry.id}. Ctrl-C ends it.`);
    const isDone = await count({ backend, entry, progress, signal: terminal.signal }, config.engine, config.once);
    const { counted } = progress.sums;
    const noun = definitionOf(entry).source === 'returns' ? 'reported number' : 'vote';
    progress.say(`Counted ${counted.toLocaleString('en-GB')} ${noun}${counted === 1 ? '' : 's'}.`);
    return config.once && !isDone ? EXIT.interrupted : EXIT.done;
  });
