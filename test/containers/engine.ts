import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sha256 } from '../../src/base/sha256.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The images of the stand-ins and the steps of builds, kept from one run to the next. */
const STORAGE = join(ROOT, 'node_modules', '.cache', 'tallyroom-containers');
/**
 * One place a checkout: Podman notes it in its storage, and takes no other later. It takes at most
 * 50 characters, too.
 */
const PLACE = join(tmpdir(), `tallyroom-${sha256(STORAGE).slice(0, 12)}`);
const SOCKET = `unix://${PLACE}/api.sock`;

/** Programs, with the Debian packages that they come in. */
const TOOLS: Readonly<Record<string, string>> = {
  podman: 'podman',
  runc: 'runc',
  debootstrap: 'debootstrap',
  'docker-compose': 'docker-compose',
  iptables: 'iptables',
  catatonit: 'catatonit',
  '/usr/lib/podman/netavark': 'netavark',
  '/usr/lib/podman/aardvark-dns': 'aardvark-dns',
};

/**
 * The most files and processes of a container: Podman would ask for more than a machine that is a
 * container itself may give.
 */
const FILES_MAX = 16_384;
const PROCESSES_MAX = 16_384;
const ULIMITS = [`nofile=${FILES_MAX}:${FILES_MAX}`, `nproc=${PROCESSES_MAX}:${PROCESSES_MAX}`];

const SETTINGS = `[containers]
default_ulimits = [${ULIMITS.map((each) => `"${each}"`)}]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "${PLACE}/libpod"
[network]
network_backend = "netavark"
`;

/** An image that is not there is a fault of the test: none comes from outside. */
const REGISTRIES = `unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"
location = "docker.io"
blocked = true
`;

/**
 * Podman checks health by timers of systemd, which such a machine does not run. So the checks are
 * run here, as often as the shortest interval in compose.yaml asks.
 */
const HEALTH_MS = 5_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const OUTPUT_TAIL_CHARACTERS = 4_000;

/**
 * Podman with storage, network and settings of its own: it sees no container but those of this
 * test, and no one else sees them.
 */
export interface Engine {
  /** Runs a command of podman. @returns what it printed. @throws with the end of what it said. */
  podman(...args: string[]): Promise<string>;
  /** Builds a target of a Dockerfile. */
  build(context: string, target: string, image: string, options?: readonly string[]): Promise<void>;
  /** Runs docker-compose on a project of compose.yaml. */
  compose(project: string, environment: NodeJS.ProcessEnv, ...args: string[]): Promise<string>;
  /**
   * Takes away everything but the storage, whatever state it is in. The second call waits for the
   * first.
   */
  release(): Promise<void>;
}

const whereIs = (tool: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((directory) => existsSync(join(directory, tool))) || existsSync(tool);

const missingTools = (): string[] => Object.keys(TOOLS).filter((tool) => !whereIs(tool));

/**
 * Why containers cannot be run here, for `skip`; false where they can. Under CI=true they are never
 * skipped: what is missing is installed, and where that is not possible the test fails.
 */
export function noContainers(): string | false {
  if (process.env.CI === 'true') return false;
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux can run containers here';
  const missing = missingTools();
  if (missing.length === 0) return false;
  return `no ${missing.join(', ')}: apt-get install ${missing.map((tool) => TOOLS[tool]).join(' ')}`;
}

async function installTools(): Promise<void> {
  const packages = missingTools().map((tool) => TOOLS[tool]!);
  if (packages.length === 0) return;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], env);
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], env);
}

/** @returns what the program printed. @throws with the end of what it said. */
export async function run(program: string, args: readonly string[], env = process.env, input = ''): Promise<string> {
  const running = promisify(execFile)(program, args, { cwd: ROOT, env, maxBuffer: OUTPUT_BYTES_MAX });
  // One that reads nothing may have ended before.
  running.child.stdin?.on('error', () => {}).end(input);
  try {
    return (await running).stdout;
  } catch (cause) {
    const { stdout, stderr, message } = cause as Error & { stdout: string; stderr: string };
    const said = `${stdout}\n${stderr}`.trim().slice(-OUTPUT_TAIL_CHARACTERS) || message;
    throw new Error(`${program} ${args.join(' ')} failed:\n${said}`, { cause });
  }
}

export async function openEngine(): Promise<Engine> {
  if (process.env.CI === 'true') await installTools();
  const machine = await machineState();
  const environment = writeSettings();
  const places = ['--root', STORAGE, '--runroot', join(PLACE, 'run'), '--network-config-dir', join(PLACE, 'networks')];
  const podman = (...args: string[]): Promise<string> => run('podman', [...places, ...args], environment);
  const removeContainers = async (): Promise<void> => {
    await podman('rm', '--all', '--force', '--time', '0', '--volumes');
    await podman('volume', 'prune', '--force');
    await podman('network', 'prune', '--force');
  };
  // An interrupted run may have left some.
  await removeContainers();
  const service = spawn('podman', [...places, 'system', 'service', '--time', '0', SOCKET], {
    env: environment,
    stdio: 'ignore',
  });
  const stopHealth = new AbortController();
  const health = checkHealth(podman, stopHealth.signal);
  const removeAll = async (): Promise<void> => {
    stopHealth.abort();
    await health;
    // First, so that a docker-compose which still runs makes no more of them.
    await stop(service);
    await removeContainers();
    await run('umount', [join(STORAGE, 'overlay')]).catch(() => {});
    rmSync(PLACE, { recursive: true, force: true });
    await machine.restore();
  };
  let released: Promise<void> | undefined;
  const limits = ULIMITS.flatMap((each) => ['--ulimit', each]);
  return {
    podman,
    async build(context, target, image, options = []) {
      await podman('build', '--layers', ...limits, '--target', target, '--tag', image, ...options, context);
    },
    compose: (project, variables, ...args) =>
      run('docker-compose', ['--project-name', project, ...args], { ...environment, ...variables }),
    release: () => (released ??= removeAll()),
  };
}

/**
 * Writes what the engine is set to. @returns the environment in which podman and docker-compose
 * find it.
 */
function writeSettings(): NodeJS.ProcessEnv {
  mkdirSync(join(PLACE, 'networks'), { recursive: true });
  mkdirSync(STORAGE, { recursive: true });
  const [settings, registries] = [join(PLACE, 'containers.conf'), join(PLACE, 'registries.conf')];
  writeFileSync(settings, SETTINGS);
  writeFileSync(registries, REGISTRIES);
  return {
    ...process.env,
    CONTAINERS_CONF: settings,
    CONTAINERS_REGISTRIES_CONF: registries,
    // Otherwise a container with a health check does not start where systemd does not run.
    DISABLE_HC_SYSTEMD: 'true',
    DOCKER_HOST: SOCKET,
  };
}

async function stop(service: ChildProcess): Promise<void> {
  if (service.exitCode !== null || service.signalCode !== null) return;
  const ended = once(service, 'exit');
  service.kill('SIGTERM');
  await ended;
}

async function checkHealth(podman: Engine['podman'], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const starting = await podman('ps', '--quiet', '--filter', 'health=starting').catch(() => '');
    // One that is not healthy yet fails, as does one that has just ended.
    for (const id of starting.split('\n').filter(Boolean)) await podman('healthcheck', 'run', id).catch(() => {});
    await delay(HEALTH_MS, undefined, { signal }).catch(() => {});
  }
}

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';
const CGROUPS = '/sys/fs/cgroup';
const CGROUP = 'libpod_parent';
const RULE = /NETAVARK/;

/**
 * What containers change on a machine, as it was before. Where others use Podman's networks, their
 * rules stay.
 */
async function machineState(): Promise<{ restore(): Promise<void> }> {
  const forwarding = readFileSync(FORWARDING, 'utf8');
  const hadRules = RULE.test(await run('iptables-save', []));
  return {
    async restore() {
      if (!hadRules) {
        const rules = (await run('iptables-save', [])).split('\n').filter((line) => !RULE.test(line));
        await run('iptables-restore', [], process.env, rules.join('\n'));
      }
      writeFileSync(FORWARDING, forwarding);
      for (const name of ['.', ...readdirSync(CGROUPS)]) removeCgroups(join(CGROUPS, name, CGROUP));
    },
  };
}

/**
 * Removes a group with the groups in it, deepest first, but for those that others' containers are
 * in: the system refuses.
 */
function removeCgroups(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeCgroups(join(path, entry.name));
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
  }
}
