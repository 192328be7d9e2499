import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { NO_ORIGIN_OPTIONS } from '../../test/support/origins.ts';
import { temporaryDirectory } from '../../test/support/tallyroom.ts';
import { InputRefused } from '../files/problems.ts';
import { openRollOrigin } from './roll-origin.ts';

// Read once, such a roll would be found good, and an election without its voters would stay.
test('a roll from a pipe is refused by name before there is an election', async (context) => {
  const { path, remove } = temporaryDirectory();
  context.after(remove);
  const pipe = join(path, 'roll.csv');
  execFileSync('mkfifo', [pipe]);
  await assert.rejects(
    openRollOrigin({ ...NO_ORIGIN_OPTIONS, roll: pipe }, pipe, () => {}),
    (error) => error instanceof InputRefused && error.message.includes(pipe) && /a pipe/.test(error.message),
  );
});
