import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawPortrait } from './portrait.ts';

const SEEDS = Array.from({ length: 500 }, (_, i) => `candidate ${i}`);

test('equal seeds give equal portraits, different seeds almost always different ones', () => {
  assert.equal(drawPortrait('Ada'), drawPortrait('Ada'));
  assert.ok(new Set(SEEDS.map(drawPortrait)).size > 490);
});

test('a portrait is a small SVG data URI of one document, without a script and without what breaks an attribute', () => {
  for (const seed of SEEDS) {
    const uri = drawPortrait(seed);
    assert.ok(uri.length < 3_000, `${seed}: ${uri.length}`);
    assert.match(uri, /^data:image\/svg\+xml,%3Csvg xmlns='http:\/\/www\.w3\.org\/2000\/svg'[^"<>#]*%3C\/svg%3E$/);
    assert.doesNotMatch(uri, /undefined|NaN|script/);
  }
});
