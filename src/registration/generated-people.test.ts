import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VOTER_PERSON_FIELDS } from '../domain/election/voter.ts';
import { createPeople, GENERATED_PEOPLE_MAX, generateCandidateNames } from './generated-people.ts';

const TODAY = '2026-02-28';

test('the same person for the same seed and ordinal, in any order, whoever else was made', () => {
  const one = createPeople('1', TODAY);
  const two = createPeople('1', TODAY);
  const forth = Array.from({ length: 500 }, (_, ordinal) => one(ordinal, 'Kent'));
  const back = Array.from({ length: 500 }, (_, i) => two(499 - i, 'Kent')).reverse();
  assert.deepEqual(back, forth);
  assert.notDeepEqual(createPeople('2', TODAY)(0, 'Kent'), forth[0]);
});

test('registration numbers never repeat', () => {
  const person = createPeople('1', TODAY);
  const numbers = new Set<string>();
  for (let ordinal = 0; ordinal < 100_000; ordinal++) numbers.add(person(ordinal, 'Kent').registration_number);
  for (let back = 1; back <= 1_000; back++)
    numbers.add(person(GENERATED_PEOPLE_MAX - back, 'Kent').registration_number);
  assert.equal(numbers.size, 101_000);
});

test('every field has the form it should, and reaches nobody', () => {
  const person = createPeople('forms', TODAY);
  const seen = { female: 0, male: 0 };
  for (let ordinal = 0; ordinal < 5_000; ordinal++) {
    const voter = person(ordinal, 'Devon');
    assert.deepEqual(Object.keys(voter), [...VOTER_PERSON_FIELDS]);
    assert.match(voter.registration_number, /^[B-DF-HJ-NP-TV-XZ]{3}-\d{7}$/);
    assert.match(voter.first_name!, /^[A-Z][A-Za-z' -]+$/);
    assert.match(voter.last_name!, /^[A-Z][A-Za-z' -]+$/);
    assert.match(voter.street!, /^[1-9]\d{0,2} [A-Z]/);
    assert.ok(['Exeter', 'Plymouth', 'Torquay', 'Barnstaple'].includes(voter.city!));
    assert.equal(voter.state, 'Devon');
    assert.match(voter.postcode!, /^(EX|PL|TQ)\d{1,2} \d[ABD-HJLNP-UW-Z]{2}$/);
    assert.match(voter.email!, /^[a-z]+\.[a-z]+\d{1,3}@example\.(com|net|org)$/);
    assert.match(voter.phone!, /^01632 960\d{3}$/);
    assert.match(voter.cell!, /^07700 900\d{3}$/);
    seen[voter.gender as 'female' | 'male']++;
  }
  assert.ok(seen.female > 2_000 && seen.male > 2_000);
});

test('everybody is of voting age on the reference date, and registered since then at the earliest', () => {
  for (const referenceDate of [TODAY, '2024-02-29', '2026-01-01']) {
    const person = createPeople('ages', referenceDate);
    const ages = new Set<number>();
    for (let ordinal = 0; ordinal < 20_000; ordinal++) {
      const { birth_date, registered_age } = person(ordinal, 'Kent');
      assert.match(birth_date!, /^\d{4}-\d\d-\d\d$/);
      const before = birth_date!.slice(5) > referenceDate.slice(5) ? 1 : 0;
      const age = Number(referenceDate.slice(0, 4)) - Number(birth_date!.slice(0, 4)) - before;
      assert.ok(age >= 18 && age < 100, `${birth_date} ${age}`);
      assert.ok(registered_age! >= 0 && registered_age! <= Math.min(20, age - 18));
      ages.add(age);
    }
    assert.ok(ages.size > 70);
  }
});

test('a location that is not among the known places still has an address', () => {
  const voter = createPeople('1', TODAY)(3, 'Ward 7, Minneapolis');
  assert.equal(voter.city, 'Ward 7, Minneapolis');
  assert.match(voter.postcode!, /^[A-Z]{1,2}\d{1,2} \d[A-Z]{2}$/);
});

test('a reference date that is none is refused', () => {
  assert.throws(() => createPeople('1', 'soon'), /reference date/);
});

test('candidates have different names, the same for the same seed', () => {
  for (const seed of ['1', '2', '3']) {
    const names = generateCandidateNames(seed, 50);
    assert.equal(new Set(names).size, 50);
    assert.deepEqual(generateCandidateNames(seed, 50), names);
    for (const name of names) assert.match(name, /^\S+ \S+/);
  }
});
