import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import { JARS_POM } from '../base/resources.ts';
import { sha256 } from '../base/sha256.ts';
import { draftName, moveIntoPlace, removeLeftovers, withFileErrors } from '../bundled-postgres/places.ts';

/**
 * The two sets of jars, each a profile of stack/pom.xml. They hold different versions of the same
 * libraries.
 */
export type JarSet = 'kafka' | 'spark';

/** Spark 4 runs on 17 and later; so does Kafka 4. */
const JAVA_MAJOR_MIN = 17;
/** The most output of Maven that is kept. It writes errors only. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** The most lines of the output that an error shows. */
const OUTPUT_TAIL_LINES = 8;
const POM_HASH_CHARACTERS = 12;

interface Tool {
  readonly program: string;
  readonly name: string;
  readonly nextStep: string;
}

const java: Tool = {
  program: process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java',
  name: `Java ${JAVA_MAJOR_MIN} or later`,
  nextStep:
    'Install a Java runtime (Debian, Ubuntu: `apt-get install openjdk-17-jre-headless`; macOS: `brew install openjdk`) or set JAVA_HOME, then run the same command again.',
};

const maven: Tool = {
  program: 'mvn',
  name: 'Maven',
  nextStep:
    'Install it (Debian, Ubuntu: `apt-get install maven`; macOS: `brew install maven`), then run the same command again; it is needed once, to fetch the jars.',
};

interface Ran {
  readonly failure: NodeJS.ErrnoException | null;
  readonly output: string;
}

function run({ program }: Tool, args: readonly string[], signal: AbortSignal | undefined): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(program, args, { signal, maxBuffer: OUTPUT_BYTES_MAX }, (failure, stdout, stderr) =>
      // The code is a number where the program ended with an error, and a name where it cannot be
      // run.
      resolve({ failure: failure as NodeJS.ErrnoException | null, output: stdout + stderr }),
    );
  });
}

function missing({ name, nextStep }: Tool, found: string, cause?: unknown): OperationalError {
  return new OperationalError('TOOL_MISSING', {
    message: `The stack needs ${name}; ${found}.`,
    nextStep,
    cause,
  });
}

/**
 * @returns the program to run jars with.
 * @throws OperationalError TOOL_MISSING where Java is missing or too old.
 */
export async function findJava(signal?: AbortSignal, tool = java): Promise<string> {
  const { failure, output } = await run(tool, ['-version'], signal);
  signal?.throwIfAborted();
  if (failure !== null) throw missing(tool, `${tool.program} cannot be run`, failure);
  // Version 8 called itself 1.8.0. Since 9 the first number is the version.
  const [, major = '0', minor = '0'] = /version "(\d+)(?:\.(\d+))?/.exec(output) ?? [];
  const version = major === '1' ? Number(minor) : Number(major);
  if (version < JAVA_MAJOR_MIN) throw missing(tool, `${tool.program} is version ${version}`);
  return tool.program;
}

/**
 * Fetches a set of jars by Maven, once for each content of stack/pom.xml. The name of the folder
 * holds the hash of that file. The folder exists only when it is complete.
 * @returns the folder.
 * @throws OperationalError TOOL_MISSING without Maven, STACK_FAILED where it cannot fetch them.
 */
export async function ensureJars(
  jars: string,
  set: JarSet,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const hash = sha256(await readFile(JARS_POM));
  const folder = join(jars, `${set}-${hash.slice(0, POM_HASH_CHARACTERS)}`);
  if (existsSync(folder)) return folder;
  const draft = await withFileErrors(jars, async () => {
    await mkdir(jars, { recursive: true });
    await removeLeftovers(jars, 'draft-');
    return join(jars, draftName('draft-'));
  });
  say(`Fetching the jars of ${set === 'kafka' ? 'Kafka (55 MB)' : 'Spark (300 MB)'}, once.`);
  await copyJars(set, draft, signal);
  await withFileErrors(jars, () => moveIntoPlace(draft, folder));
  return folder;
}

async function copyJars(set: JarSet, folder: string, signal: AbortSignal | undefined): Promise<void> {
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${folder}`, '-DincludeScope=runtime'];
  const { failure, output } = await run(maven, ['-q', '-B', '-f', JARS_POM, '-P', set, ...goal], signal);
  signal?.throwIfAborted();
  if (failure === null) return;
  if (failure.code === 'ENOENT') throw missing(maven, 'there is no mvn in the path', failure);
  throw new OperationalError('STACK_FAILED', {
    message: `Maven could not fetch the jars of ${set}:\n${output.trim().split('\n').slice(0, OUTPUT_TAIL_LINES).join('\n')}`,
    nextStep:
      'Usually no repository can be reached or the disk is full. Correct that, then run the same command again.',
    canRetry: true,
    cause: failure,
  });
}
