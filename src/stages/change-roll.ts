import { OperationalError } from '../base/errors.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { createProblemReporter, type InputProblem, type ProblemReporter } from '../files/problems.ts';
import { assertReadableTwice } from '../files/text-files.ts';
import { readElectionFile } from '../formats/election-file.ts';
import { readRemovals, tooMany } from '../formats/removals.ts';
import { readRoll, scanRoll } from '../formats/roll.ts';
import { definitionOf, type ElectionEntry } from '../ports/elections.ts';
import type { LateVoter, Roll, RollChange, RollRefusal } from '../ports/roll.ts';
import type { StageContext } from '../ports/stage-context.ts';

/**
 * The late changes of an election: voters who join or leave a complete roll, and its description.
 */

/**
 * The most rows of one file. A change is one transaction and is held in memory: about 100 MB at
 * this size.
 */
const ROWS_MAX = 100_000;

/**
 * Reads the file of a change through, for everything that needs no election.
 * @throws InputRefused
 */
export async function inspectChange(kind: 'add' | 'remove' | 'revise', path: string): Promise<void> {
  await assertReadableTwice(path);
  if (kind === 'add') await scanRoll(path, null);
  else if (kind === 'remove') await readRemovals(path, ROWS_MAX);
  else await readElectionFile(path);
}

/** Adds the voters of a roll as CSV to a complete roll. Voters who are on it are left out. */
export async function addVoters(context: StageContext, path: string): Promise<void> {
  const election = definitionOf(context.entry);
  assertKnownVoters(context.entry);
  await assertReadableTwice(path);
  const { identity, notices } = await scanRoll(path, election);
  for (const notice of notices) context.progress.say(notice);
  const reporter = createProblemReporter(context.progress.say);
  const locations = indexElection(election).locationNumbers;
  const voters: LateVoter[] = [];
  const lines: number[] = [];
  for await (const { rows, problems } of readRoll(path, election, 1, identity)) {
    reporter.tell(problems);
    for (const { line, person, location } of rows) {
      if (voters.length === ROWS_MAX) throw tooMany(path, line, ROWS_MAX);
      voters.push({ person, location: locations.get(location)! });
      lines.push(line);
    }
  }
  const change = await withRoll(context, (roll) => roll.addLate(`add:${identity.sha256}`, voters));
  report(context, reporter, change, 'added to', path, lines);
}

/** Removes voters who have not voted from a complete roll. */
export async function removeVoters(context: StageContext, path: string): Promise<void> {
  assertKnownVoters(context.entry);
  const { sha256, rows, problems, notices } = await readRemovals(path, ROWS_MAX);
  for (const notice of notices) context.progress.say(notice);
  const reporter = createProblemReporter(context.progress.say);
  reporter.tell(problems);
  const change = await withRoll(context, (roll) => roll.removeLate(`remove:${sha256}`, rows));
  report(
    context,
    reporter,
    change,
    'removed from',
    path,
    rows.map(({ line }) => line),
  );
}

/**
 * Makes the description of an election file the one in force. Electorates stay as the roll gives
 * them where the election has a roll.
 */
export async function reviseElection({ backend, entry, progress }: StageContext, path: string): Promise<void> {
  const { election, notices } = await readElectionFile(path);
  for (const notice of notices) progress.say(notice);
  const inForce = definitionOf(entry);
  const counted = new Map(inForce.locations.map(({ id, registered_voters }) => [id, registered_voters]));
  const keepsElectorates = entry.arguments.kind !== 'results';
  const revised = await backend.elections.revise(entry, {
    ...election,
    id: entry.id,
    is_test: inForce.is_test,
    locations: election.locations.map((location) =>
      keepsElectorates ? { ...location, registered_voters: counted.get(location.id) ?? null } : location,
    ),
  });
  progress.say(
    revised.revision === entry.revision
      ? `Election ${entry.id} has this description already.`
      : `Election ${entry.id} has its description ${revised.revision} now. Its ballots are counted as before.`,
  );
}

/** @throws OperationalError USAGE where the voters of the election are invented. */
function assertKnownVoters({ id, arguments: { kind }, voters_total }: ElectionEntry): void {
  if (kind === 'generated' || kind === 'results')
    throw new OperationalError('USAGE', {
      message: `the voters of election ${id} are ${kind === 'results' ? 'replayed' : 'generated'}, so nobody joins or leaves its roll`,
      nextStep: 'Make an election with a roll: `register --roll FILE`.',
    });
  if (voters_total === null)
    throw new OperationalError('USAGE', {
      message: `the roll of election ${id} is not complete yet`,
      nextStep: 'Let `register` finish first.',
    });
}

async function withRoll(
  { backend, entry, signal }: StageContext,
  work: (roll: Roll) => Promise<RollChange>,
): Promise<RollChange> {
  await using roll = await backend.openRoll(entry, signal);
  return await work(roll);
}

const REFUSALS: Record<RollRefusal, Pick<InputProblem, 'reason' | 'nextStep'>> = {
  'on-the-roll': { reason: 'this voter is on the roll already', nextStep: 'nothing; the first entry stays' },
  'on-the-roll-elsewhere': {
    reason: 'this voter is on the roll in another location',
    nextStep: 'remove the voter there first, with `register --remove FILE`',
  },
  'not-on-the-roll': { reason: 'this voter is not on the roll', nextStep: 'check the number' },
  'has-voted': {
    reason: 'this voter has voted, so the vote counts and the voter stays on the roll',
    nextStep: 'take the line out',
  },
};

function report(
  { progress }: StageContext,
  reporter: ProblemReporter,
  { entry, changed, was_taken_before, refused }: RollChange,
  what: string,
  file: string,
  lines: readonly number[],
): void {
  reporter.tell(
    refused.map(({ position, reason }) => ({
      file,
      line: lines[position]!,
      column: 'registration_number',
      ...REFUSALS[reason],
    })),
  );
  reporter.end();
  const total = (entry.voters_total ?? 0).toLocaleString('en-GB');
  progress.say(
    was_taken_before
      ? `${file} was taken before; nothing is changed. ${total} voters are registered.`
      : `${count(changed)} ${what} the roll, ${refused.length.toLocaleString('en-GB')} left out. ${total} voters are registered.`,
  );
}

const count = (voters: number): string => (voters === 1 ? '1 voter' : `${voters.toLocaleString('en-GB')} voters`);
