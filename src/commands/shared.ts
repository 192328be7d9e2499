import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import type { CommandLine } from '../cli/command-table.ts';
import type { Config } from '../cli/config.ts';
import { type ShownProgress, showProgress } from '../cli/progress.ts';
import type { ElectionId } from '../domain/election/election.ts';
import { InputRefused } from '../files/problems.ts';
import { clearSpool } from '../files/spool.ts';
import type { Backend } from '../ports/backend.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import { openBackend } from '../wire/backend.ts';

/** The streams and the signal of a command. */
export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborts at the first Ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  /** Aborts where standard output cannot be written: its reader, terminal or disk has gone. */
  readonly unwritten: AbortSignal;
}

/**
 * The exit codes where no error ends a command. The exit codes of errors are in `base/errors.ts`.
 */
export const EXIT = { done: 0, check_failed: 1, interrupted: 130 } as const;

/** @returns the exit code. @throws OperationalError, which main explains. */
export type Command = (config: Config, terminal: Terminal, line: CommandLine) => Promise<number>;

/** Refuses a misspelt name of a file before a database is made. @throws InputRefused */
export function assertFilesExist({ origin, votes, change }: Config): void {
  const { election, candidates, roll, results, electorate } = origin;
  const given = [election, candidates, roll, results, electorate, votes === '-' ? null : votes, change?.file ?? null];
  const missing = given.filter((path) => path !== null && !existsSync(path));
  if (missing.length === 0) return;
  throw new InputRefused(
    missing.map((file) => ({
      file: file!,
      line: null,
      column: null,
      reason: 'there is no such file',
      nextStep: 'check the name',
    })),
  );
}

/** The directory of standard input while it is cast. */
export const spoolOf = ({ dataDir }: Config): string => join(dataDir, 'spool');

/** Opens the backend, which nearly every command needs, and closes it in every case. */
export async function withBackend(
  config: Config,
  terminal: Terminal,
  work: (backend: Backend, progress: ShownProgress) => Promise<number>,
): Promise<number> {
  assertFilesExist(config);
  using progress = showProgress(terminal.stderr);
  const backend = await openBackend({
    dataDir: config.dataDir,
    databaseUrl: config.databaseUrl,
    kafka: config.kafka,
    sparkRemote: config.sparkRemote,
    onProgress: progress.say,
    signal: terminal.signal,
  });
  let code: number;
  try {
    await clearSpool(spoolOf(config), progress.say);
    code = await work(backend, progress);
  } catch (error) {
    // The command ends with this failure; a later one of closing the backend is a line.
    await backend.close().catch((failure: Error) => progress.say(failure.message));
    throw error;
  }
  await backend.close();
  return code;
}

/**
 * The election of a command: `--id`, or the last one made.
 * @throws OperationalError NO_ELECTION.
 */
export async function findElection(backend: Backend, id: string | null): Promise<ElectionEntry> {
  const entry = id === null ? await backend.elections.latest() : await backend.elections.find(id as ElectionId);
  if (entry === null)
    throw new OperationalError('NO_ELECTION', {
      message: id === null ? 'there is no election here yet' : `there is no election ${id} here`,
      nextStep: 'Make one with `npm start`, or with `npm run tallyroom -- register`.',
    });
  if (entry.definition === null)
    throw new OperationalError('NO_ELECTION', {
      message: `election ${entry.id} is not defined yet: its voters are still being read in`,
      nextStep: 'Let `register` finish first.',
    });
  return entry;
}
