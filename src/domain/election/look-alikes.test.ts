import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lookAlikes } from './look-alikes.ts';

const entry = (name: string, party = '', line: number | null = null, contest = 'Mayor') => ({
  contest,
  name,
  party,
  line,
});

test('almost equal names of one contest are told, others are not', () => {
  for (const [left, right, isTold] of [
    ['Jon Bell', 'John Bell', true],
    ['John Bell', 'Johm Bell', true],
    ['Jonathan Bell', 'Jonathon Bell', true],
    ['Jonathan Bell', 'Jontahan Bell', true],
    ['José Núñez', 'Jose Nunez', true],
    ['joan bell', 'Joan Bell', true],
    ['Joan M. Bell', 'Joan M Bell', true],
    ['Joan A. Bell', 'Joan B. Bell', false],
    ['List 12', 'List 13', false],
    ['Ann Rowe', 'Joan Bell', false],
  ] as const)
    assert.equal(lookAlikes([entry(left), entry(right)]).length > 0, isTold, `${left}, ${right}`);
  assert.deepEqual(lookAlikes([entry('Joan Bell', '', 2, 'A'), entry('Joan Bel', '', 3, 'B')]), []);
});

test('the sentence names lines, names and what is counted', () => {
  assert.deepEqual(lookAlikes([entry('Joan Bell', 'P', 2), entry('Joan Belll', 'P', 7)]), [
    'lines 2 and 7: "Joan Bell" and "Joan Belll" of contest "Mayor" are almost the same; they are counted as two candidates',
  ]);
});

test('one name under two spellings of a party is told; two parties with one name are not', () => {
  const [first] = lookAlikes([entry('Joan Bell', 'Democrat', 2), entry('Joan Bell', 'Democratic', 3)]);
  assert.match(
    first!,
    /^lines 2 and 3: "Joan Bell" .* "Democrat" and "Democratic"; they are counted as two candidates$/,
  );
  assert.equal(lookAlikes([entry('Joan Bell', ''), entry('Joan Bell', 'Green')]).length, 1);
  assert.deepEqual(lookAlikes([entry('Joan Bell', 'Labour'), entry('Joan Bell', 'Green')]), []);
  assert.match(
    lookAlikes([entry('Joan Bell', 'Green Party', 2), entry('Ann Rowe', 'Grren Party', 3)])[0]!,
    /^lines 2 and 3: parties "Green Party" and "Grren Party" are almost the same/,
  );
});

test('a word of two scripts is told once, and the number of notices is bounded', () => {
  assert.deepEqual(lookAlikes([entry('J\u043ean Bell', '', 4), entry('J\u043ean Bell', '', 5)]), [
    'line 4: the word "J\u043ean" in "J\u043ean Bell" mixes Latin letters with Cyrillic or Greek ones that look alike',
  ]);
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const many = lookAlikes([...letters].map((letter) => entry(`Joan Bell${letter}`)));
  assert.equal(many.length, 21);
  assert.equal(many.at(-1), '305 more names look like another one');
});
