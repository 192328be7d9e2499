import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPermutation, PERMUTATION_SIZE_MAX, permutationWidth } from './permutation.ts';
import { createSeed } from './random.ts';

/** Whether the function maps [0, size) onto [0, size). */
function isBijective(permutation: (k: number) => number, size: number): boolean {
  const hit = new Uint8Array(size);
  for (let k = 0; k < size; k++) {
    const to = permutation(k);
    if (!Number.isInteger(to) || to < 0 || to >= size || hit[to] === 1) return false;
    hit[to] = 1;
  }
  return true;
}

test('a bijection for every size up to 600, under several seeds', () => {
  for (let size = 0; size <= 600; size++)
    for (const seed of ['a', 'b', 'c'])
      assert.ok(isBijective(createPermutation(createSeed(seed), size), size), `${size} ${seed}`);
});

test('a bijection for any size and seed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), fc.string(), (size, seed) =>
      isBijective(createPermutation(createSeed(seed), size), size),
    ),
  );
});

test('stays inside and apart for sizes far beyond 32 bits', () => {
  for (const size of [2 ** 31, 2 ** 32 + 1, 2 ** 40 - 87, 2 ** 40, PERMUTATION_SIZE_MAX]) {
    const permutation = createPermutation(createSeed('large'), size);
    const seen = new Set<number>();
    for (let i = 0; i < 20_000; i++) {
      const to = permutation(i % 2 === 0 ? i : size - i);
      assert.ok(Number.isSafeInteger(to) && to >= 0 && to < size, `${to} of ${size}`);
      seen.add(to);
    }
    assert.equal(seen.size, 20_000);
    assert.ok(Math.max(...seen) > size * 0.99 && Math.min(...seen) < size * 0.01);
  }
});

test('is the same in every version: a replay that was begun must go on', () => {
  assert.deepEqual([0, 1, 2, 3].map(createPermutation(createSeed('1'), 1_000_000)), [364068, 350509, 274039, 986656]);
});

test('refuses sizes it cannot keep exact', () => {
  for (const size of [-1, 1.5, Number.NaN, PERMUTATION_SIZE_MAX + 1])
    assert.throws(() => permutationWidth(size), /assertion/);
});

/** 99.99 % of chi-square with 99 degrees of freedom lie below 159. */
const CHI_SQUARE_99_MAX = 159;

test('over seeds, any position goes anywhere, and two neighbours go to any pair of places', () => {
  for (const size of [10, 11, 97]) {
    const seeds = 40_000;
    const pairs = new Float64Array(100);
    for (let s = 0; s < seeds; s++) {
      const permutation = createPermutation(createSeed('chi', s), size);
      const bin = (k: number): number => Math.floor((permutation(k) * 10) / size);
      pairs[bin(3) * 10 + bin(4)]!++;
    }
    // The expected content of each pair of bins: ordered pairs of different places, half-filled
    // bins as they come.
    const expected = new Float64Array(100);
    for (let a = 0; a < size; a++)
      for (let b = 0; b < size; b++)
        if (a !== b)
          expected[Math.floor((a * 10) / size) * 10 + Math.floor((b * 10) / size)]! += seeds / (size * (size - 1));
    let chiSquare = 0;
    for (let i = 0; i < 100; i++) {
      if (expected[i] === 0) assert.equal(pairs[i], 0);
      else chiSquare += (pairs[i]! - expected[i]!) ** 2 / expected[i]!;
    }
    assert.ok(chiSquare < CHI_SQUARE_99_MAX, `chi-square ${chiSquare} at size ${size}`);
  }
});

test('neighbours are torn apart and the next seed is another permutation', () => {
  const size = 100_000;
  const one = createPermutation(createSeed('1'), size);
  const two = createPermutation(createSeed('2'), size);
  let meetings = 0;
  let steps = 0;
  let distance = 0;
  for (let k = 0; k + 1 < size; k++) {
    if (one(k) === two(k)) meetings++;
    if (Math.abs(one(k + 1) - one(k)) === 1) steps++;
    distance += Math.abs(one(k + 1) - one(k));
  }
  // Poisson with mean 1 and 2: ten or more is one chance in millions; the mean distance of two
  // random places is size / 3.
  assert.ok(meetings < 10 && steps < 14, `${meetings} meetings, ${steps} steps`);
  assert.ok(Math.abs(distance / size / (size / 3) - 1) < 0.02);
});
