import type { Election } from '../domain/election/election.ts';
import { originOf } from '../domain/election/origin.ts';
import { createProblemReporter, type InputProblem, PROBLEMS_SHOWN_MAX } from '../files/problems.ts';
import { assertReadableTwice, grownProblem } from '../files/text-files.ts';
import { electionNameOf } from '../formats/results/results.ts';
import { findFirstLines, type RollRow, readRoll, scanRoll } from '../formats/roll.ts';
import { describeElection, readGivenElection } from './given-election.ts';
import { filesOf, type OpenedOrigin, type OriginOptions, type Say, TURNOUT_DEFAULT } from './origin.ts';
import { openStagedRoll } from './staged-roll.ts';

/** Voters from a roll as CSV. */
export async function openRollOrigin(options: OriginOptions, path: string, say: Say): Promise<OpenedOrigin> {
  const given = await readGivenElection(options, say);
  await assertReadableTwice(path);
  const summary = await scanRoll(path, given.election);
  for (const notice of summary.notices) say(notice);
  const named = electionNameOf(path);
  const names = new Map(summary.locations.map((location) => [location.id as string, location.name]));
  return {
    origin: originOf({
      kind: 'roll',
      turnout: options.turnout ?? TURNOUT_DEFAULT,
      ...filesOf({ roll: summary.identity.sha256, ...given.hashes }, options),
    }),
    id: given.election?.id ?? named.id,
    name: given.election?.name ?? named.name,
    define: async (context) => {
      await using staged = await openStagedRoll(context, given.election);
      const reporter = createProblemReporter(context.progress.say);
      const reportRepeated = createRepeatReporter(path, given.election, reporter.tell);
      for await (const block of readRoll(path, given.election, Math.max(1, staged.position), summary.identity)) {
        reporter.tell(block.problems);
        const repeated = await staged.add(block.rows, block.next_line);
        await reportRepeated(repeated.map((position) => block.rows[position]!));
        context.signal.throwIfAborted();
      }
      const grown = await grownProblem(path, summary.identity, staged.position);
      if (grown !== null) reporter.tell([grown]);
      reporter.end();
      return { election: await staged.define(describeElection(given, context.entry, named.name), names) };
    },
  };
}

/** Reports voters who are on the roll twice, with both lines for as many as are shown. */
function createRepeatReporter(
  path: string,
  election: Election | null,
  report: (problems: readonly InputProblem[]) => void,
): (rows: readonly RollRow[]) => Promise<void> {
  let told = 0;
  return async (rows) => {
    const shown = rows.slice(0, Math.max(0, PROBLEMS_SHOWN_MAX - told));
    told += shown.length;
    const lines = shown.length === 0 ? new Map<number, number>() : await findFirstLines(path, election, shown);
    report(rows.map(({ line }) => onTheRollAlready(path, line, lines.get(line) ?? null)));
  };
}

const onTheRollAlready = (file: string, line: number, first: number | null): InputProblem => ({
  file,
  line,
  column: 'registration_number',
  reason:
    first === null
      ? 'this voter is on the roll already; the first entry stays'
      : `this voter is on the roll already, from line ${first}; the first entry stays`,
  nextStep: 'remove the line, or correct its number',
});
