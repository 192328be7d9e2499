import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { testElection } from '../../../test/support/test-count.ts';
import { countingDefinition, countingDifference, hashedDefinition } from './definition.ts';
import { canonicalDefinition, type Election, type Location } from './election.ts';

const election = testElection();
const [first, ...others] = election.locations as [Location, ...Location[]];

describe('the counting definition', () => {
  for (const [what, revised] of [
    ['the name', { ...election, name: 'Renamed' }],
    ['the date', { ...election, date: '2031-01-01' }],
    ['the name of a contest', { ...election, contests: election.contests.map((each) => ({ ...each, name: 'Other' })) }],
    [
      'the name of a candidate',
      { ...election, candidates: election.candidates.map((each) => ({ ...each, name: 'X' })) },
    ],
    ['a party', { ...election, parties: [{ id: 'new', name: 'New' }, ...election.parties] }],
    ['an electorate', { ...election, locations: [{ ...first, registered_voters: 7 }, ...others] }],
    ['the name of a location', { ...election, locations: [{ ...first, name: 'X' }, ...others] }],
  ] as [string, Election][])
    test(`${what} is description`, () => {
      assert.notEqual(canonicalDefinition(revised), canonicalDefinition(election));
      assert.equal(countingDefinition(revised), countingDefinition(election));
      assert.equal(countingDifference(election, revised), null);
    });

  for (const [what, revised, difference] of [
    ['seats', { contests: election.contests.map((each) => ({ ...each, seats: 9 })) }, /another vote_for, other seats/],
    ['vote_for', { contests: election.contests.map((each) => ({ ...each, vote_for: 9 })) }, /another vote_for/],
    ['the order of locations', { locations: [...others, first] }, /locations: "L0002" stands where "L0001" stood/],
    ['a missing location', { locations: [first, ...others.slice(0, -1)] }, /locations: "L0003" is missing/],
    ['a new location', { locations: [...election.locations, { ...first, id: 'X' }] }, /locations: "X" is new/],
    [
      'a candidate that sums people',
      { candidates: election.candidates.map((each) => ({ ...each, aggregate: true })) },
      /line of several people/,
    ],
    ['a test', { is_test: !election.is_test }, /is_test is/],
  ] as [string, Partial<Election>, RegExp][])
    test(`${what} changes how votes are counted`, () => {
      assert.match(countingDifference(election, { ...election, ...revised }) ?? 'nothing', difference);
    });

  test('a member that it does not know changes no hash', () => {
    assert.equal(
      countingDefinition({ ...election, time_zone: 'Europe/Berlin' } as Election),
      countingDefinition(election),
    );
  });

  test('format 1 covers both parts, format 2 one', () => {
    assert.equal(hashedDefinition(election, 1), canonicalDefinition(election));
    assert.equal(hashedDefinition(election, 2), countingDefinition(election));
  });
});
