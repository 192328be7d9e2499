import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatStateId, isOlderState, parseStateId, type StateId } from './state-id.ts';

const INSTANCE = 'a'.repeat(32);
const id = (epoch: number, definition_offset: number, results_offset: number, instance = INSTANCE): string =>
  formatStateId({ instance, epoch, definition_offset, results_offset });

const arbitraryId: fc.Arbitrary<StateId> = fc.record({
  instance: fc.stringMatching(/^[0-9a-f]{32}$/),
  epoch: fc.nat(),
  definition_offset: fc.nat(),
  results_offset: fc.nat(),
});

test('an id is read back', () => {
  fc.assert(fc.property(arbitraryId, (each) => assert.deepEqual(parseStateId(formatStateId(each)), { ...each })));
});

test('any other text is not an id', () => {
  for (const text of ['', '1:5', `${INSTANCE}.1.2`, `${INSTANCE}.1.2.x`, `${INSTANCE.toUpperCase()}.1.2.3`])
    assert.equal(parseStateId(text), null);
});

describe('the order of states', () => {
  for (const [what, older, newer] of [
    ['a later result', id(1, 2, 3), id(1, 2, 4)],
    ['a later epoch, whatever its offsets', id(1, 9, 9), id(2, 1, 1)],
    ['a later definition', id(1, 2, 3), id(1, 3, 3)],
  ] as const)
    test(what, () => assert.deepEqual([isOlderState(older, newer), isOlderState(newer, older)], [true, false]));

  for (const [what, left, right] of [
    ['the same', id(1, 2, 3), id(1, 2, 3)],
    ['another election', id(1, 2, 3), id(9, 9, 9, 'b'.repeat(32))],
    ['more of one topic and less of the other', id(1, 2, 4), id(1, 3, 3)],
    ['no id', '1:5', id(1, 2, 3)],
  ] as const)
    test(`none: ${what}`, () =>
      assert.deepEqual([isOlderState(left, right), isOlderState(right, left)], [false, false]));
});
