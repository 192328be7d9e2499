import { createPermutation } from '../numbers/permutation.ts';
import { createSeed } from '../numbers/random.ts';
import { assert } from '../outcome.ts';

/** Where one voter of the roll is: `place` counts from 0 within the location. */
export interface RollPlace {
  location: number;
  place: number;
}

/**
 * The order in which the voters of an election are registered, and so vote: all locations mixed, by one permutation of all
 * places, so that every location reports from the first minute on and registration can go on from any ordinal.
 */
export interface RollLayout {
  readonly total: number;
  /** Writes where the voter with this ordinal of [0, total) is. Allocates nothing; 200 ns with 3,143 locations. */
  locate(ordinal: number, entry: RollPlace): void;
}

/** `sizes[location]` voters in each location. Memory: locations. */
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

/**
 * Splits `total` in proportion to whole-number weights by the method of largest remainders (Hamilton): each share is its
 * quota rounded down, and what is left goes one each to the largest remainders, ties in order. The shares sum to `total`, none is
 * more than 1 from its quota, and none exceeds its weight where `total` is at most the sum. Exact: the products pass 2^53.
 */
export function apportion(weights: ArrayLike<number>, total: number): Float64Array {
  assert(Number.isSafeInteger(total) && total >= 0, `a total of ${total} to apportion`);
  const shares = new Float64Array(weights.length);
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const weight = weights[i]!;
    assert(Number.isSafeInteger(weight) && weight >= 0, `a weight of ${weight}`);
    sum += weight;
  }
  assert(sum > 0 || total === 0, 'something to apportion and no weight to do it by');
  if (sum === 0) return shares;
  const divisor = BigInt(sum);
  const remainders = new Float64Array(weights.length);
  let left = total;
  for (let i = 0; i < weights.length; i++) {
    const product = BigInt(weights[i]!) * BigInt(total);
    shares[i] = Number(product / divisor);
    remainders[i] = Number(product % divisor);
    left -= shares[i]!;
  }
  const order = Array.from(remainders, (_, i) => i).sort((a, b) => remainders[b]! - remainders[a]!);
  for (let i = 0; i < left; i++) shares[order[i]!]!++;
  return shares;
}
