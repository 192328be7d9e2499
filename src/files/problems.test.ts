import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createProblemReporter, type InputProblem, InputRefused, ProblemList } from './problems.ts';

const negative = (line: number): InputProblem => ({
  file: 'f.csv',
  line,
  column: 'votes',
  reason: `"-${line}" is negative`,
  nextStep: 'write a whole number from 0',
});
const MANY = 4_000;
const many = Array.from({ length: MANY }, (_, i) => negative(i + 2));
const other: InputProblem = {
  ...negative(MANY + 2),
  column: 'location_id',
  reason: 'is empty',
  nextStep: 'fill it in',
};

describe('many problems of one kind do not hide another', () => {
  test('in a refusal', () => {
    const list = new ProblemList('f.csv');
    list.addAll([...many, other]);
    assert.throws(
      () => list.refuse(),
      (error) => {
        assert.ok(error instanceof InputRefused);
        const lines = error.message.split('\n');
        assert.equal(lines.length, 7);
        assert.match(lines[4]!, /^f\.csv:6: votes: "-6" is negative/);
        assert.match(lines[5]!, /^f\.csv:4002: location_id: is empty/);
        assert.equal(lines[6], '... and 3,995 more: votes: "..." is negative');
        return true;
      },
    );
  });

  test('told as they come', () => {
    const said: string[] = [];
    const reporter = createProblemReporter((line) => said.push(line));
    for (const problem of [...many, other]) reporter.tell([problem]);
    assert.equal(said.length, 6);
    reporter.end();
    assert.deepEqual(said.slice(6), ['... and 3,995 more: votes: "..." is negative']);
  });

  test('problems of any number of kinds are counted', () => {
    const list = new ProblemList('f.csv');
    for (let kind = 0; kind < 500; kind++)
      list.add(null, `column ${String.fromCodePoint(0x4e00 + kind)}`, 'is wrong', 'mend it');
    assert.throws(
      () => list.refuse(),
      ({ message }: Error) => {
        const told = message.split('\n').map((line) => Number(/^\.\.\. and (\d+) more/.exec(line)?.[1] ?? 1));
        assert.equal(
          told.reduce((sum, each) => sum + each, 0),
          500,
        );
        return true;
      },
    );
  });
});
