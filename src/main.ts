import { diskFull, isDiskFull } from './base/disk-full.ts';
import { ERROR_CODES, OperationalError } from './base/errors.ts';
import { type CommandName, helpOf, parseCommandLine } from './cli/command-table.ts';
import { resolveConfig } from './cli/config.ts';
import { flushed, isUnderNohup, type Outputs, watchOutputs } from './cli/outputs.ts';
import type { Command } from './commands/shared.ts';

/** A module is imported only when its command runs: `--help` answers without a database driver. */
const COMMAND_MODULES: Record<CommandName, () => Promise<{ command: Command }>> = {
  run: () => import('./commands/run.ts'),
  register: () => import('./commands/register.ts'),
  vote: () => import('./commands/vote.ts'),
  report: () => import('./commands/report.ts'),
  count: () => import('./commands/count.ts'),
  dashboard: () => import('./commands/dashboard.ts'),
  verify: () => import('./commands/verify.ts'),
  topics: () => import('./commands/topics.ts'),
  doctor: () => import('./commands/doctor.ts'),
  stack: () => import('./commands/stack.ts'),
};

async function main(argv: readonly string[], { unwritten }: Outputs): Promise<number> {
  let debug = argv.includes('--debug');
  try {
    const line = parseCommandLine(argv);
    if (line.options.help === true) {
      process.stdout.write(`${helpOf(line.command)}\n`);
      return 0;
    }
    const config = resolveConfig(line, process.env);
    debug = config.debug;
    const { command } = await COMMAND_MODULES[line.command]();
    const { stdout, stderr } = process;
    return await command(config, { stdout, stderr, signal: listen(), unwritten }, line);
  } catch (error) {
    return explain(error, debug);
  }
}

/** Aborts at the first signal. */
const stopping = new AbortController();
/** One Ctrl-C may arrive twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 1_000;

/**
 * The first Ctrl-C, SIGTERM or SIGHUP lets every stage finish what it holds; a second one ends at
 * once, which loses nothing either. Under `nohup` SIGHUP does nothing.
 */
function listen(): AbortSignal {
  let first = 0;
  const stop = (): void => {
    if (stopping.signal.aborted) {
      if (performance.now() - first > SAME_SIGNAL_MS) process.exit(130);
      return;
    }
    first = performance.now();
    process.stderr.write('\nStopping; everything committed stays. Ctrl-C again ends at once.\n');
    stopping.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('SIGHUP', isUnderNohup(process.env) ? () => {} : stop);
  return stopping.signal;
}

/**
 * The cause with its stack; of PostgreSQL's errors the code alone, since their text may repeat
 * personal data.
 */
function causeOf({ code, cause }: OperationalError): unknown {
  if (code === 'DATABASE_FAILED') return 'PostgreSQL';
  return cause instanceof Error ? cause.stack : cause;
}

/**
 * The exit code of a command whose output could not be written is never 0. A reader that has gone
 * (`| head`) needs no words.
 */
async function checkWritten(code: number, { unwritten }: Outputs): Promise<number> {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  if (!unwritten.aborted) return code;
  if (isDiskFull(unwritten.reason))
    explain(
      new OperationalError('DISK_FULL', {
        message: `standard output could not be written: ${unwritten.reason.message}`,
        nextStep: 'Free some space on the disk of the output file, then run the command again: nothing is lost.',
      }),
      false,
    );
  return code === 0 ? 1 : code;
}

/** The file that could not be written, where the system tells it. */
const placeOf = ({ path, message }: NodeJS.ErrnoException): string => path ?? `the file (${message})`;

function explain(error: unknown, debug: boolean): number {
  if (error instanceof Error && error.name === 'AbortError') return 130;
  if (isDiskFull(error)) return explain(diskFull(placeOf(error), error), debug);
  if (error instanceof OperationalError) {
    process.stderr.write(`Error: ${error.message}\nNext:  ${error.nextStep}\n`);
    if (debug) process.stderr.write(`${error.stack}\ncaused by ${causeOf(error)}\n`);
    return ERROR_CODES[error.code].exitCode;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    `Error: this is a defect of Tallyroom: ${message}\nNext:  Report it with what --debug prints.\n`,
  );
  if (debug) process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  return 1;
}

const outputs = watchOutputs(process.stdout, process.stderr);
process.exitCode = await checkWritten(await main(process.argv.slice(2), outputs), outputs);
// A wait for a server that does not answer must not hold a command that was told to end.
if (stopping.signal.aborted) process.exit();
