/** Where a command writes, watched so that a stream which cannot be written ends nothing. */
export interface Outputs {
  /**
   * Aborts where standard output could not be written, with the error of the system as its reason.
   */
  readonly unwritten: AbortSignal;
}

/**
 * An election goes on when its terminal, its reader or the disk of its output file has gone.
 * Without a listener the error would end the process and leave PostgreSQL running. An error that
 * does not come from the system is a defect, and is thrown.
 */
export function watchOutputs(stdout: NodeJS.WritableStream, stderr: NodeJS.WritableStream): Outputs {
  const unwritten = new AbortController();
  stdout.on('error', (error: NodeJS.ErrnoException) => unwritten.abort(ofSystem(error)));
  stderr.on('error', ofSystem);
  return { unwritten: unwritten.signal };
}

function ofSystem(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  if (error.syscall === undefined) throw error;
  return error;
}

/** @returns when everything written before has reached the system, or its error has been told. */
export const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((resolve) => {
    // Node tells an error some ticks after the end of the write.
    stream.write('', () => setImmediate(resolve));
  });

/**
 * Whether the command was started by `nohup`. Node gives SIGHUP its default action at the start, so
 * the process cannot see that it was to be ignored. Shells such as bash and zsh name the program
 * that they started in `_`, and `nohup` hands it on.
 */
export const isUnderNohup = (environment: NodeJS.ProcessEnv): boolean => /(^|\/)nohup$/.test(environment._ ?? '');
