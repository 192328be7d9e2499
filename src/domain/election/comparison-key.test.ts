import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  comparisonKey,
  findSameKey,
  hasDirectionControl,
  hasHiddenCharacter,
  IdLookup,
  idFromName,
  mixedScriptWord,
} from './comparison-key.ts';

test('spellings that look the same have one key', () => {
  for (const [left, right, isSame] of [
    ['José Núñez', 'Jose\u0301 Nu\u0301n\u0303ez', true],
    ['Joan Bell', 'Joan Bell\u200b', true],
    ['Joan Bell', 'Joan\u00a0\u2009Bell', true],
    ['Joan Bell', '\u200fJoan Bell', true],
    ['Joan Bell', 'Jo\u00adan Bell', true],
    ['A-1001', 'A\u20111001', true],
    ['A-1001', 'A\u20131001', true],
    ['A-1001', 'A\u22121001', true],
    ['A-1001', '\uff21\uff0d\uff11\uff10\uff10\uff11', true],
    ['e\u034f\u0301', 'é', true],
    ['محمد', 'محم\u200cد', true],
    [' a  b ', 'a b', true],
    ['Joan Bell', 'joan Bell', false],
    ['A-1001', 'A1001', false],
    ['José', 'Jose', false],
  ] as const)
    assert.equal(comparisonKey(left) === comparisonKey(right), isSame, JSON.stringify([left, right]));
});

test('the key of a key is that key, and an exact spelling always has its key', () => {
  const unit = fc.oneof(
    fc.constantFrom('a', ' ', '-', '\u0301', '\u034f', '\u00a8', '\u1160', '\uffa0', '\u2011', '\u00ad', '\u3164'),
    fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
  );
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
      const key = comparisonKey(text);
      assert.equal(comparisonKey(key), key);
      assert.equal(comparisonKey(text.normalize('NFD')), key);
      assert.equal(comparisonKey(text.normalize('NFC')), key);
      assert.equal(hasHiddenCharacter(key), false);
    }),
    { numRuns: 5_000 },
  );
});

test('printable ASCII is its own key, but for its spaces', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(' ', 'a', '~', '!', '-'), maxLength: 9 }), (text) => {
      assert.equal(comparisonKey(text), text.trim().replace(/ +/g, ' '));
    }),
  );
});

test('directions and hidden characters are told apart', () => {
  for (const [text, isDirection, isHidden] of [
    ['Joan', false, false],
    ['\u202eOwen', true, true],
    ['\u2067Owen\u2069', true, true],
    ['\u200fJoan', false, true],
    ['می\u200cخواهم', false, true],
    ['👩\u200d👧', false, true],
    ['José', false, false],
  ] as const) {
    assert.equal(hasDirectionControl(text), isDirection, JSON.stringify(text));
    assert.equal(hasHiddenCharacter(text), isHidden, JSON.stringify(text));
  }
  assert.equal(idFromName('\u200fJoan  Bell\u200b'), 'Joan  Bell');
  assert.equal(idFromName('Joan  Bell '), 'Joan  Bell ');
});

test('an id is found by its spelling, then by its key, and never by a key that two ids have', () => {
  const lookup = new IdLookup(new Map(['José', 'A-1', 'B-1', 'B\u20131'].map((id, number) => [id, number])));
  for (const [text, number] of [
    ['José', 0],
    ['Jose\u0301', 0],
    ['A\u20111', 1],
    ['B-1', 2],
    ['B\u20131', 3],
    ['B\u20111', -1],
    ['a-1', -1],
  ] as const)
    assert.equal(lookup.find(text), number, JSON.stringify(text));
  assert.deepEqual(findSameKey(['a', 'b', 'a\u200b']), { first: 0, second: 2 });
  assert.equal(findSameKey(['a', 'b', 'A']), null);
});

test('a word of two scripts is found, a name of words in two scripts is not', () => {
  for (const [text, word] of [
    ['Joan Bell', null],
    ['J\u043ean Bell', 'J\u043ean'],
    ['Иван Petrov', null],
    ['Ελλάδα 2026', null],
    ['\u0391nn', '\u0391nn'],
    ['José Ñuñez', null],
  ] as const)
    assert.equal(mixedScriptWord(text), word, text);
});
