import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originOf, parseOrigin } from './origin.ts';

test('an origin is read back as it was stored', () => {
  for (const origin of [
    originOf({ kind: 'generated', voters: 100_000, turnout: 0.7 }),
    originOf({ kind: 'results', scale: 0.1, files: { results: 'ab' }, paths: { results: '/data/results.csv' } }),
    originOf({ kind: 'api', voters: 50, turnout: 1, api: 'https://randomuser.me/api/' }),
  ])
    assert.deepEqual(parseOrigin(JSON.parse(JSON.stringify(origin))), { ok: true, value: origin });
});

test('what an earlier version stored is read as it meant it', () => {
  const stored =
    '{"api": null, "kind": "roll", "files": {"roll": "ab"}, "paths": {"roll": "/r.csv"}, ' +
    '"scale": null, "voters": null, "turnout": 0.7}';
  assert.deepEqual(parseOrigin(JSON.parse(stored)), {
    ok: true,
    value: originOf({ kind: 'roll', turnout: 0.7, files: { roll: 'ab' }, paths: { roll: '/r.csv' } }),
  });
  assert.deepEqual(parseOrigin({ kind: 'generated' }), { ok: true, value: originOf({ kind: 'generated' }) });
});

for (const [value, verdict] of [
  [null, /not an object/],
  [[], /not an object/],
  [{}, /kind/],
  [{ kind: 'guess' }, /kind/],
  [{ kind: 'generated', voters: '5' }, /not a number/],
  [{ kind: 'api', api: 5 }, /not text/],
  [{ kind: 'roll', files: { roll: 5 } }, /not an object of texts/],
] as const)
  test(`${JSON.stringify(value)} is not an origin: ${verdict}`, () => {
    const parsed = parseOrigin(value);
    assert.ok(!parsed.ok && verdict.test(parsed.error));
  });
