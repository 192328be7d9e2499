import { openElection } from '../registration/make-election.ts';
import { registerElection } from '../stages/register.ts';
import { type Command, EXIT, withBackend } from './shared.ts';

export const command: Command = (config, terminal) =>
  withBackend(config, terminal, async (backend, progress) => {
    const entry = await openElection(backend, config, progress, terminal.signal);
    const finished = await registerElection({ backend, entry, progress, signal: terminal.signal });
    if (!finished) return EXIT.interrupted;
    progress.say(
      `Election ${entry.id} (seed ${entry.seed}): ${progress.sums.registered.toLocaleString('en-GB')} voters are registered.`,
    );
    return EXIT.done;
  });
