import { OperationalError } from '../../base/errors.ts';
import type { Database } from './database.ts';

/** Makes the caller the last writer of its name. @returns its epoch. */
export async function raiseEpoch(database: Database, electionNo: number, name: string): Promise<number> {
  const [row] = await database.query<{ epoch: number }>(
    `INSERT INTO writers VALUES ($1, $2, 1) ON CONFLICT (election_no, name) DO UPDATE SET epoch = writers.epoch + 1 RETURNING epoch`,
    [electionNo, name],
  );
  return row!.epoch;
}

/** The epoch of the last writer of this name; 0 before the first. */
export async function currentEpoch(database: Database, electionNo: number, name: string): Promise<number> {
  const [row] = await database.query<{ epoch: number }>(
    'SELECT epoch FROM writers WHERE election_no = $1 AND name = $2',
    [electionNo, name],
  );
  return row?.epoch ?? 0;
}

/**
 * @throws OperationalError FENCED where the current epoch of the writers of a name is not the
 * caller's own.
 */
export function assertEpoch(name: string, current: number | undefined, own: number, cause?: unknown): void {
  if (current === own) return;
  throw new OperationalError('FENCED', {
    message: `a later ${name} has taken over (epoch ${current}, this one is ${own})`,
    nextStep: 'Nothing to do: the later one goes on. Start this one again only after ending that one.',
    cause,
  });
}
