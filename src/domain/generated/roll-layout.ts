import { createPermutation } from '../numbers/permutation.ts';
import { createSeed } from '../numbers/random.ts';

/** The place of one voter on the roll: `place` counts from 0 within the location. */
export interface RollPlace {
  location: number;
  place: number;
}

/**
 * The order in which the voters of an election are registered, and so vote. One permutation of all
 * places mixes the locations: every location reports from the first minute on, and registration can
 * go on from any ordinal.
 */
export interface RollLayout {
  readonly total: number;
  /**
   * Writes the place of the voter with this ordinal of [0, total). Allocates nothing; 200 ns with
   * 3,143 locations.
   */
  locate(ordinal: number, entry: RollPlace): void;
}

/** @param sizes voters by location. Memory grows with locations. */
export function createRollLayout(sizes: ArrayLike<number>, seed: string): RollLayout {
  /** The first position of each location, and one past the last at the end. */
  const first = new Float64Array(sizes.length + 1);
  for (let location = 0; location < sizes.length; location++) first[location + 1] = first[location]! + sizes[location]!;
  const total = first[sizes.length]!;
  const permutation = createPermutation(createSeed(seed, 'roll'), total);
  return {
    total,
    locate(ordinal, entry) {
      const position = permutation(ordinal);
      let low = 0;
      let high = sizes.length;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (first[middle]! <= position) low = middle;
        else high = middle;
      }
      entry.location = low;
      entry.place = position - first[low]!;
    },
  };
}
