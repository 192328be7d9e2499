import { chooserOf, votersOf } from '../registration/voters.ts';
import { castFile, castStandardInput, inspectVotes } from '../stages/cast-file.ts';
import { castTopic } from '../stages/cast-topic.ts';
import { assertBallots } from '../stages/report.ts';
import { assertTest, voteFromRoll } from '../stages/vote.ts';
import { paceOf } from '../stages/voting/pace.ts';
import { readInputs } from './inputs.ts';
import { type Command, EXIT, findElection, spoolOf, withBackend } from './shared.ts';

export const command: Command = async (config, terminal) => {
  const { votes } = config;
  const input = votes === null || votes === '-' ? null : await readInputs(config, terminal, () => inspectVotes(votes));
  return await withBackend(config, terminal, async (backend, progress) => {
    const entry = await findElection(backend, config.id);
    assertBallots(entry);
    const context = { backend, entry, progress, signal: terminal.signal };
    if (votes === '-') await castStandardInput(context, process.stdin, spoolOf(config));
    else if (input !== null) await castFile(context, input);
    else if (config.from !== null) await castTopic(context, config.from, config.once);
    else {
      assertTest(entry);
      const replayed = await backend.elections.replayed(entry);
      const pace = paceOf(config.rate, votersOf(entry, replayed));
      await voteFromRoll(context, chooserOf(entry, replayed), pace);
    }
    const { voted, rejected } = progress.sums;
    const noun = voted === 1 ? 'vote' : 'votes';
    progress.say(`${voted.toLocaleString('en-GB')} ${noun} cast, ${rejected.toLocaleString('en-GB')} refused.`);
    return terminal.signal.aborted ? EXIT.interrupted : EXIT.done;
  });
};
