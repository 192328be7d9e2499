import { assert } from '../assert.ts';

/**
 * Splits `total` in proportion to whole-number weights by the method of largest remainders
 * (Hamilton). Each share is its quota rounded down; the rest goes one each to the largest
 * remainders, ties in order. The shares sum to `total`, and none is more than 1 from its quota.
 * None exceeds its weight where `total` is at most the sum. BigInt keeps it exact, because the
 * products pass 2^53.
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
