import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { addParticipation, NO_PARTICIPANTS, ParticipationDigest } from './participation-digest.ts';

const cipherOf = (key: number) => createCipheriv('aes-256-ecb', Buffer.alloc(32, key), null).setAutoPadding(false);
const digestOf = (key: number): ParticipationDigest => {
  const cipher = cipherOf(key);
  return new ParticipationDigest((blocks) => cipher.update(blocks));
};

/** The rule once more, as plainly as it can be said. */
function plainly(key: number, voters: readonly number[]): string {
  let sum = 0n;
  for (const voter of voters) {
    const blocks = Buffer.alloc(128);
    for (let block = 0; block < 8; block++) {
      blocks.writeBigUInt64LE(BigInt(voter), 16 * block);
      blocks.writeUInt32LE(block, 16 * block + 8);
    }
    const numbers = cipherOf(key).update(blocks).reverse();
    sum += BigInt(`0x${numbers.toString('hex')}`);
  }
  return BigInt.asUintN(1_024, sum).toString(16).padStart(256, '0');
}

const voters = fc.uniqueArray(fc.maxSafeNat(), { maxLength: 2_000 });

describe('the digest of participants', () => {
  const digest = digestOf(1);
  test('neither order nor splitting changes it, and the sums of parts add up to the whole', () => {
    fc.assert(
      fc.property(voters, fc.double({ min: 0, max: 1, noNaN: true }), (ids, share) => {
        const cut = Math.floor(ids.length * share);
        const [left, right] = [Float64Array.from(ids.slice(0, cut)), Float64Array.from(ids.slice(cut))];
        const whole = digest.add(NO_PARTICIPANTS, Float64Array.from(ids).reverse());
        assert.equal(digest.add(digest.add(NO_PARTICIPANTS, left), right), whole);
        assert.equal(addParticipation([left, right].map((part) => digest.add(NO_PARTICIPANTS, part))), whole);
      }),
    );
  });

  test('it is the sum of eight blocks a voter, modulo 2^1024', () => {
    const ids = [0, 1, 20_000, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, ...Array.from({ length: 600 }, (_, i) => 7 * i + 3)];
    assert.equal(digest.add(NO_PARTICIPANTS, Float64Array.from(ids)), plainly(1, ids));
  });

  test('a voter more, less or another changes it, and so does the key', () => {
    const sums = [[], [1], [2], [1, 2], [1, 1], [2 ** 32 + 1]].map((ids) =>
      digest.add(NO_PARTICIPANTS, Float64Array.from(ids)),
    );
    assert.equal(new Set(sums).size, sums.length);
    assert.notEqual(digestOf(2).add(NO_PARTICIPANTS, Float64Array.of(1)), sums[1]);
  });
});
