/** docs/reference.md is what the code says, and docs/operations.md knows every error. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CRASH_POINTS } from '../../src/base/crash-points.ts';
import { OPTIONS } from '../../src/cli/command-table.ts';
import { ENVIRONMENT_NAMES } from '../../src/cli/config.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const reference = read('docs/reference.md');

/** The names in the first column of a section's table, without what follows in the same cell. */
function listed(heading: string): string[] {
  const section = reference.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^\| `([^ `]+)/gm)].map(([, name]) => name!);
}

describe('docs/reference.md', () => {
  test('is what scripts/reference.ts makes of the code', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/reference.ts')], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.equal(reference, stdout, 'write it anew: npx node scripts/reference.ts docs/reference.md');
  });

  test('lists every option, name of the environment and crash point', () => {
    assert.deepEqual(
      listed('Options'),
      Object.keys(OPTIONS).map((name) => `--${name}`),
    );
    assert.deepEqual(
      ENVIRONMENT_NAMES.filter((name) => !reference.includes(`\`${name}\``)),
      [],
    );
    assert.deepEqual(listed('Crash points'), Object.keys(CRASH_POINTS));
    assert.ok(listed('Limits').length > 100);
  });

  test('lists error codes that docs/operations.md explains', () => {
    const operations = read('docs/operations.md');
    const codes = listed('Exit codes and error codes');
    assert.ok(codes.length > 20);
    assert.deepEqual(
      codes.filter((code) => !operations.includes(`\`${code}\``)),
      [],
    );
  });
});
