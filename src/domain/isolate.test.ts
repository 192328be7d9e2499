import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isolate } from './isolate.ts';

test('a name without a direction of its own is left alone', () => {
  for (const name of ['Ada', 'Zoë', 'Владимир', '王', '3']) assert.equal(isolate(name), name);
});

test('a name that could turn its surroundings is isolated', () => {
  for (const name of ['عادل', 'דוד', 'A\u202eB', 'A\u200fB', '\u{1e900}'])
    assert.equal(isolate(name), `\u2068${name}\u2069`);
});
