import { keepGoing } from '../base/keep-going.ts';
import { assert } from '../domain/assert.ts';
import type { RejectionReason } from '../domain/ballots/rejection.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { createProblemReporter, type InputProblem, type ProblemReporter } from '../files/problems.ts';
import { spoolInput } from '../files/spool.ts';
import {
  type CastVote,
  type CastVotes,
  type CastVotesInput,
  inspectCastVotes,
  openInspected,
  readCastVotes,
} from '../formats/cast-votes.ts';
import type { CastBatch, Committed, Rejection } from '../ports/ballot-batch.ts';
import type { KnownVoter } from '../ports/ballot-box.ts';
import type { StageContext } from '../ports/stage-context.ts';
import { type Booth, openBooth } from './voting/booth.ts';

/** Reads a file of cast votes through before a server is started. @throws InputRefused */
export const inspectVotes = (path: string): Promise<CastVotesInput> => inspectCastVotes(path);

/**
 * Casts real votes from a file. The hash of the file is its name as a source, and the line is the
 * offset, so casting the file again repeats nothing. The votes go into any free partition of the
 * log; two processes with two files use two partitions.
 */
export async function castFile(context: StageContext, input: CastVotesInput): Promise<void> {
  const { backend, entry, progress, signal } = context;
  assert(entry.definition !== null, 'the election is defined');
  const index = indexElection(entry.definition);
  const file = await openInspected(input, index);
  const reporter = createProblemReporter(progress.say);
  const refusals = { source: file.path, reporter };
  await keepGoing(
    async () => {
      await backend.assertSafe(entry);
      const source = { name: `file:${file.sha256}`, partition: 0 };
      await using claimed = await backend.ballotBox.claim(entry, 'any', source, signal);
      // No transaction of an earlier try is left, since it would hold the source.
      progress.cast(await backend.ballotBox.recovered());
      const booth = openBooth(entry, 0, 0);
      for await (const block of readCastVotes(file, index, claimed.next_offset)) {
        await castBlock(context, booth, block, refusals, claimed.commit);
        if (signal.aborted) return;
      }
    },
    progress.say,
    signal,
  );
  reporter.end();
}

/**
 * Spools standard input first: its hash must be known before its first vote is cast, and the next
 * process must find it again after a crash.
 */
export async function castStandardInput(
  context: StageContext,
  input: NodeJS.ReadableStream,
  directory: string,
): Promise<void> {
  context.progress.say('Reading cast votes from standard input, to its end.');
  const spooled = await spoolInput(input, directory, context.signal);
  try {
    await castFile(context, await inspectCastVotes(spooled.path));
  } finally {
    await spooled.remove();
  }
}

/** The reasons that need the roll. */
type RollReason = Extract<RejectionReason, 'unknown-voter' | 'wrong-location' | 'already-voted'>;

/** Why a vote is refused that was read well. The line is personal data, so no value is repeated. */
const REFUSED: Record<RollReason, Pick<InputProblem, 'reason' | 'nextStep'>> = {
  'unknown-voter': {
    reason: 'the registration number is not on the roll',
    nextStep: 'look the voter up on the roll',
  },
  'wrong-location': {
    reason: 'the voter is registered in another location',
    nextStep: 'look the voter up on the roll',
  },
  'already-voted': {
    reason: 'the voter has voted already, and that vote stays',
    nextStep: 'nothing; it is recorded as a rejection',
  },
};

/** The reports to the user about refused votes. */
export interface Refusals {
  /** The name of the source in messages. */
  readonly source: string;
  readonly reporter: ProblemReporter;
}

/**
 * Looks up the voters of some votes, and commits the accepted and the refused votes in one
 * transaction.
 */
export async function castBlock(
  { backend, entry, progress }: StageContext,
  booth: Booth,
  block: CastVotes,
  { source, reporter }: Refusals,
  commit: (batch: CastBatch) => Promise<Committed>,
): Promise<void> {
  reporter.tell(block.refused.map(({ problem }) => problem));
  const rejections: Rejection[] = block.refused.map(({ line, reason }) => ({ source_offset: line, reason }));
  const known = await backend.ballotBox.lookUp(
    entry,
    block.votes.map((vote) => vote.registration_number),
  );
  const accepted: { vote: CastVote; voter_id: number }[] = [];
  const inBlock = new Set<number>();
  for (const vote of block.votes) {
    const voter = known.get(vote.registration_number);
    const reason = whyRefused(vote, voter, inBlock);
    if (reason !== null) {
      rejections.push({ source_offset: vote.line, reason });
      reporter.tell([{ file: source, line: vote.line, column: null, ...REFUSED[reason] }]);
      continue;
    }
    inBlock.add(voter!.voter_id);
    accepted.push({ vote, voter_id: voter!.voter_id });
  }
  // The order is that of voter ids. Two processes that cast the same voters then take them in the
  // same order, and participation does not show the order of voting.
  accepted.sort((left, right) => left.voter_id - right.voter_id);
  fillBooth(
    booth,
    accepted.map(({ vote }) => vote),
  );
  const committed = await commit({
    next_offset: block.next_line,
    voters: Float64Array.from(accepted, ({ voter_id }) => voter_id),
    voter_offsets: Float64Array.from(accepted, ({ vote }) => vote.line),
    rejections,
    seal: (stored, end) => booth.seal(end, stored),
  });
  progress.cast(committed);
}

function whyRefused(vote: CastVote, voter: KnownVoter | undefined, inBlock: ReadonlySet<number>): RollReason | null {
  if (voter === undefined) return 'unknown-voter';
  if (voter.location !== vote.location) return 'wrong-location';
  return voter.has_voted || inBlock.has(voter.voter_id) ? 'already-voted' : null;
}

function fillBooth(booth: Booth, votes: readonly CastVote[]): void {
  booth.reserve(
    votes.length,
    votes.reduce((sum, vote) => sum + vote.selections.length, 0),
  );
  const { cast } = booth;
  let selected = 0;
  for (const [i, vote] of votes.entries()) {
    cast.locations[i] = vote.location;
    cast.starts[i] = selected;
    cast.selections.set(vote.selections, selected);
    selected += vote.selections.length;
  }
  cast.starts[votes.length] = selected;
  cast.count = votes.length;
}
