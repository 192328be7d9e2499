import { OperationalError } from './errors.ts';

/** Whether the system refused to write because the disk, or the user's part of it, is full. */
export function isDiskFull(error: unknown): error is NodeJS.ErrnoException {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** @param place the directory or file that could not be written */
export function diskFull(place: string, cause?: unknown): OperationalError {
  return new OperationalError('DISK_FULL', {
    message: `The disk that holds ${place} is full.`,
    nextStep:
      'Free some space, or name a data directory on a larger disk with --data-dir, then start again; nothing is lost.',
    cause,
  });
}
