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
 * Makes the election, or finds the one that another process has made since this one looked. Two
 * starts with `fresh` make one election each.
 */
async function createOrFind(
  { elections }: Backend,
  { fresh, partitions, origin: { seed } }: OpenOptions,
  { origin, id, name }: OpenedOrigin,
  wanted: ElectionId | null,
): Promise<ElectionEntry> {
  const entry = await elections.findOrCreate({
    id: wanted ?? id,
    name,
    arguments: origin,
    seed: seed ?? String(randomInt(SEED_MAX)),
    // Topic `returns` has one.
    partitions: origin.kind === 'returns' ? 1 : partitions,
    exact_id: wanted !== null,
    fresh,
  });
  assertSame(entry, origin, seed);
  return entry;
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
  const { paths, voters, turnout, scale, api, readings } = origin;
  return {
    election: paths.election ?? null,
    candidates: paths.candidates ?? null,
    roll: paths.roll ?? null,
    results: paths.results ?? null,
    electorate: paths.electorate ?? null,
    api,
    scale,
    readings,
    voters,
    turnout,
    seed: null,
  };
}
