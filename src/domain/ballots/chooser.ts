import { type ElectionIndex, slotContest, slotsOf } from '../election/election-index.ts';
import { createSeed } from '../numbers/random.ts';

/**
 * How the invented or replayed voters of an election vote. It is a pure function of location and
 * place, so any process may ask in any order.
 */
export interface Chooser {
  /**
   * Writes the candidate numbers that the voter at `place` of `location` selects to `out`, from
   * `at` on and ascending. Allocates nothing.
   * @returns the number of selections written, or -1 where this voter does not vote.
   */
  choose(location: number, place: number, out: Int32Array, at: number): number;
  /** The most selections that one call writes. */
  readonly selectionsMax: number;
}

/**
 * Two 32-bit keys for each slot at `2 * slot`, from the seed, the purpose and the ids of contest
 * and location. Draws for different contests and locations are therefore independent, and they do
 * not change with the order of a definition.
 */
export function slotKeys(index: ElectionIndex, seed: string, purpose: string): Int32Array {
  const keys = new Int32Array(2 * index.slotCount);
  for (const [location, { id }] of index.election.locations.entries())
    for (const slot of slotsOf(index, location))
      keys.set(createSeed(seed, purpose, slotContest(index, slot).id, id).subarray(0, 2), 2 * slot);
  return keys;
}
