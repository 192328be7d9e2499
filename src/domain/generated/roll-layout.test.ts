import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apportion } from '../numbers/apportion.ts';
import { createRollLayout } from './roll-layout.ts';

const sizes = fc.array(fc.nat(40), { minLength: 1, maxLength: 12 });

test('every place of every location has one ordinal', () => {
  fc.assert(
    fc.property(sizes, fc.string(), (sizes, seed) => {
      const roll = createRollLayout(sizes, seed);
      const entry = { location: -1, place: -1 };
      const seen = new Set<string>();
      for (let ordinal = 0; ordinal < roll.total; ordinal++) {
        roll.locate(ordinal, entry);
        assert.ok(entry.place >= 0 && entry.place < sizes[entry.location]!);
        seen.add(`${entry.location}/${entry.place}`);
      }
      assert.equal(seen.size, roll.total);
      assert.equal(
        roll.total,
        sizes.reduce((sum, size) => sum + size, 0),
      );
    }),
  );
});

test('any ordinal can be asked for alone, and locations come mixed', () => {
  const sizes = [4_000, 0, 2_000, 2_000];
  const roll = createRollLayout(sizes, '7');
  const again = createRollLayout(Float64Array.from(sizes), '7');
  const entry = { location: -1, place: -1 };
  const other = { location: -1, place: -1 };
  const early = [0, 0, 0, 0];
  for (let ordinal = 0; ordinal < 800; ordinal++) {
    roll.locate(ordinal, entry);
    early[entry.location]!++;
    again.locate(799 - ordinal, other);
  }
  roll.locate(0, entry);
  assert.deepEqual(other, entry);
  assert.equal(early[1], 0);
  for (const [location, expected] of [
    [0, 400],
    [2, 200],
    [3, 200],
  ] as const)
    assert.ok(Math.abs(early[location]! - expected) < 60, `${early}`);
});

test('apportionment: cases', () => {
  for (const [weights, total, shares] of [
    [[1, 1, 1], 4, [2, 1, 1]],
    [[1, 1, 1], 5, [2, 2, 1]],
    [[0, 3, 1], 2, [0, 2, 0]],
    [[47, 16, 15.0, 12, 6, 3.0, 1], 100, [47, 16, 15, 12, 6, 3, 1]],
    [[47_000, 16_000, 15_900, 12_000, 6_000, 3_100], 10, [5, 2, 1, 1, 1, 0]],
    [[], 0, []],
    [[0, 0], 0, [0, 0]],
    // The products pass 2^53, where doubles would tie.
    [[2 ** 52, 2 ** 52 - 1], 2 ** 52 + 1, [2 ** 51 + 1, 2 ** 51]],
  ] as const)
    assert.deepEqual([...apportion(weights, total)], shares);
  assert.throws(() => apportion([0], 1), /no weight/);
  assert.throws(() => apportion([0.5], 1), /weight of 0.5/);
});

test('apportionment: sums exactly, each share within 1 of its quota, a larger weight never less', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 30 }),
      fc.nat(1_000_000_000),
      (weights, total) => {
        const sum = weights.reduce((left, right) => left + right, 0);
        fc.pre(sum > 0);
        const shares = apportion(weights, total);
        assert.equal(
          shares.reduce((left, right) => left + right, 0),
          total,
        );
        for (const [i, share] of shares.entries()) {
          assert.ok(Math.abs(share - (weights[i]! * total) / sum) < 1.000001);
          if (total <= sum) assert.ok(share <= weights[i]!);
          for (const [j, other] of shares.entries()) if (weights[i]! > weights[j]!) assert.ok(share >= other);
        }
      },
    ),
  );
});
