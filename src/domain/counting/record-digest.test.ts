import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sha256 } from '../../base/sha256.ts';
import { RecordDigest } from './record-digest.ts';

const LOCATIONS = 4;

test('the digest is the sum of the hashes of the last record of each location', () => {
  const arbitraryRecord = fc.tuple(fc.nat(LOCATIONS - 1), fc.string());
  fc.assert(
    fc.property(fc.array(arbitraryRecord), (records) => {
      const digest = new RecordDigest(LOCATIONS, sha256);
      for (const [location, value] of records) digest.set(location, `location:${location}`, value);
      const last = new Map(records);
      const sum = [...last].reduce(
        (total, [location, value]) => total + BigInt(`0x${sha256(`location:${location}\t${value}`)}`),
        0n,
      );
      assert.equal(`${digest}`, (sum % 2n ** 256n).toString(16).padStart(64, '0'));
    }),
  );
});
