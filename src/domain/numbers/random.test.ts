import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createSeed, hashPair, hashToUnit, mix, toUnit } from './random.ts';

test('draws are the same in every version: a seed given once means the same election for ever', () => {
  assert.deepEqual([...createSeed('1', 'roll')], [-143520181, -1678889402, -1428511111, -1619193837]);
  assert.deepEqual(
    [0, 1, 2].map((a) => hashPair(createSeed('1'), a, 7)),
    [783574551, 1785072381, 1686826483],
  );
});

test('a seed knows where its parts end, and numbers from texts', () => {
  const seeds = [['1', '23'], ['12', '3'], ['123'], [123], ['1', '23', ''], []].map((parts) =>
    createSeed(...parts).join(),
  );
  assert.equal(new Set(seeds).size, seeds.length);
});

test('mix is a bijection where it can be seen to be: no two of a million neighbours meet', () => {
  const seen = new Set<number>();
  for (let value = 0; value < 1_000_000; value++) seen.add(mix(value));
  assert.equal(seen.size, 1_000_000);
});

test('units lie in [0, 1)', () => {
  assert.equal(toUnit(0), 0);
  assert.equal(toUnit(-1), 1 - 2 ** -32);
  fc.assert(
    fc.property(fc.string(), fc.nat(), fc.nat(), (text, a, b) => {
      const unit = hashToUnit(createSeed(text), a, b);
      return unit >= 0 && unit < 1;
    }),
  );
});

/** 99.99 % of chi-square with 63 degrees of freedom lie below 112. */
const CHI_SQUARE_63_MAX = 112;

test('draws fill 64 bins evenly along either argument and across seeds', () => {
  const seed = createSeed('bins');
  const draws: readonly ((i: number) => number)[] = [
    (i) => hashToUnit(seed, i, 0),
    (i) => hashToUnit(seed, 0, i),
    (i) => hashToUnit(seed, i, i),
    (i) => hashToUnit(createSeed('seed', i), 0, 0),
  ];
  for (const [which, draw] of draws.entries()) {
    const bins = new Float64Array(64);
    const count = 64_000;
    for (let i = 0; i < count; i++) bins[Math.floor(draw(i) * 64)]!++;
    const chiSquare = bins.reduce((sum, n) => sum + (n - count / 64) ** 2 / (count / 64), 0);
    assert.ok(chiSquare < CHI_SQUARE_63_MAX, `chi-square ${chiSquare} of draw ${which}`);
  }
});

test('every bit of an argument flips about half of the bits of the draw', () => {
  const seed = createSeed('avalanche');
  for (let bit = 0; bit < 32; bit++) {
    let flippedA = 0;
    let flippedB = 0;
    for (let i = 0; i < 1_000; i++) {
      flippedA += ones(hashPair(seed, i, 3) ^ hashPair(seed, i ^ (1 << bit), 3));
      flippedB += ones(hashPair(seed, 3, i) ^ hashPair(seed, 3, i ^ (1 << bit)));
    }
    for (const flipped of [flippedA, flippedB])
      assert.ok(Math.abs(flipped / 32_000 - 0.5) < 0.02, `bit ${bit}: ${flipped}`);
  }
});

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits >>> 0; rest !== 0; rest &= rest - 1) count++;
  return count;
}
