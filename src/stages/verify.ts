import { setTimeout as sleep } from 'node:timers/promises';
import { sumOf } from '../domain/counts.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { definitionOf, type ElectionEntry, type Elections } from '../ports/elections.ts';
import { type Log, type LogRecord, latestRecords } from '../ports/log.ts';
import type { Moment, Recount, Turnout } from '../ports/recount.ts';
import type { Returns } from '../ports/returns.ts';
import { type LogCount, recountLog } from './verify/ballots.ts';
import { type Check, check, noneOf, type Verification } from './verify/check.ts';
import { comparePublished } from './verify/covered.ts';
import { differingDefinitions } from './verify/definition.ts';
import { compareParticipation } from './verify/participation-digest.ts';
import { compareNothing, type Published, readPublished } from './verify/published.ts';
import { compareReturns } from './verify/returns.ts';
import { compareRoll } from './verify/roll.ts';
import { compareRollRoot, rollNotCovered } from './verify/roll-root.ts';
import { compareSources, compareTables } from './verify/tables.ts';
import { addTallies, compareTallies } from './verify/tallies.ts';

export interface Reconciliation {
  readonly election: string;
  /** The votes in the log, to the end that it had when the recount began. */
  readonly votes: number;
  /** The votes of these that the published results do not cover yet. */
  readonly not_counted: number;
  readonly checks: readonly Check[];
  /** Parts that were not compared, each with its reason. None is a fault. */
  readonly notes: readonly string[];
  readonly rejections: Readonly<Record<string, number>>;
  readonly passed: boolean;
}

/** The parts of a backend that the recount asks. */
export interface Counted {
  readonly recount: Recount;
  readonly returns: Returns;
  readonly elections: Pick<Elections, 'replayed'>;
}

/**
 * Every published number can be recounted. This counts everything again, from the log and from
 * PostgreSQL, while others may register, vote and count.
 *
 * It reads the published state first, and then the ends of the log. So what is published is in the
 * log, and the log up to these ends is in the tables. The log is compared with the published state
 * exactly where that ends, and with the tables at the ends. The votes between are not counted yet.
 */
export async function verify(
  given: ElectionEntry,
  log: Log,
  { recount, elections, returns }: Counted,
  signal: AbortSignal,
): Promise<Reconciliation> {
  if (definitionOf(given).source === 'returns') return await verifyReturns(given, log, { recount, returns }, signal);
  const index = indexElection(definitionOf(given));
  const before = await latestRecords(log, 'definition');
  const published = await readPublished({ entry: given, index, log, signal });
  // Before the moment: so the recount below reads every batch that this has seen.
  const participation = await recount.participation(given, signal);
  const moment = await recount.moment(given, signal);
  const entry = entryAt(given, moment);
  const verification: Verification = { entry, index: indexElection(definitionOf(entry)), log, recount, moment, signal };
  const covers = published?.state.covers ?? new Array<number>(entry.partitions).fill(0);
  const stop = new AbortController();
  const running = { ...verification, signal: AbortSignal.any([signal, stop.signal]) };
  try {
    // PostgreSQL counts while this process reads the log.
    const [count, tables] = await Promise.all([recountLog(running, covers), compareVotes(running)]);
    const checks = [
      ...(await compareDefinition(verification, before)),
      ...count.checks,
      ...tables(count),
      compareParticipation(participation),
      compareSources(verification, count.by_source),
      ...(await compareRoll(verification, await elections.replayed(entry), count)),
      await compareRollRoot(verification),
      ...(published === null ? [await compareNothing(verification)] : comparePublished(verification, published, count)),
      ...(published?.checks ?? []),
    ];
    return await reconcile(verification, published, count, checks);
  } finally {
    stop.abort();
  }
}

/** The same for official returns. */
async function verifyReturns(
  given: ElectionEntry,
  log: Log,
  { recount, returns }: Pick<Counted, 'recount' | 'returns'>,
  signal: AbortSignal,
): Promise<Reconciliation> {
  const index = indexElection(definitionOf(given));
  const before = await latestRecords(log, 'definition');
  const published = await readPublished({ entry: given, index, log, signal });
  const moment = await recount.moment(given, signal);
  const entry = entryAt(given, moment);
  const verification: Verification = { entry, index: indexElection(definitionOf(entry)), log, recount, moment, signal };
  const { versions, checks } = await compareReturns(verification, returns, published);
  const all = [
    ...(await compareDefinition(verification, before)),
    ...checks,
    ...(published === null ? [await compareNothing(verification)] : published.checks),
  ];
  const notCounted = versions - sumOf(published?.state.covers ?? []);
  return {
    election: entry.id,
    votes: versions,
    not_counted: notCounted,
    checks: all,
    notes: [
      ...(published === null ? ['no count has been published yet'] : []),
      ...(notCounted > 0 ? [`not counted yet: ${notCounted.toLocaleString('en-GB')}`] : []),
    ],
    rejections: {},
    passed: all.every((each) => each.passed),
  };
}

async function reconcile(
  verification: Verification,
  published: Published | null,
  count: LogCount,
  checks: readonly Check[],
): Promise<Reconciliation> {
  const { entry, recount } = verification;
  const notCounted = sumOf(count.behind.ballots);
  return {
    election: entry.id,
    votes: sumOf(count.covers),
    not_counted: notCounted,
    checks,
    notes: [
      ...(published === null ? ['no count has been published yet'] : []),
      ...(count.not_covered === 0
        ? []
        : [`not covered: ${count.not_covered.toLocaleString('en-GB')} batches cast before digests`]),
      ...rollNotCovered(verification),
      ...(notCounted === 0 ? [] : [`not counted yet: ${notCounted.toLocaleString('en-GB')}`]),
    ],
    rejections: Object.fromEntries(await recount.rejections(entry)),
    passed: checks.every((each) => each.passed),
  };
}

/** The election as it was at the moment. Its description may have been revised since. */
function entryAt(given: ElectionEntry, { election }: Moment): ElectionEntry {
  const { definition, definition_hash, revision, voters_total } = election;
  return { ...given, definition, definition_hash, revision, voters_total };
}

/** A relay may be behind the tables, so topic `definition` is read again where it disagrees. */
const DEFINITION_READS_MAX = 3;
/** A relay publishes a record within this time, unless it is stopped. */
const READ_AGAIN_MS = 500;

async function compareDefinition(
  verification: Verification,
  before: ReadonlyMap<string, LogRecord>,
): Promise<readonly Check[]> {
  const { entry, log, moment, signal } = verification;
  // Where the records are in the table, no relay can be behind.
  const isStored = moment.log_ends.some(({ topic, stored_end }) => topic === 'definition' && stored_end !== null);
  for (let reads = 1; ; reads++) {
    const after = await latestRecords(log, 'definition');
    const checks = [
      noneOf('the definition has the hash that every batch carries', differingDefinitions(entry, after)),
      ...compareTables(verification, { before, after }),
    ];
    if (isStored || reads === DEFINITION_READS_MAX || checks.every(({ passed }) => passed)) return checks;
    await sleep(READ_AGAIN_MS, undefined, { signal });
  }
}

/** Asks PostgreSQL for its side of the votes. @returns their comparison with the log. */
async function compareVotes(verification: Verification): Promise<(count: LogCount) => Check[]> {
  const { entry, index, recount, moment, signal } = verification;
  const ends = Array.from({ length: entry.partitions }, (_, partition) => ({
    next_batch: moment.log_ends.find((row) => row.topic === 'votes' && row.partition === partition)?.next_batch ?? 0,
  }));
  const { tally, offBallot } = await recount.tally(entry, ends, signal);
  const turnout = await recount.turnout(entry, signal);
  return (count) => [
    compareTallies(
      index,
      'votes in the log = votes in PostgreSQL',
      addTallies(index, count.counted, count.behind),
      tally,
    ),
    check('votes in PostgreSQL that no ballot can hold', 0, offBallot),
    ...compareTurnout(verification, turnout),
  ];
}

function compareTurnout({ index }: Verification, turnout: Turnout): Check[] {
  const differing = turnout.differing.map(({ location, participants, ballots }) => {
    const place =
      location === null ? 'no location' : (index.election.locations[location]?.id ?? `location ${location}`);
    return `${place}: ${participants} took part, and ${ballots} ballots were cast`;
  });
  return [
    check('votes in the log = participation in PostgreSQL', turnout.batched, turnout.participants),
    check('participants who are no voters of the election', 0, turnout.strangers),
    check('participants who were removed from the roll', 0, turnout.removed),
    noneOf('participants of each location = its ballots', differing),
  ];
}
