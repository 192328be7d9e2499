import { originOf } from '../domain/election/origin.ts';
import type { InputProblem } from '../files/problems.ts';
import { assertReadableTwice } from '../files/text-files.ts';
import { electionNameOf } from '../formats/results/results.ts';
import { readRoll, scanRoll } from '../formats/roll.ts';
import { describeElection, readGivenElection } from './given-election.ts';
import { filesOf, type OpenedOrigin, type OriginOptions, type Say, TURNOUT_DEFAULT } from './origin.ts';
import { createReporter, openStagedRoll } from './staged-roll.ts';

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
      ...filesOf({ roll: summary.sha256, ...given.hashes }, options),
    }),
    id: given.election?.id ?? named.id,
    name: given.election?.name ?? named.name,
    define: async (context) => {
      await using staged = await openStagedRoll(context, given.election);
      const report = createReporter(say);
      for await (const block of readRoll(path, given.election, Math.max(1, staged.position))) {
        report(block.problems);
        const repeated = await staged.add(block.rows, block.next_line);
        report(repeated.map((position) => onTheRollAlready(path, block.rows[position]!.line)));
        context.signal.throwIfAborted();
      }
      return { election: await staged.define(describeElection(given, context.entry, named.name), names) };
    },
  };
}

const onTheRollAlready = (file: string, line: number): InputProblem => ({
  file,
  line,
  column: 'registration_number',
  reason: 'this voter is on the roll already; the first entry stays',
  nextStep: 'remove the line, or correct its number',
});
