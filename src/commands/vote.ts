import { join } from 'node:path';
import { chooserOf, votersOf } from '../registration/voters.ts';
import { castFile, castStandardInput } from '../stages/cast-file.ts';
import { castTopic } from '../stages/cast-topic.ts';
import { assertTest, voteFromRoll } from '../stages/vote.ts';
import { paceOf } from '../stages/voting/pace.ts';
import { type Command, EXIT, findElection, withBackend } from './shared.ts';

export const command: Command = (config, terminal) =>
  withBackend(config, terminal, async (backend, progress) => {
    const entry = await findElection(backend, config.id);
    const context = { backend, entry, progress, signal: terminal.signal };
    if (config.votes === '-') await castStandardInput(context, process.stdin, join(config.dataDir, 'spool'));
    else if (config.votes !== null) await castFile(context, config.votes);
    else if (config.from !== null) await castTopic(context, config.from, config.once);
    else {
      assertTest(entry);
      const replayed = await backend.elections.replayed(entry);
      const pace = paceOf(config.rate, votersOf(entry, replayed));
      await voteFromRoll(context, chooserOf(entry, replayed), pace);
    }
    const { voted, rejected } = progress.sums;
    const votes = voted === 1 ? 'vote' : 'votes';
    progress.say(`${voted.toLocaleString('en-GB')} ${votes} cast, ${rejected.toLocaleString('en-GB')} refused.`);
    return terminal.signal.aborted ? EXIT.interrupted : EXIT.done;
  });
