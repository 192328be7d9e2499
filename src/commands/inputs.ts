import type { ElectionChange } from '../cli/config.ts';
import { showProgress } from '../cli/progress.ts';
import { readingUntil } from '../files/input-bytes.ts';
import type { OpenedOrigin, OriginOptions } from '../registration/origin.ts';
import { readOrigin } from '../registration/read-origin.ts';
import { inspectChange } from '../stages/change-roll.ts';
import { assertFilesExist, type Command, type Terminal } from './shared.ts';

/**
 * Inputs are read through before a server is started, for everything that needs no database. So a
 * bad file leaves nothing behind, and a pipe that stays silent is left at Ctrl-C.
 */

type Config = Parameters<Command>[0];

/** Runs work that reads the inputs of a command. @throws AbortError where the signal aborts */
export async function readInputs<Value>(
  config: Config,
  { stderr, signal }: Terminal,
  work: (say: (line: string) => void) => Promise<Value>,
): Promise<Value> {
  assertFilesExist(config);
  using progress = showProgress(stderr);
  return await readingUntil({ signal, say: progress.say }, () => work(progress.say));
}

/** The inputs of an election, read and checked; null where the options name none. */
export const readAskedOrigin = (config: Config, terminal: Terminal): Promise<OpenedOrigin | null> =>
  readInputs(config, terminal, async (say) => (isAsked(config.origin) ? await readOrigin(config.origin, say) : null));

const isAsked = (origin: OriginOptions): boolean => Object.values(origin).some((value) => value !== null);

/** Reads the file of a late change through. */
export const readChange = (config: Config, terminal: Terminal, change: ElectionChange): Promise<void> =>
  readInputs(config, terminal, () => inspectChange(change.kind, change.file));
