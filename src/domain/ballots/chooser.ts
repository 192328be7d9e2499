import type { ElectionIndex } from '../election/election-index.ts';
import { createSeed } from '../numbers/random.ts';

/** How the invented or replayed voters of an election vote. A pure function of location and place: any process may ask, in any order. */
export interface Chooser {
  /**
   * Writes the candidate numbers that the voter at `place` of `location` selects to `out` from `at` on, ascending.
   * @returns how many were written, or -1 when this voter does not vote. Allocates nothing.
   */
  choose(location: number, place: number, out: Int32Array, at: number): number;
  /** The most that one call writes. */
  readonly selections_max: number;
}

/** The most selections that a ballot without overvotes can hold, in any location. */
export function selectionsMax(index: ElectionIndex): number {
  let most = 0;
  for (let location = 0; location + 1 < index.first_slot.length; location++) {
    let selections = 0;
    for (let slot = index.first_slot[location]!; slot < index.first_slot[location + 1]!; slot++) {
      const contest = index.contest_of_slot[slot]!;
      selections += Math.min(
        index.vote_for[contest]!,
        index.first_candidate[contest + 1]! - index.first_candidate[contest]!,
      );
    }
    most = Math.max(most, selections);
  }
  return most;
}

/**
 * Two 32-bit keys for each slot at `2 * slot`, from the seed, the purpose and the ids of contest and location, so that draws
 * for different contests and locations are independent and do not change with the order of a definition.
 */
export function slotKeys(index: ElectionIndex, seed: string, purpose: string): Int32Array {
  const { contests, locations } = index.election;
  const keys = new Int32Array(2 * index.contest_of_slot.length);
  for (const [location, { id }] of locations.entries())
    for (let slot = index.first_slot[location]!; slot < index.first_slot[location + 1]!; slot++) {
      const key = createSeed(seed, purpose, contests[index.contest_of_slot[slot]!]!.id, id);
      keys[2 * slot] = key[0]!;
      keys[2 * slot + 1] = key[1]!;
    }
  return keys;
}
