import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../test/support/tallyroom.ts';
import { InputRefused } from './problems.ts';
import { assertReadableTwice } from './text-files.ts';

test('a file that is read more than once is not a pipe', async (context) => {
  const { path, remove } = temporaryDirectory();
  context.after(remove);
  const pipe = join(path, 'pipe');
  execFileSync('mkfifo', [pipe]);
  await assert.rejects(
    assertReadableTwice(pipe),
    (error) => error instanceof InputRefused && /a pipe/.test(error.message),
  );
  const file = join(path, 'roll.csv');
  writeFileSync(file, 'registration_number\n');
  await assertReadableTwice(file);
  // A reader has better words for a file that is missing and for a directory.
  await assertReadableTwice(join(path, 'missing.csv'));
  await assertReadableTwice(path);
});
