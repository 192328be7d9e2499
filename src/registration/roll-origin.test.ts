import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/tallyroom.ts';
import { InputRefused } from '../files/problems.ts';
import { openRollOrigin } from './roll-origin.ts';

// Read once, such a roll would be found good, and an election without its voters would stay.
test('a roll from a pipe is refused by name before there is an election', async (context) => {
  const { path, remove } = temporaryDirectory();
  context.after(remove);
  const pipe = join(path, 'roll.csv');
  execFileSync('mkfifo', [pipe]);
  const nothing = {
    election: null,
    candidates: null,
    roll: pipe,
    api: null,
    results: null,
    electorate: null,
    scale: null,
    readings: null,
    voters: null,
    turnout: null,
    seed: null,
  };
  await assert.rejects(
    openRollOrigin(nothing, pipe, () => {}),
    (error) => error instanceof InputRefused && error.message.includes(pipe) && /a pipe/.test(error.message),
  );
});
