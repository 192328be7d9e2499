import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitraryElection } from '../../../test/support/elections.ts';
import {
  type Candidate,
  type Contest,
  canonicalDefinition,
  checkElection,
  type Election,
  type Location,
  parseElectionId,
  parseId,
  TEXT_LENGTH_MAX,
} from './election.ts';

test('election ids are topic names', () => {
  for (const [text, accepted] of [
    ['council-2026', true],
    ['a', true],
    ['2026', true],
    ['a'.repeat(200), true],
    ['a'.repeat(201), false],
    ['', false],
    ['Council', false],
    ['a_b', false],
    ['a.b', false],
    ['-a', false],
    ['a-', false],
    ['a--b', false],
    ['a b', false],
    ['a\n', false],
    ['é', false],
  ] as const)
    assert.equal(parseElectionId(text).ok, accepted, text);
});

test('ids are the text of the input', () => {
  for (const [text, accepted] of [
    ['Übrige', true],
    [' ', true],
    ['__proto__', true],
    ['x'.repeat(TEXT_LENGTH_MAX), true],
    ['x'.repeat(TEXT_LENGTH_MAX + 1), false],
    ['', false],
    ['a\tb', false],
    ['a\nb', false],
    ['\u007f', false],
  ] as const)
    assert.equal(parseId(text).ok, accepted, text);
});

const candidate = (id: string, contest: string, party: string | null = null) =>
  ({
    id,
    contest_id: contest,
    name: id,
    party_id: party,
    aggregate: false,
    biography: null,
    platform: null,
    photo: null,
  }) as Candidate;
const contest = (id: string, change: Partial<Contest> = {}) =>
  ({ id, name: id, vote_for: 1, seats: 1, location_ids: null, ...change }) as Contest;
const location = (id: string, parent: string | null = null, registered: number | null = null) =>
  ({ id, name: id, type: 'county', parent_id: parent, registered_voters: registered }) as Location;

const sound: Election = {
  id: 'test' as Election['id'],
  name: 'Test',
  date: null,
  is_test: true,
  source: 'ballots',
  contests: [contest('c'), contest('d')],
  parties: [{ id: 'p', name: 'P' }],
  candidates: [candidate('x', 'c', 'p'), candidate('x', 'd')],
  locations: [location('l', 'up', 10)],
  parents: [location('up', 'top'), location('top')],
};

test('what is wrong with an election is named', () => {
  const cases: readonly (readonly [Partial<Election>, RegExp | null])[] = [
    [{}, null],
    [{ contests: [contest('c'), contest('c')] }, /id c is given twice/],
    [{ parties: [sound.parties[0]!, sound.parties[0]!] }, /id p is given twice/],
    [{ candidates: [candidate('x', 'c'), candidate('x', 'c'), candidate('x', 'd')] }, /given twice/],
    [{ parents: [location('l')] }, /id l is given twice/],
    [{ contests: [], candidates: [] }, /no contest/],
    [{ locations: [] }, /no location/],
    [{ contests: [contest('c', { vote_for: 0 }), contest('d')] }, /contest "c" has vote_for 0/],
    [{ contests: [contest('c', { vote_for: 1.5 }), contest('d')] }, /vote_for 1.5/],
    [{ contests: [contest('c', { seats: -1 }), contest('d')] }, /seats -1/],
    [{ contests: [contest('c', { location_ids: ['m' as never] }), contest('d')] }, /unknown location "m"/],
    [{ candidates: [candidate('x', 'c')] }, /contest "d" has no candidate/],
    [{ candidates: [...sound.candidates, candidate('y', 'e')] }, /unknown contest "e"/],
    [{ candidates: [...sound.candidates, candidate('y', 'c')] }, /not grouped/],
    [{ candidates: [candidate('x', 'c', 'q'), candidate('x', 'd')] }, /unknown party "q"/],
    [{ locations: [location('l', null, -1)] }, /-1 registered voters/],
    [{ locations: [location('l', 'nowhere')] }, /unknown parent "nowhere"/],
    [{ parents: [location('up', 'top'), location('top', 'up')] }, /its own parent/],
  ];
  for (const [change, problem] of cases) {
    const checked = checkElection({ ...sound, ...change });
    if (problem === null) assert.ok(checked.ok);
    else {
      assert.ok(!checked.ok, String(problem));
      assert.match(checked.error, problem);
    }
  }
});

test('the elections that property tests are run on are sound', () => {
  fc.assert(fc.property(arbitraryElection, (election) => checkElection(election).ok));
});

/** The same data with the keys of every object in another order. */
function reorderKeys(value: unknown, order: fc.Stream<number>): unknown {
  if (Array.isArray(value)) return value.map((item) => reorderKeys(item, order));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => ({ key, inner, rank: order.next().value! }));
  entries.sort((a, b) => a.rank - b.rank);
  return Object.fromEntries(entries.map(({ key, inner }) => [key, reorderKeys(inner, order)]));
}

test('the canonical definition does not depend on the order of keys, and survives JSON', () => {
  fc.assert(
    fc.property(arbitraryElection, fc.infiniteStream(fc.nat()), (election, order) => {
      const text = canonicalDefinition(election);
      assert.equal(canonicalDefinition(reorderKeys(election, order) as Election), text);
      assert.equal(canonicalDefinition(JSON.parse(text) as Election), text);
      assert.deepEqual(JSON.parse(text), election);
    }),
  );
});

test('any change of the definition changes its canonical text, the order of candidates too', () => {
  const texts = [
    sound,
    { ...sound, name: 'Other' },
    { ...sound, date: '2026-05-07' },
    { ...sound, contests: [contest('c', { vote_for: 2 }), contest('d')] },
    { ...sound, contests: [contest('c', { seats: 2 }), contest('d')] },
    { ...sound, locations: [location('l', 'up', 11)] },
    { ...sound, locations: [location('l', 'up', 10), location('m')] },
    { ...sound, locations: [location('m'), location('l', 'up', 10)] },
  ].map(canonicalDefinition);
  assert.equal(new Set(texts).size, texts.length);
});
