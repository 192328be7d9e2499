import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ensureJars } from '../../src/stack/java.ts';
import { JARS } from '../support/stack.ts';
import { type Engine, ROOT, run } from './engine.ts';

const DIRECTORY = join(ROOT, 'test', 'containers', 'stand-ins');
const DEBIAN = 'localhost/tallyroom-debian';
const SUITE = 'bookworm';
/**
 * Where Debian keeps the certificates that were added to a machine: a proxy's, without which no
 * package can be fetched.
 */
const CERTIFICATES = '/usr/local/share/ca-certificates';

/**
 * The images that stand-ins are made of, by name without tag, with their targets in
 * stand-ins/Dockerfile.
 */
const TARGETS: Readonly<Record<string, string>> = {
  node: 'node',
  maven: 'maven',
  postgres: 'postgres',
  'apache/kafka': 'kafka',
  'apache/spark': 'spark',
};

/** An image of our own, as compose.yaml has it built. */
export interface Built {
  readonly image: string;
  readonly target: string;
}

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly target: string };
}

/** The names without a host that compose.yaml uses mean this one. */
export const qualified = (image: string): string => `docker.io/${image.includes('/') ? '' : 'library/'}${image}`;

/**
 * What compose.yaml and the Dockerfile name: the images that are built, and those that they come
 * from.
 */
export function readImages(): { readonly built: readonly Built[]; readonly bases: readonly string[] } {
  const compose: { services: Record<string, Service> } = parse(read('compose.yaml'), { merge: true });
  const services = Object.values(compose.services);
  const built = new Map(services.flatMap(({ image, build }) => (build ? [[image, build.target] as const] : [])));
  const text = read('Dockerfile');
  const values = new Map([...text.matchAll(/^ARG (\w+)=(\S+)$/gm)].map(([, name, value]) => [name, value]));
  const froms = [...text.matchAll(/^FROM (\S+) AS \S+$/gm)].map(([, image]) =>
    image!.replace(/\$\{(\w+)\}/g, (_, name) => values.get(name) ?? ''),
  );
  const stood = services.flatMap(({ image, build }) => (build ? [] : [image]));
  return {
    built: [...built].map(([image, target]) => ({ image, target })),
    bases: [...new Set([...froms, ...stood])],
  };
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/**
 * Makes a stand-in for each of the images. Those that are there and unchanged are found in the
 * engine's storage.
 */
export async function makeStandIns(engine: Engine, images: readonly string[]): Promise<void> {
  await makeDebian(engine);
  const folders = await foldersOf();
  try {
    const contexts = Object.entries({ debian: `container-image://${DEBIAN}`, ...folders.paths });
    const options = contexts.flatMap(([name, from]) => ['--build-context', `${name}=${from}`]);
    for (const image of images) {
      const target = TARGETS[image.split(':')[0]!];
      if (target === undefined) throw new Error(`there is no stand-in for ${image}: add one to ${DIRECTORY}`);
      await engine.build(DIRECTORY, target, qualified(image), options);
    }
  } finally {
    folders.remove();
  }
}

async function makeDebian({ podman }: Engine): Promise<void> {
  if ((await podman('images', '--quiet', DEBIAN)) !== '') return;
  const directory = mkdtempSync(join(tmpdir(), 'tallyroom-debian-'));
  try {
    await run('debootstrap', ['--variant=minbase', SUITE, join(directory, 'root')]);
    await run('tar', ['--directory', join(directory, 'root'), '--create', '--file', join(directory, 'root.tar'), '.']);
    await podman('import', join(directory, 'root.tar'), DEBIAN);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The folders that stand-ins/Dockerfile copies from. */
async function foldersOf(): Promise<{ paths: Record<string, string>; remove(): void }> {
  const [kafka, spark] = [await ensureJars(JARS, 'kafka', () => {}), await ensureJars(JARS, 'spark', () => {})];
  const npm = (await run('npm', ['root', '--global'])).trim();
  const empty = mkdtempSync(join(tmpdir(), 'tallyroom-certificates-'));
  return {
    paths: {
      certificates: readdirIfThere(CERTIFICATES).length > 0 ? CERTIFICATES : empty,
      'node-folder': join(ROOT, 'node_modules', 'node', 'bin'),
      'npm-folder': join(npm, 'npm'),
      'kafka-jars': kafka,
      'spark-jars': spark,
    },
    remove: () => rmSync(empty, { recursive: true, force: true }),
  };
}

function readdirIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
