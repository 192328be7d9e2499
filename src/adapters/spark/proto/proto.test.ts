import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const FOLDER = 'src/adapters/spark/proto';

test('the generated code is what the protocol file says', () => {
  const bin = join(ROOT, 'node_modules', '.bin');
  const out = mkdtempSync(join(tmpdir(), 'tallyroom-proto-'));
  try {
    const template = readFileSync(join(ROOT, FOLDER, 'buf.gen.yaml'), 'utf8').replace(
      'out: src/adapters/spark',
      `out: ${out}`,
    );
    assert.ok(template.includes(out));
    execFileSync(join(bin, 'buf'), ['generate', FOLDER, '--template', template], {
      cwd: ROOT,
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    });
    assert.equal(
      readFileSync(join(out, 'spark-connect_pb.ts'), 'utf8'),
      readFileSync(join(ROOT, 'src/adapters/spark/spark-connect_pb.ts'), 'utf8'),
      'generate it anew: the command is in buf.gen.yaml',
    );
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
});
