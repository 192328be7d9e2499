import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { testElection } from '../../../test/support/test-count.ts';
import { countStatement, literal } from './statement.ts';

test('a literal holds plain characters alone, and says the same text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const written = literal(text);
      assert.match(written, /^'[A-Za-z0-9 .,\\-]*'$/);
      assert.equal(JSON.parse(`"${written.slice(1, -1)}"`), text);
    }),
  );
});

test('every value is put in, and no comment is sent', () => {
  const statement = countStatement(testElection(), 'f'.repeat(64), 1);
  assert.doesNotMatch(statement, /:(election|definition|epoch|vote_for_usual|vote_for_others|names)\b/);
  assert.doesNotMatch(statement, /^\s*--/m);
  for (const part of ["'council-2026'", `'${'f'.repeat(64)}'`, "(2, 'L0001'", "'Ada party'"])
    assert.ok(statement.includes(part), part);
});

test('an id that looks like a place for a value is left as it is', () => {
  const election = testElection({ contests: [[':election', ':names', '$&']] });
  const statement = countStatement(election, 'f'.repeat(64), 1);
  assert.ok(statement.includes(literal(':election')) && statement.includes(literal('$&')));
  assert.equal(statement.split("'council-2026'").length, 2);
});

test('contests with another number of votes than most are listed', () => {
  const { contests, ...rest } = testElection({ contests: [['Ada'], ['Ben'], ['Cleo']] });
  const election = { ...rest, contests: contests.map((each, i) => ({ ...each, vote_for: i === 1 ? 3 : 2 })) };
  const statement = countStatement(election, 'f'.repeat(64), 1);
  assert.ok(statement.includes("CAST(map('contest-2', 3L) AS MAP<STRING, BIGINT>)"));
  assert.match(statement, /, 2L\) AS vote_for/);
});
