import { type ElectionIndex, slotContest, slotsOf } from '../election/election-index.ts';
import { createSeed } from '../numbers/random.ts';

/** How the invented or replayed voters of an election vote. A pure function of location and place: any process may ask, in any order. */
export interface Chooser {
  /**
   * Writes the candidate numbers that the voter at `place` of `location` selects to `out` from `at` on, ascending.
   * @returns how many were written, or -1 when this voter does not vote. Allocates nothing.
   */
  choose(location: number, place: number, out: Int32Array, at: number): number;
  /** The most that one call writes. */
  readonly selectionsMax: number;
}

/**
 * Two 32-bit keys for each slot at `2 * slot`, from the seed, the purpose and the ids of contest and location, so that draws
 * for different contests and locations are independent and do not change with the order of a definition.
 */
export function slotKeys(index: ElectionIndex, seed: string, purpose: string): Int32Array {
  const keys = new Int32Array(2 * index.slotCount);
  for (const [location, { id }] of index.election.locations.entries())
    for (const slot of slotsOf(index, location))
      keys.set(createSeed(seed, purpose, slotContest(index, slot).id, id).subarray(0, 2), 2 * slot);
  return keys;
}
