import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RollText } from './roll-text.ts';

type Line = Parameters<RollText['add']>;

const textOf = (lines: readonly Line[]): string => {
  const text = new RollText();
  for (const line of lines) text.add(...line);
  return text.take().toString();
};

test('each voter is a line, with the length of each text in bytes', () => {
  assert.equal(
    textOf([
      [0, 0, null],
      [9, 10, { registration_number: 'N001', uuid: null }],
      [10, 99, { registration_number: 'Zoë 𝔸', uuid: 'u-1' }],
      [19_999, 123_456, { registration_number: '', uuid: '' }],
    ]),
    '0 0 - -\n9 10 4:N001 -\n10 99 9:Zoë 𝔸 3:u-1\n19999 123456 0: 0:\n',
  );
});

test('no other voters have the same bytes, whatever their numbers hold', () => {
  const rolls: Line[][] = [
    [[0, 1, { registration_number: 'A', uuid: 'B' }]],
    [[0, 1, { registration_number: 'A 1:B', uuid: null }]],
    [[0, 1, { registration_number: 'A', uuid: 'B\n1 1 1:C -' }]],
    [
      [0, 1, { registration_number: 'A', uuid: 'B' }],
      [1, 1, { registration_number: 'C', uuid: null }],
    ],
    [[0, 1, { registration_number: '-', uuid: '-' }]],
    [[0, 1, null]],
  ];
  assert.equal(new Set(rolls.map(textOf)).size, rolls.length);
});

test('a block of any length is written, and the next one begins anew', () => {
  const text = new RollText();
  const person = { registration_number: 'é'.repeat(1_000), uuid: 'x'.repeat(1_000) };
  for (let place = 0; place < 200; place++) text.add(place, 7, person);
  const expected = Array.from(
    { length: 200 },
    (_, i) => `${i} 7 2000:${'é'.repeat(1_000)} 1000:${'x'.repeat(1_000)}\n`,
  );
  assert.equal(text.take().toString(), expected.join(''));
  text.add(3, 4, null);
  assert.equal(text.take().toString(), '3 4 - -\n');
});
