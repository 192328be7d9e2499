import { keepGoing } from '../base/keep-going.ts';
import { leaderText } from '../cli/progress.ts';
import { isCompleteStatus, type Results } from '../domain/results/results.ts';
import type { ResultsFeed } from '../live/follow-results.ts';
import { showResults } from '../live/show-results.ts';
import { openElection } from '../registration/make-election.ts';
import { startServer } from '../server/server.ts';
import { allOrStop, type StageContext, untilStopped } from '../stages/context.ts';
import { count } from '../stages/count.ts';
import { chooserOf, registerElection, votersByLocation } from '../stages/register.ts';
import { voteFromRoll } from '../stages/vote.ts';
import { paceOf } from '../stages/voting/pace.ts';
import { type Command, EXIT, withBackend } from './shared.ts';

/** Registers, votes, counts and shows an election in this process; each stage goes on from where the last process left it. */
export const command: Command = (config, terminal) =>
  withBackend(config, terminal, async (backend, progress) => {
    const entry = await openElection(backend, config, progress, terminal.signal);
    const context: StageContext = { backend, entry, progress, signal: terminal.signal };
    const shown = showResults(context);
    const server = await startServer({
      port: config.port,
      host: config.host,
      results: shown.feed,
      gauges: () => progress.gauges,
    });
    try {
      progress.say(`Election ${entry.id} (seed ${entry.seed}). Results: ${server.url}`);
      const { inLog, replayed } = await keepGoing(
        async () => ({
          inLog: await backend.elections.votesInLog(entry),
          replayed: await backend.elections.replayed(entry),
        }),
        progress.say,
        terminal.signal,
      );
      progress.voted = inLog.reduce((sum, seq) => sum + seq, 0);
      const voters = Array.from(votersByLocation(entry, replayed)).reduce((sum, size) => sum + size, 0);
      const pace = paceOf(config.rate, voters);
      const finish = new AbortController();
      const isTest = entry.definition?.is_test === true;
      if (!isTest)
        progress.say(
          'This election is not a test: cast its votes with `vote --votes FILE`; they are counted and shown here.',
        );
      const registered = Promise.withResolvers<void>();
      const stages: ((stage: StageContext) => Promise<unknown>)[] = [
        async (stage) => {
          if (await registerElection(stage)) registered.resolve();
        },
        async (stage) => {
          if (isTest) await voteFromRoll(stage, chooserOf(entry, replayed), pace);
        },
        (stage) => count(stage, config.engine),
        (stage) => shown.follow(() => backend.openLog(entry), stage.signal),
      ];
      const signal = AbortSignal.any([terminal.signal, finish.signal]);
      const ended = allOrStop(signal, stages, (stage, each) => stage({ ...context, signal: each }));
      try {
        const results = await Promise.race([
          isTest
            ? untilComplete(shown.feed)
            : registered.promise.then(() => untilCounted({ ...context, signal }, shown.feed)),
          ended.then(() => null),
        ]);
        if (results !== null) progress.say(summary(results));
        if (config.once) finish.abort();
        else if (results !== null && isTest)
          progress.say('All votes are counted. The dashboard stays up; Ctrl-C ends it.');
        await untilStopped(ended, finish.signal);
        if (config.json && results !== null) terminal.stdout.write(`${JSON.stringify(results)}\n`);
        return results === null && config.once ? EXIT.interrupted : EXIT.done;
      } finally {
        // Whatever went wrong: no stage outlives the backend that it works with.
        finish.abort();
        await ended.catch(() => {});
      }
    } finally {
      await server.close();
    }
  });

/** The first state that holds every vote of the election. */
const untilComplete = (feed: ResultsFeed): Promise<Results> =>
  untilShown(feed, (results) => isCompleteStatus(results.election.status));

/** The first state that holds every vote that is in the log now. */
async function untilCounted({ backend, entry, progress, signal }: StageContext, feed: ResultsFeed): Promise<Results> {
  const inLog = await keepGoing(() => backend.elections.votesInLog(entry), progress.say, signal);
  const votes = inLog.reduce((sum, seq) => sum + seq, 0);
  return untilShown(feed, (results) => results.sequence >= votes);
}

function untilShown(feed: ResultsFeed, isWanted: (results: Results) => boolean): Promise<Results> {
  return new Promise((resolve) => {
    const look = (): void => {
      const results = feed.state()?.results;
      if (results === undefined || !isWanted(results)) return;
      unsubscribe();
      resolve(results);
    };
    const unsubscribe = feed.subscribe(look);
    look();
  });
}

const whole = new Intl.NumberFormat('en-GB');

function summary(results: Results): string {
  const { ballots_cast, registered_voters } = results.totals;
  const of = registered_voters === null ? '' : ` of ${whole.format(registered_voters)} registered voters`;
  return `${whole.format(ballots_cast)} ballots cast${of}.${leaderText(results)}`;
}
