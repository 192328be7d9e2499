import { randomInt } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { OperationalError } from '../base/errors.ts';
import { type ElectionId, parseElectionId } from '../domain/election/election.ts';
import type { ElectionOrigin } from '../domain/election/origin.ts';
import type { Backend } from '../ports/backend.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import type { Progress } from '../ports/progress.ts';
import type { OpenedOrigin, OriginOptions } from './origin.ts';
import { readOrigin } from './read-origin.ts';

export interface OpenOptions {
  readonly id: string | null;
  readonly fresh: boolean;
  readonly partitions: number;
  readonly origin: OriginOptions;
  /** The origin where it was read before; null to read it when it is needed. */
  readonly opened?: OpenedOrigin | null;
}

/** A drawn seed has at most ten digits, so it can be copied from the terminal. */
const SEED_MAX = 2 ** 32;

/**
 * Finds the election that the options mean, or makes it. The last election (or election `id`) is
 * meant where the options are the same or none are given. A new one is made where there is no
 * election or `fresh` asks for one. The definition is fixed when this returns.
 * @throws OperationalError ELECTION_DIFFERS where the election that was found was made from other
 * inputs.
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
  const asked = Object.values(options.origin).some((value) => value !== null);
  if (found !== null && found.definition !== null && !asked) return found;
  const opened =
    options.opened ?? (await readOrigin(found !== null && !asked ? optionsOf(found) : options.origin, progress.say));
  if (found !== null) assertSame(found, opened.origin, options.origin.seed);
  const entry = found ?? (await createOrFind(backend, options, opened, wanted));
  if (entry.definition !== null) return entry;
  const { election, replayed } = await opened.define({ backend, entry, progress, signal });
  return elections.define(entry, election, replayed);
}

function electionId(text: string): ElectionId {
  const id = parseElectionId(text);
  if (id.ok) return id.value;
  throw new OperationalError('USAGE', { message: `--id: ${id.error}`, nextStep: 'Give it another --id.' });
}

/**
 * Where two processes start for the first time at once, one makes the election and the other finds
 * it. Two starts with `fresh` make one election each.
 */
async function createOrFind(
  backend: Backend,
  options: OpenOptions,
  { origin, id: proposed, name }: OpenedOrigin,
  wanted: ElectionId | null,
): Promise<ElectionEntry> {
  const { elections } = backend;
  const seed = options.origin.seed ?? String(randomInt(SEED_MAX));
  for (;;) {
    const id = wanted ?? (await freeId(backend, proposed));
    try {
      return await elections.create({ id, name, arguments: origin, seed, partitions: options.partitions });
    } catch (error) {
      if (options.fresh && wanted === null && isTaken(error)) continue;
      const other = await elections.find(id);
      if (other === null || options.fresh) throw error;
      assertSame(other, origin, options.origin.seed);
      return other;
    }
  }
}

const isTaken = (error: unknown): boolean => error instanceof OperationalError && error.code === 'ELECTION_DIFFERS';

/** The id itself where no election has it, otherwise the first free one of id-2, id-3... */
async function freeId(backend: Backend, id: ElectionId): Promise<ElectionId> {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? id : (`${id}-${number}` as ElectionId);
    if ((await backend.elections.find(candidate)) === null) return candidate;
  }
}

/**
 * Compares everything but the paths: a file may move, but its content may not change.
 * @throws OperationalError ELECTION_DIFFERS
 */
function assertSame(entry: ElectionEntry, now: ElectionOrigin, seed: string | null): void {
  const { paths: _, ...was } = entry.arguments;
  const differing = Object.entries(was).flatMap(([name, value]) =>
    isDeepStrictEqual(value, now[name as keyof typeof was]) ? [] : [name],
  );
  if (seed !== null && seed !== entry.seed) differing.push('seed');
  if (differing.length === 0) return;
  throw new OperationalError('ELECTION_DIFFERS', {
    message: `election ${entry.id} is here already and was made differently (${differing.join(', ')})`,
    nextStep:
      was.kind === 'roll'
        ? 'A roll that changed: `register --add FILE` adds voters, `register --remove FILE` removes them. Or start a new election beside it with --fresh.'
        : 'Start a new election beside it with --fresh, use another --data-dir, or leave the options out to go on with this one.',
  });
}

/** The options that an election was made with, read back. */
function optionsOf({ arguments: origin }: ElectionEntry): OriginOptions {
  const { paths, voters, turnout, scale, api } = origin;
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
