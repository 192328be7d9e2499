import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { acceptedEncodings } from './encoding.ts';

describe('accept-encoding', () => {
  const CASES: readonly (readonly [header: string, gzip: boolean, identity: boolean])[] = [
    ['', false, true],
    ['gzip', true, true],
    ['GZIP, br', true, true],
    ['x-gzip', true, true],
    ['br', false, true],
    ['not-gzip', false, true],
    ['gzip;q=0', false, true],
    ['gzip ; q=0.000', false, true],
    ['gzip;q=0.001', true, true],
    ['gzip;q=nonsense', false, true],
    ['gzip;q=0.5, identity', false, true],
    ['gzip, identity;q=0.5', true, true],
    ['*', true, true],
    ['*;q=0', false, false],
    ['*, gzip;q=0', false, true],
    ['gzip, *;q=0', true, false],
    ['identity;q=0, gzip', true, false],
    ['identity;q=0', false, false],
  ];
  for (const [header, gzip, identity] of CASES) {
    test(`"${header}": gzip ${gzip}, plain ${identity}`, () => {
      assert.deepEqual(acceptedEncodings({ headers: { 'accept-encoding': header } }), { gzip, identity });
    });
  }
});
