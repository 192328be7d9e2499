import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { OperationalError } from '../base/errors.ts';
import type { Progress } from '../cli/progress.ts';
import { type ElectionId, parseElectionId } from '../domain/election/election.ts';
import type { Backend } from '../ports/backend.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import type { Making, MakingArguments, MakingOptions } from './making.ts';
import { readMaking } from './read-making.ts';

export interface OpenOptions {
  readonly id: string | null;
  readonly fresh: boolean;
  readonly partitions: number;
  readonly making: MakingOptions;
}

/** A drawn seed has at most ten digits, so it can be copied from the terminal. */
const SEED_MAX = 2 ** 32;

/**
 * Finds the election that the options mean, or makes it: the last one (or `id`) where the options are the same or none are
 * given, a new one where there is none or `fresh` asks for it. Its definition is fixed when this returns.
 * @throws OperationalError ELECTION_DIFFERS when there is one that was made from something else.
 */
export async function openElection(
  backend: Backend,
  options: OpenOptions,
  progress: Progress,
  signal: AbortSignal,
): Promise<ElectionEntry> {
  const { elections } = backend;
  const wanted = options.id === null ? null : electionId(options.id);
  const found = options.fresh ? null : wanted === null ? await elections.latest() : await elections.find(wanted);
  const asked = Object.values(options.making).some((value) => value !== null);
  if (found !== null && found.definition !== null && !asked) return found;
  const making = await readMaking(found !== null && !asked ? optionsOf(found) : options.making, progress.say);
  if (found !== null) assertSame(found, making, options.making.seed);
  const entry = found ?? (await createOrFind(backend, options, making, wanted));
  if (entry.definition !== null) return entry;
  const { election, replayed } = await making.define({ backend, entry, progress, signal });
  return elections.define(entry, election, replayed);
}

function electionId(text: string): ElectionId {
  const id = parseElectionId(text);
  if (id.ok) return id.value;
  throw new OperationalError('USAGE', { message: `--id: ${id.error}`, nextStep: 'Give it another --id.' });
}

/** Of two first starts at once one makes the election, and the other finds it; of two fresh ones each makes its own. */
async function createOrFind(
  backend: Backend,
  options: OpenOptions,
  making: Making,
  wanted: ElectionId | null,
): Promise<ElectionEntry> {
  const { elections } = backend;
  const seed = options.making.seed ?? String(randomInt(SEED_MAX));
  for (;;) {
    const id = wanted ?? (await freeId(backend, making.id));
    try {
      return await elections.create({
        id,
        name: making.name,
        arguments: making.arguments,
        seed,
        partitions: options.partitions,
      });
    } catch (error) {
      if (options.fresh && wanted === null && isTaken(error)) continue;
      const other = await elections.find(id);
      if (other === null || options.fresh) throw error;
      assertSame(other, making, options.making.seed);
      return other;
    }
  }
}

const isTaken = (error: unknown): boolean => error instanceof OperationalError && error.code === 'ELECTION_DIFFERS';

/** The id itself where nobody has it, else the first free one of id-2, id-3... */
async function freeId(backend: Backend, id: ElectionId): Promise<ElectionId> {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? id : (`${id}-${number}` as ElectionId);
    if ((await backend.elections.find(candidate)) === null) return candidate;
  }
}

/** Where a file was may change, what is in it may not. */
const identity = ({ paths: _, ...compared }: MakingArguments): unknown => compared;

function assertSame(entry: ElectionEntry, making: Making, seed: string | null): void {
  const was = entry.arguments as MakingArguments;
  const now = making.arguments;
  const differing = Object.keys(now).filter(
    (key) =>
      key !== 'paths' && !isDeepStrictEqual(was[key as keyof MakingArguments], now[key as keyof MakingArguments]),
  );
  if (isDeepStrictEqual(identity(was), identity(now)) && (seed === null || seed === entry.seed)) return;
  throw new OperationalError('ELECTION_DIFFERS', {
    message: `election ${entry.id} is here already and was made differently (${[...differing, ...(seed !== null && seed !== entry.seed ? ['seed'] : [])].join(', ')})`,
    nextStep:
      'Start a new election beside it with --fresh, use another --data-dir, or leave the options out to go on with this one.',
  });
}

/** The options that an election was made with, read back. */
function optionsOf(entry: ElectionEntry): MakingOptions {
  const { paths, voters, turnout, scale, api } = entry.arguments as MakingArguments;
  return {
    election: paths.election ?? null,
    candidates: paths.candidates ?? null,
    roll: paths.roll ?? null,
    results: paths.results ?? null,
    electorate: paths.electorate ?? null,
    api,
    scale,
    voters,
    turnout,
    seed: null,
  };
}
