import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalDefinition, checkElection, type ElectionId, parseId } from '../election/election.ts';
import { PLACES, REGIONS } from './british-places.ts';
import { generateElection } from './generated-election.ts';

const options = {
  id: 'generated' as ElectionId,
  seed: '1',
  voters: 100_000,
  candidateNames: ['Ann Archer', 'Ben Baker', 'Cat Cooper'],
};

test('is a valid definition with exactly the voters asked for, in places of unequal size', () => {
  for (const voters of [0, 1, 7, 1_000, 100_000, 50_000_000]) {
    const election = generateElection({ ...options, voters });
    assert.deepEqual(checkElection(election), { ok: true, value: election });
    for (const units of [election.locations, election.parents])
      assert.equal(
        units.reduce((sum, location) => sum + location.registered_voters!, 0),
        voters,
      );
  }
  const sizes = generateElection(options).locations.map((location) => location.registered_voters!);
  assert.ok(Math.max(...sizes) > 20 * Math.min(...sizes));
  assert.ok(Math.min(...sizes) > 0);
});

test('has three candidates of three parties, each with biography, platform and portrait', () => {
  const election = generateElection(options);
  assert.equal(election.is_test, true);
  assert.equal(election.candidates.length, 3);
  for (const texts of [
    election.candidates.map((candidate) => candidate.party_id),
    election.candidates.map((candidate) => candidate.photo),
    election.candidates.map((candidate) => candidate.platform),
  ])
    assert.equal(new Set(texts).size, 3);
  for (const candidate of election.candidates) {
    assert.match(candidate.photo!, /^data:image\/svg\+xml/);
    assert.ok(candidate.biography!.length > 40 && candidate.platform!.length > 40);
  }
});

test('the same options give the same definition, another seed other candidates', () => {
  const text = canonicalDefinition(generateElection(options));
  assert.equal(canonicalDefinition(generateElection({ ...options })), text);
  assert.notEqual(canonicalDefinition(generateElection({ ...options, seed: '2' })), text);
  assert.equal(generateElection({ ...options, name: 'Rehearsal' }).name, 'Rehearsal');
});

test('refuses candidates who cannot be told apart', () => {
  assert.throws(
    () => generateElection({ ...options, candidateNames: ['Ann', 'Ann', 'Ben'] }),
    /different candidate names/,
  );
});

test('places: ids that parse and differ, regions that exist, towns and postcodes', () => {
  assert.equal(new Set(PLACES.map((place) => place.id)).size, PLACES.length);
  for (const place of PLACES) {
    assert.ok(parseId(place.id).ok);
    assert.ok(place.region in REGIONS);
    assert.ok(place.towns.length > 0 && place.towns.every((town) => town === town.trim() && town !== ''));
    assert.ok(place.postcodeAreas.length > 0 && place.postcodeAreas.every((area) => /^[A-Z]{1,2}$/.test(area)));
  }
  assert.deepEqual(new Set(PLACES.map((place) => place.region)), new Set(Object.keys(REGIONS)));
});
