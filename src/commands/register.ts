import type { ElectionChange } from '../cli/config.ts';
import { definitionOf } from '../ports/elections.ts';
import type { StageContext } from '../ports/stage-context.ts';
import { openElection } from '../registration/make-election.ts';
import { addVoters, removeVoters, reviseElection } from '../stages/change-roll.ts';
import { registerElection } from '../stages/register.ts';
import { assertBallots } from '../stages/report.ts';
import { readAskedOrigin, readChange } from './inputs.ts';
import { type Command, EXIT, findElection, withBackend } from './shared.ts';

const CHANGES: Record<ElectionChange['kind'], (context: StageContext, file: string) => Promise<void>> = {
  add: addVoters,
  remove: removeVoters,
  revise: reviseElection,
};

export const command: Command = async (config, terminal) => {
  const { change } = config;
  const opened = change === null ? await readAskedOrigin(config, terminal) : null;
  if (change !== null) await readChange(config, terminal, change);
  return await withBackend(config, terminal, async (backend, progress) => {
    const { signal } = terminal;
    if (change !== null) {
      const entry = await findElection(backend, config.id);
      if (change.kind !== 'revise') assertBallots(entry);
      await CHANGES[change.kind]({ backend, entry, progress, signal }, change.file);
      return EXIT.done;
    }
    const entry = await openElection(backend, { ...config, opened }, progress, signal);
    const finished = await registerElection({ backend, entry, progress, signal });
    if (!finished) return EXIT.interrupted;
    if (definitionOf(entry).source === 'returns') {
      progress.say(`Election ${entry.id} is defined. Report its returns with \`npm run tallyroom -- report FILE\`.`);
      return EXIT.done;
    }
    const voters = entry.voters_total ?? progress.sums.registered;
    progress.say(`Election ${entry.id} (seed ${entry.seed}): ${voters.toLocaleString('en-GB')} voters are registered.`);
    return EXIT.done;
  });
};
