import { join } from 'node:path';
import { OperationalError } from '../base/errors.ts';
import { claimDataDirectory } from '../bundled-postgres/places.ts';
import type { OptionName, RawOptions } from '../cli/command-table.ts';
import { resolveOptions } from '../cli/config.ts';
import { openStack, type ServerStatus, type Stack } from '../stack/stack.ts';
import { PARTS, type Part } from '../stack/state.ts';
import { type Command, EXIT, type Terminal } from './shared.ts';

type Action = (stack: Stack, options: RawOptions, terminal: Terminal) => Promise<number>;

/** The options of a start. */
const FOR_UP: readonly OptionName[] = ['workers', 'kafka-port', 'postgres-port', 'spark-port'];

const ACTIONS: Record<string, Action> = {
  async up(stack, options, { stderr, signal }) {
    const workers = numberOf(options.workers);
    const started = await stack.up({
      signal,
      parts: partsOf(options) ?? PARTS,
      ports: portsOf(options),
      ...(workers === null ? {} : { workers }),
    });
    stderr.write(started.length === 0 ? 'Everything runs already.\n' : 'The stack is up.\n');
    stderr.write('Point the commands of this shell at it: eval "$(npm run --silent stack -- env)"\n');
    return EXIT.done;
  },
  async down(stack, options, { stderr }) {
    const stopped = await stack.down(partsOf(options) ?? PARTS);
    stderr.write(stopped.length === 0 ? 'Nothing was running.\n' : 'Stopped; the data stay.\n');
    return EXIT.done;
  },
  async status(stack, options, { stdout, stderr }) {
    const servers = await stack.status();
    if (options.json === true) stdout.write(`${JSON.stringify(servers)}\n`);
    else for (const server of servers) stdout.write(`${lineOf(server)}\n`);
    if (servers.length === 0)
      stderr.write(`There is no stack in ${stack.directory}; \`npm run stack -- up\` starts one.\n`);
    return servers.length > 0 && servers.every(({ state }) => state === 'running') ? EXIT.done : EXIT.check_failed;
  },
  async env(stack, _options, { stdout }) {
    for (const [name, value] of Object.entries(await stack.environment())) stdout.write(`export ${name}='${value}'\n`);
    return EXIT.done;
  },
};

export const command: Command = async (config, terminal, line) => {
  const options = resolveOptions(line, process.env);
  const name = line.positional ?? '';
  const odd = FOR_UP.find((option) => line.options[option] !== undefined);
  if (name !== 'up' && odd !== undefined)
    throw new OperationalError('USAGE', {
      message: `--${odd} is for stack up, not for stack ${name}`,
      nextStep: 'Leave it out.',
    });
  // The other commands must find the mark of Tallyroom in the directory, or they would refuse it.
  if (name === 'up') await claimDataDirectory(config.dataDir);
  const stack = openStack({
    directory: join(config.dataDir, 'stack'),
    jars: typeof options.jars === 'string' ? options.jars : null,
    onProgress: (text) => terminal.stderr.write(`${text}\n`),
  });
  return ACTIONS[name]!(stack, options, terminal);
};

const numberOf = (value: string | true | undefined): number | null =>
  typeof value === 'string' ? Number(value) : null;

function partsOf({ only }: RawOptions): readonly Part[] | null {
  if (typeof only !== 'string') return null;
  const names = only.split(',');
  return PARTS.filter((part) => names.includes(part));
}

function portsOf(options: RawOptions): Partial<Record<Part, number>> {
  const ports: Partial<Record<Part, number>> = {};
  for (const part of PARTS) {
    const port = numberOf(options[`${part}-port`]);
    if (port !== null) ports[part] = port;
  }
  return ports;
}

function lineOf({ name, state, address, pid, log }: ServerStatus): string {
  return [name.padEnd(15), state.padEnd(13), address.padEnd(15), `pid ${pid ?? '-'}`.padEnd(11), log].join(' ');
}
