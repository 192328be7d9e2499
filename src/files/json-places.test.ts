import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findRepeatedKey, lineOfValue } from './json-places.ts';

test('a repeated key is found with both lines, wherever it is', () => {
  for (const [json, expected] of [
    ['{"a": 1, "a": 2}', { key: 'a', first_line: 1, line: 1 }],
    ['{"a": 1,\n "b": [{"c": "x"},\n {"c": 1,\n\n "c": 2}]}', { key: 'c', first_line: 3, line: 5 }],
    ['{"selections": {"mayor": ["Ada"], "mayor": ["Bob"]}}', { key: 'mayor', first_line: 1, line: 1 }],
    ['{"\\u0061": 1, "a": 2}', { key: 'a', first_line: 1, line: 1 }],
    ['{"__proto__": 1, "__proto__": 2}', { key: '__proto__', first_line: 1, line: 1 }],
    ['{"a": {"a": {"a": 1}}, "b": "a", "c": "\\"a\\": 1, \\"a\\": 2"}', null],
    ['[{"a": 1}, {"a": 1}, ["a", "a"]]', null],
    ['"a"', null],
  ] as const)
    assert.deepEqual(findRepeatedKey(json), expected, json);
});

test('no JSON that JSON.stringify wrote has a repeated key, and each of its values has its line', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (json) => {
      const value = JSON.parse(json) as unknown;
      const text = JSON.stringify(value, null, 1);
      assert.equal(findRepeatedKey(text), null);
      const lines = text.split('\n');
      const visit = (inner: unknown, path: (string | number)[]): void => {
        if (typeof inner !== 'object' || inner === null) {
          assert.ok(lines[lineOfValue(text, path) - 1]!.includes(JSON.stringify(inner)));
          return;
        }
        for (const [key, each] of Object.entries(inner))
          visit(each, [...path, Array.isArray(inner) ? Number(key) : key]);
      };
      visit(value, []);
    }),
  );
});

test('a value that is missing has the line of the part that is there', () => {
  const json = '{\n "a": [\n  {"b": 1}\n ]\n}';
  for (const [path, line] of [
    [['a', 0, 'b'], 3],
    [['a', 0, 'c'], 3],
    [['a', 1], 2],
    [['c'], 1],
    [[], 1],
  ] as const)
    assert.equal(lineOfValue(json, path), line, path.join('.'));
});
