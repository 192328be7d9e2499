import { OperationalError } from '../base/errors.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { RETURN_FAULTS } from '../domain/returns/plausibility.ts';
import { createProblemReporter } from '../files/problems.ts';
import { inspectReturns, readReturnsFile } from '../formats/returns.ts';
import { definitionOf, type ElectionEntry } from '../ports/elections.ts';
import type { TakenUpload } from '../ports/returns.ts';
import type { StageContext } from '../ports/stage-context.ts';
import { goOn } from './go-on.ts';

/** Opens a file of returns before a server is started. @throws InputRefused */
export const inspectReport = (path: string): Promise<void> => inspectReturns(path);

/**
 * Takes a file of official returns. Each number is kept; those without a fault go to topic
 * `returns`.
 * @param reportedAt the time of rows that name none, in milliseconds; null is the time of receipt
 * @throws InputRefused where the file is not a table of returns; OperationalError USAGE where
 * the election counts ballots
 */
export async function reportFile(context: StageContext, path: string, reportedAt: number | null): Promise<void> {
  const { entry, progress } = context;
  assertReturns(entry);
  const now = Date.now();
  const index = indexElection(definitionOf(entry));
  const { upload, problems, notices } = await readReturnsFile(path, index, { reported_at: reportedAt, now });
  for (const notice of notices) progress.say(notice);
  const reporter = createProblemReporter(progress.say);
  reporter.tell(problems);
  const taken = await goOn(context, async ({ backend }) => {
    await backend.assertSafe(entry);
    return await backend.returns.take(entry, upload);
  });
  reporter.tell(
    taken.quarantined.map(({ line, fault }) => ({
      file: path,
      line,
      column: null,
      reason: `${fault}: ${RETURN_FAULTS[fault].sentence}`,
      nextStep: RETURN_FAULTS[fault].nextStep,
    })),
  );
  reporter.end();
  progress.say(summaryOf(path, taken, upload.refused.length));
}

/** @throws OperationalError USAGE */
function assertReturns({ id, definition }: ElectionEntry): void {
  if (definition?.source === 'returns') return;
  throw new OperationalError('USAGE', {
    message: `election ${id} counts ballots, and takes no official returns`,
    nextStep: 'Name the election with --id, or register one whose file has "source": "returns".',
  });
}

/** @throws OperationalError USAGE where the election counts returns */
export function assertBallots({ id, definition }: ElectionEntry): void {
  if (definition?.source !== 'returns') return;
  throw new OperationalError('USAGE', {
    message: `election ${id} counts official returns, and takes no ballots and no voters`,
    nextStep: 'Report its returns with `npm run tallyroom -- report FILE`, or name another election with --id.',
  });
}

const whole = (count: number): string => count.toLocaleString('en-GB');

function summaryOf(path: string, taken: TakenUpload, refused: number): string {
  const { upload, was_taken_before, accepted, repeated, quarantined } = taken;
  if (was_taken_before) return `${path} was taken before, as upload ${upload}: nothing changes.`;
  const parts = [`${whole(accepted)} ${accepted === 1 ? 'number' : 'numbers'} accepted`];
  if (repeated > 0) parts.push(`${whole(repeated)} known already`);
  if (quarantined.length > 0) parts.push(`${whole(quarantined.length)} in quarantine`);
  if (refused > 0) parts.push(`${whole(refused)} ${refused === 1 ? 'row' : 'rows'} refused`);
  return `Upload ${upload}: ${parts.join(', ')}.`;
}
