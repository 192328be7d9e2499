import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fractionOf } from './counts.ts';

describe('fractions', () => {
  for (const [part, whole, verdict] of [
    [0, 10, 0],
    [5, 10, 0.5],
    [12, 10, 1.2],
    [0, 0, null],
    [5, 0, null],
    [5, null, null],
  ] as const)
    test(`${part} of ${whole} is ${verdict}`, () => assert.equal(fractionOf(part, whole), verdict));
});
