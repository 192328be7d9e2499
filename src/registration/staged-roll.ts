import { assert } from '../domain/assert.ts';
import { comparisonKey } from '../domain/election/comparison-key.ts';
import type { Election, Location, LocationId } from '../domain/election/election.ts';
import type { LocatedPerson } from '../formats/roll.ts';
import type { Roll } from '../ports/roll.ts';
import type { StageContext } from '../ports/stage-context.ts';

/**
 * A roll whose people come from outside. The people are stored first. After the last one, the
 * locations and their registered voters are known. Then the definition is fixed, and the roll goes
 * to the topic.
 */
export interface StagedRoll extends AsyncDisposable {
  /** The position at which the source goes on. Its meaning belongs to the source. */
  readonly position: number;
  /** The number of people stored. */
  readonly voters: number;
  /** @returns the positions of people who are already on the roll. */
  add(people: readonly LocatedPerson[], position: number): Promise<readonly number[]>;
  /**
   * The definition. Its locations have the voters that were stored in them.
   * @param names the names of locations that the election does not define, by id; a location
   * without one is named by its id.
   */
  define(election: Election, names?: ReadonlyMap<string, string>): Promise<Election>;
}

/** @param election has all locations that people may name; with null they may name any. */
export async function openStagedRoll(
  { backend, entry, progress, signal }: StageContext,
  election: Election | null,
): Promise<StagedRoll> {
  await using opening = new AsyncDisposableStack();
  // A query that fails here gives the lock of the roll back, so the next try does not wait for us.
  const roll = opening.use(await backend.openRoll(entry, signal));
  const known = election?.locations.map((location) => location.id as string);
  const locations = new StagedLocations(
    known ?? (await roll.stagedLocations()).map((location) => location.name),
    known !== undefined,
  );
  let position = await roll.position('stage');
  let voters = 0;
  for (const count of (await roll.stagedBefore(Number.MAX_SAFE_INTEGER)).values()) voters += count;
  progress.registered(voters);
  opening.move();
  return {
    get position() {
      return position;
    },
    get voters() {
      return voters;
    },
    async add(people, to) {
      const numbers = people.map(({ location }) => locations.numberOf(location));
      const repeated = await roll.stage({
        source: 'stage',
        from: position,
        to,
        people: people.map(({ person }) => person),
        locations: numbers,
        new_locations: locations.takeNew(),
      });
      position = to;
      voters += people.length - repeated.length;
      progress.registered(voters);
      return repeated;
    },
    define: async (defined, names = new Map()) => ({ ...defined, locations: await locationsOf(roll, defined, names) }),
    // `close` never throws, so it cannot hide an error of the work.
    [Symbol.asyncDispose]: () => roll.close(),
  };
}

async function locationsOf(roll: Roll, election: Election, names: ReadonlyMap<string, string>): Promise<Location[]> {
  const voters = await roll.stagedBefore(Number.MAX_SAFE_INTEGER);
  const locations =
    election.locations.length > 0
      ? election.locations
      : (await roll.stagedLocations()).map(({ name }) => ({
          id: name as LocationId,
          name: names.get(name) ?? name,
          type: 'location',
          parent_id: null,
        }));
  return locations.map((location, number) => ({ ...location, registered_voters: voters.get(number) ?? 0 }));
}

/**
 * Numbers the locations of staged people in the order of their appearance. They keep their numbers
 * over restarts. The first spelling of a location is its name; others that look the same mean it.
 */
class StagedLocations {
  readonly #numbers: Map<string, number>;
  readonly #byKey = new Map<string, number>();
  #fresh: string[] = [];

  /**
   * True where the definition names the locations. No other can appear then, since the inputs
   * refuse it.
   */
  readonly #closed: boolean;

  constructor(known: Iterable<string>, closed: boolean) {
    this.#numbers = new Map([...known].map((name, number) => [name, number]));
    for (const [name, number] of this.#numbers) this.#byKey.set(comparisonKey(name), number);
    this.#closed = closed;
  }

  numberOf(name: string): number {
    const known = this.#numbers.get(name) ?? this.#byKey.get(comparisonKey(name));
    if (known !== undefined) return known;
    assert(!this.#closed, 'a location of the election');
    const number = this.#numbers.size;
    this.#numbers.set(name, number);
    this.#byKey.set(comparisonKey(name), number);
    this.#fresh.push(name);
    return number;
  }

  /** The names that appeared since the last call, in order. */
  takeNew(): string[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }
}
