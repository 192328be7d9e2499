import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
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
  const statement = countStatement({ election: testElection(), revision: 7 }, 'f'.repeat(64), 1);
  assert.doesNotMatch(
    statement,
    /:(election|definition|epoch|revision|vote_for_usual|vote_for_others|names|name_buckets)\b/,
  );
  assert.doesNotMatch(statement, /^\s*--/m);
  for (const part of ["'council-2026'", `'${'f'.repeat(64)}'`, '7L AS revision'])
    assert.ok(statement.includes(part), part);
});

test('what is known of locations and candidates lies in the bucket of its key, by the length of the first id in characters', () => {
  const election = testElection({ contests: [['Ada', 'Ben'], ['Ada']], locations: 40 });
  const strange = election.locations.map((each, i) =>
    i === 0 ? { ...each, id: '\u{1F5F3} 1' as typeof each.id } : each,
  );
  const statement = countStatement({ election: { ...election, locations: strange }, revision: 0 }, 'f'.repeat(64), 1);
  const [, json, count] = /from_json\(('[^']*'), .*?\n(?:.*\n)*?.* % (\d+)L AS INT/.exec(statement)!;
  const buckets: Record<string, object>[] = JSON.parse(JSON.parse(`"${json!.slice(1, -1)}"`));
  assert.equal(buckets.length, Number(count));
  const known = new Map(buckets.flatMap((bucket) => Object.entries(bucket)));
  assert.equal(known.size, 43);
  for (const key of known.keys()) assert.ok(key in buckets[crc32(key) % buckets.length]!, key);
  assert.deepEqual(known.get('2 3 \u{1F5F3} 1'), { name: strange[0]!.name, registered_voters: 1_000 });
  assert.deepEqual(known.get('4 9 contest-2Ada'), { name: 'Ada', party: 'Ada party' });
});

test('an id that looks like a place for a value is left as it is', () => {
  const election = testElection({ contests: [[':election', ':names', '$&']] });
  const statement = countStatement({ election, revision: 0 }, 'f'.repeat(64), 1);
  for (const id of [':election', ':names', '$&']) assert.ok(statement.includes(literal(id).slice(1, -1)), id);
  assert.equal(statement.split("'council-2026'").length, 2);
});

test('contests with another number of votes than most are listed', () => {
  const { contests, ...rest } = testElection({ contests: [['Ada'], ['Ben'], ['Cleo']] });
  const election = { ...rest, contests: contests.map((each, i) => ({ ...each, vote_for: i === 1 ? 3 : 2 })) };
  const statement = countStatement({ election, revision: 0 }, 'f'.repeat(64), 1);
  assert.ok(statement.includes("CAST(map('contest-2', 3L) AS MAP<STRING, BIGINT>)"));
  assert.match(statement, /, 2L\) AS vote_for/);
});
