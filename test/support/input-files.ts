import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A file in a directory of its own that is removed with the test. @returns its path */
export function inputFile(t: TestContext, content: string | Uint8Array, name = 'input.csv'): string {
  const directory = mkdtempSync(join(tmpdir(), 'tallyroom-input-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}
