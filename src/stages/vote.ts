import { OperationalError } from '../base/errors.ts';
import type { Chooser } from '../domain/ballots/chooser.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { voteLengthMax } from '../domain/log/box.ts';
import { createVoterColumns, readVoters, type VoterColumns } from '../domain/log/voter-records.ts';
import type { ClaimedPartition } from '../ports/ballot-box.ts';
import { definitionOf, type ElectionEntry } from '../ports/elections.ts';
import { batchesFrom, endOf, type Log, type LogBatch } from '../ports/log.ts';
import type { StageContext } from '../ports/stage-context.ts';
import { goOn } from './go-on.ts';
import { type Booth, openBooth } from './voting/booth.ts';
import type { Pace } from './voting/pace.ts';
import { type PartitionWork, workShare } from './voting/share.ts';

/**
 * The most voters of a batch. Larger batches gain nothing measurable and cost memory. A commit
 * costs about 2 ms, even with a small batch.
 */
const VOTES_PER_BATCH_MAX = 20_000;
/**
 * The most text of a batch, far below the limit of a reader (256 MB). Ballots with very many
 * contests go in smaller batches.
 */
const BATCH_LENGTH_MAX = 64_000_000;

interface VoteContext extends StageContext {
  readonly log: Log;
  readonly pace: Pace;
}

/**
 * Lets the voters of all partitions vote as the chooser says, until the roll ends or the signal
 * aborts. Several processes share the partitions. Each process has a pace of its own.
 * @throws OperationalError LOG_DAMAGED, FENCED, or the error of the database when patience ends.
 */
export async function voteFromRoll(context: StageContext, chooser: Chooser, pace: Pace): Promise<void> {
  assertTest(context.entry);
  await goOn(context, async (going) => {
    const { backend, entry, progress, signal } = going;
    await backend.assertSafe(entry);
    progress.cast(await backend.ballotBox.recovered());
    await using sharing = await backend.ballotBox.share(entry, ROLL);
    // All partitions read the roll by one log, so the connections do not double with them.
    await using log = await backend.openLog(entry);
    await workShare({
      sharing,
      signal,
      left: () => backend.ballotBox.unasked(entry),
      tryClaim: (partitions) => claimPartition({ ...going, log, pace }, chooser, partitions),
      shared: (partitions) => progress.say(sayShare(partitions, entry.partitions)),
    });
    // Every partition is done, so the fate of each lost commit is known by now.
    progress.cast(await backend.ballotBox.recovered());
  });
}

/** The source of voters where `vote` has no file or topic of votes. */
const ROLL = 'voters';

/** @returns e.g. `Voting in partitions 0, 2 of 4.` */
function sayShare(partitions: readonly number[], all: number): string {
  if (partitions.length === 0) return `Voting in none of the ${all} partitions: other processes do. Standing by.`;
  return `Voting in ${partitions.length === 1 ? 'partition' : 'partitions'} ${partitions.join(', ')} of ${all}.`;
}

/**
 * Refuses to simulate the votes of real voters.
 * @throws OperationalError USAGE where the election is not a test.
 */
export function assertTest({ id, definition }: ElectionEntry): void {
  if (definition?.is_test === true) return;
  throw new OperationalError('USAGE', {
    message: `election ${id} is not a test, so its votes are cast and never simulated`,
    nextStep: 'Cast them with `vote --votes FILE`, or say "is_test": true in the election file to rehearse.',
  });
}

/** Claims the first of these partitions that is free. @returns null where none is free. */
async function claimPartition(
  context: VoteContext,
  chooser: Chooser,
  partitions: readonly number[],
): Promise<PartitionWork | null> {
  const { backend, entry } = context;
  const claimed = await backend.ballotBox.tryClaim(entry, partitions, ROLL);
  if (claimed === null) return null;
  return {
    partition: claimed.partition,
    async work(signal) {
      await using _claim = claimed;
      await votePartition({ ...context, signal }, chooser, claimed);
    },
  };
}

async function votePartition(context: VoteContext, chooser: Chooser, claimed: ClaimedPartition): Promise<void> {
  const { entry, log, signal } = context;
  const most = Math.max(
    1,
    Math.min(VOTES_PER_BATCH_MAX, Math.floor(BATCH_LENGTH_MAX / voteLengthMax(indexElection(definitionOf(entry))))),
  );
  const booth = openBooth(entry, most, most * chooser.selectionsMax);
  const voters = createVoterColumns(most);
  while (!signal.aborted) {
    for await (const batch of batchesFrom(log, 'voters', claimed.partition, claimed.next_offset))
      if (!(await voteBatch(context, booth, chooser, voters, claimed, batch)) || signal.aborted) return;
    if (await waitForVoters(context, claimed)) return claimed.end();
  }
}

/** @returns false when the signal aborted. */
async function voteBatch(
  context: VoteContext,
  booth: Booth,
  chooser: Chooser,
  voters: VoterColumns,
  claimed: ClaimedPartition,
  batch: LogBatch,
): Promise<boolean> {
  const cursor = readVoters(booth.index, batch.text, batch.base_offset, claimed.next_offset - batch.base_offset);
  const end = endOf(batch);
  while (claimed.next_offset < end) {
    const allowed = await context.pace.take(Math.min(voters.ids.length, end - claimed.next_offset), context.signal);
    if (allowed === 0) return false;
    try {
      if (cursor.read(voters, allowed) !== allowed) throw new Error('it has fewer records than it says');
    } catch (cause) {
      throw damagedVoters(claimed.partition, cause);
    }
    const { ids, offsets } = askVoters(booth, chooser, voters, claimed.next_offset);
    const committed = await claimed.commit({
      next_offset: claimed.next_offset + voters.count,
      voters: ids,
      voter_offsets: offsets,
      rejections: [],
      seal: (accepted, end) => booth.seal(end, accepted),
    });
    context.progress.cast(committed);
  }
  return true;
}

/**
 * Asks each voter for a choice and puts it into the booth.
 * @returns the voters who vote, in the order of the topic, which is the order of their ids.
 */
function askVoters(
  booth: Booth,
  chooser: Chooser,
  voters: VoterColumns,
  offset: number,
): { ids: Float64Array; offsets: Float64Array } {
  const { cast } = booth;
  const ids = new Float64Array(voters.count);
  const offsets = new Float64Array(voters.count);
  let count = 0;
  let selected = 0;
  for (let i = 0; i < voters.count; i++) {
    const location = voters.locations[i]!;
    const written = chooser.choose(location, voters.places[i]!, cast.selections, selected);
    if (written === -1) continue;
    cast.locations[count] = location;
    cast.starts[count] = selected;
    ids[count] = voters.ids[i]!;
    offsets[count++] = offset + i;
    selected += written;
  }
  cast.starts[count] = selected;
  cast.count = count;
  return { ids: ids.subarray(0, count), offsets: offsets.subarray(0, count) };
}

/** @returns true when no voter follows; false when a voter may have come, or the signal aborted. */
async function waitForVoters(context: VoteContext, claimed: ClaimedPartition): Promise<boolean> {
  const waiting = new AbortController();
  // The wait begins before the look, so the end of the roll cannot fall between the two.
  const woken = context.log.wait(
    'voters',
    claimed.partition,
    claimed.next_offset,
    AbortSignal.any([context.signal, waiting.signal]),
  );
  // The look may fail first. A failure of the wait is not lost then, since the end of the function
  // awaits it.
  woken.catch(() => {});
  try {
    const entry = await context.backend.elections.find(context.entry.id);
    const ended =
      entry?.voters_total != null && (await context.log.end('voters', claimed.partition)) === claimed.next_offset;
    if (!ended) await woken;
    return ended;
  } finally {
    waiting.abort();
    await woken;
  }
}

const damagedVoters = (partition: number, cause: unknown): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `partition ${partition} of topic voters is damaged: ${cause instanceof Error ? cause.message : cause}`,
    nextStep: 'Stop and keep everything as it is; run `tallyroom verify`, then restore the log from a backup.',
    cause,
  });
