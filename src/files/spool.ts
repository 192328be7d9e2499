import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { diskFull, isDiskFull } from '../base/disk-full.ts';
import { OperationalError } from '../base/errors.ts';

/**
 * A stream that was written to a file, so that it can be identified first and read from any line.
 */
export interface SpooledInput {
  readonly path: string;
  /** Deletes the file; a second call does nothing. */
  remove(): Promise<void>;
}

/** The name tells whose the file is. */
const nameOf = (): string => `standard-input-${process.pid}-${process.hrtime.bigint()}@${hostname()}`;
const NAME = /^standard-input-(\d+)-\d+(?:@(.*))?$/;

/**
 * Writes standard input to a file that only this user can read, because it holds the votes of named
 * voters.
 * @param directory is made where it is missing
 * @throws OperationalError INPUT_REFUSED when the file cannot be written, DISK_FULL; AbortError
 */
export async function spoolInput(
  input: NodeJS.ReadableStream,
  directory: string,
  signal?: AbortSignal,
): Promise<SpooledInput> {
  const path = join(directory, nameOf());
  const remove = (): Promise<void> => rm(path, { force: true });
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await pipeline(
      input,
      createWriteStream(path, { flags: 'wx', mode: 0o600 }),
      signal === undefined ? {} : { signal },
    );
  } catch (cause) {
    await remove();
    if (signal?.aborted) throw cause;
    if (isDiskFull(cause)) throw diskFull(directory, cause);
    throw new OperationalError('INPUT_REFUSED', {
      message: `standard input could not be written to ${directory}: ${cause instanceof Error ? cause.message : cause}`,
      nextStep: 'Make room or permission there, or give a file instead of -.',
      cause,
    });
  }
  return { path, remove };
}

/**
 * Removes what processes left behind that were killed while they cast standard input: it says how
 * each voter voted. Files of processes that run stay, and those of another machine, which are told.
 */
export async function clearSpool(directory: string, say: (line: string) => void): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const [, pid, host] = NAME.exec(name) ?? [];
    if (pid === undefined || Number(pid) === process.pid) continue;
    const path = join(directory, name);
    if (host !== undefined && host !== hostname())
      say(`${path} is standard input that ${host} was casting. Where that process has ended, remove the file.`);
    else if (!isRunning(Number(pid))) {
      await rm(path, { force: true });
      say(
        `Removed ${path}: standard input of a command that was killed while it cast it. What it had cast stays; ` +
          'give the same input again to cast the rest.',
      );
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
