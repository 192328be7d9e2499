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
import { readAskedOrigin } from './inputs.ts';
import { type Command, EXIT, withBackend } from './shared.ts';

/**
 * Registers, votes, counts and shows an election in this process. Each stage goes on where the last
 * process stopped.
 */
export const command: Command = async (config, terminal) => {
  const opened = await readAskedOrigin(config, terminal);
  return await withBackend(config, terminal, async (backend, progress) => {
    const { host, port, proxies, once, json } = config;
    const { signal, stdout } = terminal;
    const entry = await openElection(backend, { ...config, opened }, progress, signal);
    const feed = createFeed();
    await using server = await startServer({
      port,
      host,
      results: feed,
      gauges: () => progress.sums.gauges,
      viewers: { proxies },
    });
    progress.say(`Election ${entry.id} (seed ${entry.seed}). Results: ${server.url}`);
    await using stages = await startStages({ backend, entry, progress, signal }, feed, config);
    const results = await Promise.race([stages.results, stages.ended.then(() => null)]);
    if (results !== null) progress.say(summary(results));
    if (once) stages.stop();
    else if (results !== null && definitionOf(entry).is_test)
      progress.say('All votes are counted. The dashboard stays up; Ctrl-C ends it.');
    await stages.ended;
    if (json && results !== null) stdout.write(`${JSON.stringify(results)}\n`);
    return results === null && once ? EXIT.interrupted : EXIT.done;
  });
};

/** The stages of an election while they run. To dispose of them stops them and awaits their end. */
interface RunningStages extends AsyncDisposable {
  /** The results with every vote. Pending where the stages are stopped before. */
  readonly results: Promise<Results>;
  /** Resolves once every stage was told to stop and has ended; rejects with an earlier failure. */
  readonly ended: Promise<void>;
  /** Lets every stage finish what it holds. */
  stop(): void;
}

async function startStages(context: StageContext, feed: WritableFeed, config: Config): Promise<RunningStages> {
  const { backend, entry, progress } = context;
  const { is_test, source } = definitionOf(entry);
  const isTest = is_test && source === 'ballots';
  const { votes, replayed } = await readCast(context);
  if (source === 'ballots') progress.cast({ votes, rejected: 0 });
  if (!isTest)
    progress.say(
      source === 'returns'
        ? 'This election counts official returns: report them with `report FILE`; they are counted and shown here.'
        : 'This election is not a test: cast its votes with `vote --votes FILE`; they are counted and shown here.',
    );
  const registered = Promise.withResolvers<void>();
  const stages: ((stage: StageContext) => Promise<unknown>)[] = [
    async (stage) => {
      if (await registerElection(stage)) registered.resolve();
    },
    async (stage) => {
      if (!isTest) return;
      const pace = paceOf(config.rate, votersOf(entry, replayed));
      await voteFromRoll(stage, chooserOf(entry, replayed), pace);
    },
    (stage) => count(stage, config.engine),
    (stage) => followResults(() => backend.openLog(entry), feed, progress, stage.signal),
  ];
  const stopping = new AbortController();
  const signal = AbortSignal.any([context.signal, stopping.signal]);
  const running = allOrStop(signal, stages, (stage, each) => stage({ ...context, signal: each }));
  const ended = untilStopped(running, stopping.signal);
  return {
    results: isTest ? untilComplete(feed) : registered.promise.then(() => untilCounted({ ...context, signal }, feed)),
    ended,
    stop: () => stopping.abort(),
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await ended.catch(() => {});
    },
  };
}

/** The votes so far: the number of votes in the log, and the real results that are cast again. */
const readCast = ({ backend, entry, progress, signal }: StageContext) =>
  keepGoing(
    async () => ({
      votes: sumOf(await backend.elections.entriesInLog(entry)),
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
  const { backend, entry, progress, signal } = context;
  const votes = sumOf(await keepGoing(() => backend.elections.entriesInLog(entry), progress.say, signal));
  return untilShown(feed, (results) => results.is_counted && results.sequence >= votes);
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
  const { ballots_cast, registered_voters, turnout } = results.totals;
  if (ballots_cast === null) return `Official returns.${leaderText(results)}`;
  const isKnown = registered_voters !== null && turnout !== null;
  const of = isKnown ? ` of ${whole.format(registered_voters)} registered voters` : '';
  if (results.election.ballots_simulated)
    return `${whole.format(ballots_cast)} ${ballots_cast === 1 ? 'ballot' : 'ballots'}, simulated: the source states votes alone.${leaderText(results)}`;
  return `${whole.format(ballots_cast)} ${ballots_cast === 1 ? 'ballot' : 'ballots'} cast${of}.${leaderText(results)}`;
}
