import { allOrStop, untilStopped } from '../base/all-or-stop.ts';
import { keepGoing } from '../base/keep-going.ts';
import type { Config } from '../cli/config.ts';
import { leaderText } from '../cli/progress.ts';
import { sumOf } from '../domain/counts.ts';
import { isCompleteStatus, type Results } from '../domain/results/results.ts';
import { createFeed, followResults, type ResultsFeed, type WritableFeed } from '../live/results-feed.ts';
import { definitionOf } from '../ports/elections.ts';
import type { StageContext } from '../ports/stage-context.ts';
import { openElection } from '../registration/make-election.ts';
import { chooserOf, votersOf } from '../registration/voters.ts';
import { startServer } from '../server/server.ts';
import { count } from '../stages/count.ts';
import { registerElection } from '../stages/register.ts';
import { voteFromRoll } from '../stages/vote.ts';
import { paceOf } from '../stages/voting/pace.ts';
import { type Command, EXIT, withBackend } from './shared.ts';

/**
 * Registers, votes, counts and shows an election in this process. Each stage goes on where the last
 * process stopped.
 */
export const command: Command = (config, terminal) =>
  withBackend(config, terminal, async (backend, progress) => {
    const { signal } = terminal;
    const entry = await openElection(backend, config, progress, signal);
    const feed = createFeed();
    const { port, host } = config;
    const server = await startServer({ port, host, results: feed, gauges: () => progress.sums.gauges });
    try {
      progress.say(`Election ${entry.id} (seed ${entry.seed}). Results: ${server.url}`);
      const results = await runStages({ backend, entry, progress, signal }, feed, config);
      if (config.json && results !== null) terminal.stdout.write(`${JSON.stringify(results)}\n`);
      return results === null && config.once ? EXIT.interrupted : EXIT.done;
    } finally {
      await server.close();
    }
  });

/**
 * Runs all stages until the signal aborts; with `once`, until every vote is counted.
 * @returns the results with every vote; null where the stages were stopped before.
 */
async function runStages(context: StageContext, feed: WritableFeed, config: Config): Promise<Results | null> {
  const { backend, entry, progress } = context;
  const isTest = definitionOf(entry).is_test;
  const { votes, replayed } = await readCast(context);
  progress.cast({ votes, rejected: 0 });
  if (!isTest)
    progress.say(
      'This election is not a test: cast its votes with `vote --votes FILE`; they are counted and shown here.',
    );
  const pace = paceOf(config.rate, votersOf(entry, replayed));
  const registered = Promise.withResolvers<void>();
  const stages: ((stage: StageContext) => Promise<unknown>)[] = [
    async (stage) => {
      if (await registerElection(stage)) registered.resolve();
    },
    async (stage) => {
      if (isTest) await voteFromRoll(stage, chooserOf(entry, replayed), pace);
    },
    (stage) => count(stage, config.engine),
    (stage) => followResults(() => backend.openLog(entry), feed, progress, stage.signal),
  ];
  const finish = new AbortController();
  const signal = AbortSignal.any([context.signal, finish.signal]);
  const ended = allOrStop(signal, stages, (stage, each) => stage({ ...context, signal: each }));
  try {
    const results = await Promise.race([
      isTest ? untilComplete(feed) : registered.promise.then(() => untilCounted({ ...context, signal }, feed)),
      ended.then(() => null),
    ]);
    if (results !== null) progress.say(summary(results));
    if (config.once) finish.abort();
    else if (results !== null && isTest) progress.say('All votes are counted. The dashboard stays up; Ctrl-C ends it.');
    await untilStopped(ended, finish.signal);
    return results;
  } finally {
    // After any failure too, every stage must end before the backend that it works with.
    finish.abort();
    await ended.catch(() => {});
  }
}

/** The votes so far: the number of votes in the log, and the real results that are cast again. */
const readCast = ({ backend, entry, progress, signal }: StageContext) =>
  keepGoing(
    async () => ({
      votes: sumOf(await backend.elections.votesInLog(entry)),
      replayed: await backend.elections.replayed(entry),
    }),
    progress.say,
    signal,
  );

/** The first state that holds every vote of the election. */
const untilComplete = (feed: ResultsFeed): Promise<Results> =>
  untilShown(feed, (results) => isCompleteStatus(results.election.status));

/** The first state that holds every vote that is in the log now. */
async function untilCounted(context: StageContext, feed: ResultsFeed): Promise<Results> {
  const { votes } = await readCast(context);
  return untilShown(feed, (results) => results.sequence >= votes);
}

function untilShown(feed: ResultsFeed, isWanted: (results: Results) => boolean): Promise<Results> {
  const { promise, resolve } = Promise.withResolvers<Results>();
  const look = (): void => {
    const results = feed.state()?.results;
    if (results === undefined || !isWanted(results)) return;
    unsubscribe();
    resolve(results);
  };
  const unsubscribe = feed.subscribe(look);
  look();
  return promise;
}

const whole = new Intl.NumberFormat('en-GB');

function summary(results: Results): string {
  const { ballots_cast, registered_voters } = results.totals;
  const of = registered_voters === null ? '' : ` of ${whole.format(registered_voters)} registered voters`;
  return `${whole.format(ballots_cast)} ballots cast${of}.${leaderText(results)}`;
}
