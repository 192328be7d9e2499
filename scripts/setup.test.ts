/**
 * The first steps on a machine, on a project of a few files: the checks before any of our code
 * runs.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const VERSION = '24.0.0';
const CALL = `import('./scripts/setup.mjs').then((setup) => setup.preparePackages()).then(
  (path) => console.log(path),
  (error) => { console.log(error.message + ' Next: ' + error.nextStep); process.exitCode = 1; },
);`;

interface Project {
  /** The version that the pinned Node prints; null if it is missing. */
  readonly says: string | null;
  readonly lock?: string;
  readonly ignore_scripts?: boolean;
}

/** The result of preparing the packages of such a project. */
async function prepare({ says, lock, ignore_scripts = false }: Project): Promise<{ code: number; output: string }> {
  const root = mkdtempSync(join(tmpdir(), 'tallyroom-setup-'));
  try {
    cpSync(fileURLToPath(new URL('.', import.meta.url)), join(root, 'scripts'), { recursive: true });
    const packages = { 'node_modules/node': { version: VERSION, integrity: 'sha512-x' } };
    mkdirSync(join(root, 'node_modules', 'node', 'bin'), { recursive: true });
    writeFileSync(join(root, 'package-lock.json'), lock ?? JSON.stringify({ packages: { '': {}, ...packages } }));
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }));
    if (says !== null) {
      const node = join(root, 'node_modules', 'node', 'bin', 'node');
      writeFileSync(node, `#!/bin/sh\necho ${says}\n`);
      chmodSync(node, 0o755);
    }
    const env = { ...process.env, npm_execpath: '', npm_config_ignore_scripts: String(ignore_scripts) };
    return await new Promise((resolve) =>
      execFile(process.execPath, ['--input-type=module', '-e', CALL], { cwd: root, env }, (error, stdout) =>
        resolve({ code: error === null ? 0 : 1, output: stdout.trim().replace(root, '') }),
      ),
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

for (const [what, project, code, verdict] of [
  ['the pinned Node is there', { says: `v${VERSION}` }, 0, /^\/node_modules\/node\/bin\/node$/],
  [
    'another Node is there: never a silent fall back',
    { says: 'v20.0.0' },
    1,
    /Node 24\.0\.0.*says: v20\.0\.0.*Next: Run `npm rebuild/s,
  ],
  ['the Node there does not run', { says: '' }, 1, /says: nothing/],
  [
    'the Node is missing, its script was blocked',
    { says: null },
    1,
    /not in node_modules: the install script .* blocked/,
  ],
  ['the Node is missing, scripts are ignored', { says: null, ignore_scripts: true }, 1, /ignore-scripts=true/],
  [
    'the lock file is damaged',
    { says: `v${VERSION}`, lock: '{' },
    1,
    /package-lock\.json is missing or damaged.*git checkout/,
  ],
] as const satisfies readonly (readonly [string, Project, number, RegExp])[])
  test(what, async () => {
    const { code: ended, output } = await prepare(project);
    assert.match(output, verdict);
    assert.equal(ended, code);
  });
