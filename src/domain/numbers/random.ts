/**
 * Seeded randomness as a pure function of its arguments. Nothing has state, so any voter's draw can
 * be made alone, in any order, by any process. The statistics are good, the secrecy is none: a
 * secret must not come from here.
 */

/** 4 x 32 bits. */
export type Seed = Int32Array;

/**
 * A bijection of 32-bit integers in which every input bit flips each output bit with a chance near
 * 1/2: the xorshift-multiply scheme of MurmurHash3's finaliser, with constants of lower bias (C.
 * Wellons, "Prospecting for hash functions", 2018).
 */
export function mix(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
}

/** 2^32 divided by the golden ratio, odd: multiples of it spread evenly over 32 bits. */
const GOLDEN = 0x9e3779b9;

/**
 * A seed that depends on every part and on where each ends: `('1', '23')` and `('12', '3')` differ.
 */
export function createSeed(...parts: readonly (string | number)[]): Seed {
  const text = JSON.stringify(parts);
  const seed = Int32Array.of(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);
  for (let i = 0; i < text.length; i++) {
    const lane = i & 3;
    seed[lane] = mix(seed[lane]! ^ text.charCodeAt(i)) + seed[(lane + 3) & 3]!;
  }
  // Two rounds, so that each lane depends on every other.
  for (let round = 0; round < 8; round++)
    seed[round & 3] = mix(seed[round & 3]! + Math.imul(seed[(round + 3) & 3]!, GOLDEN) + text.length);
  return seed;
}

/**
 * A 32-bit signed integer drawn for the pair `a`, `b`, whole numbers of which the low 32 bits
 * count.
 */
export function hashPair(seed: Seed, a: number, b: number): number {
  return mix(mix(mix(a ^ seed[0]!) + Math.imul(b, GOLDEN) + seed[1]!) ^ seed[2]!);
}

const TO_UNIT = 2 ** -32;

/** A 32-bit integer, signed or not, as a number in [0, 1), evenly spaced by 2^-32. */
export const toUnit = (bits: number): number => (bits >>> 0) * TO_UNIT;

/**
 * A number in [0, 1) drawn for the pair `a`, `b`, see {@link hashPair}. 6 to 12 ns a call (node 24,
 * loop of 10^8, two-core VM).
 */
export const hashToUnit = (seed: Seed, a: number, b: number): number => toUnit(hashPair(seed, a, b));
