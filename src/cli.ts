import { parseArgs } from 'node:util';
import { parseElectionId } from './domain/election.ts';
import { OperationalError } from './errors.ts';

/**
 * The command table: what each command is called, takes and says about itself. Help is printed from it and arguments are checked
 * against it, all before any file is opened or any connection made.
 */

interface OptionSpec {
  /** The name of the value in the help; null for a flag. */
  readonly value: string | null;
  readonly help: string;
  /** @returns what is wrong with the value, or null. */
  readonly check?: (text: string) => string | null;
}

const wholeNumber =
  (least: number, most: number) =>
  (text: string): string | null =>
    /^\d{1,15}$/.test(text) && Number(text) >= least && Number(text) <= most
      ? null
      : `must be a whole number from ${least} to ${most}`;

const fraction = (text: string): string | null => {
  const value = Number(text);
  return text.trim() !== '' && value >= 0 && value <= 1 ? null : 'must be a number from 0 to 1';
};

const positive = (text: string): string | null =>
  Number(text) > 0 && Number(text) <= 1 ? null : 'must be above 0 and at most 1';

/** Ten times as many as there are people: generated registration numbers suffice, and ids stay below 2^53. */
const VOTERS_MAX = 80_000_000_000;

export const OPTIONS = {
  election: { value: 'FILE', help: 'an election file (JSON, docs/election.schema.json)' },
  candidates: { value: 'FILE', help: 'candidates as CSV (docs/inputs.md)' },
  roll: { value: 'FILE', help: 'the roll of voters as CSV (docs/inputs.md)' },
  api: { value: 'URL', help: 'people from a service that answers like randomuser.me' },
  results: { value: 'FILE', help: 'cast the votes of a real election again, from its results as CSV' },
  electorate: { value: 'FILE', help: 'registered voters by location, for --results' },
  scale: { value: 'X', help: 'take only this part of --results, e.g. 0.01', check: positive },
  voters: { value: 'N', help: 'how many voters to generate or fetch (100000)', check: wholeNumber(1, VOTERS_MAX) },
  turnout: { value: 'X', help: 'the part of simulated voters who vote (0.7)', check: fraction },
  seed: {
    value: 'N',
    help: 'repeats an election to the vote (drawn and printed where not given)',
    check: wholeNumber(0, 2 ** 49),
  },
  rate: {
    value: 'N|max',
    help: 'voters asked a second (as many as take about a minute)',
    check: (text) =>
      text === 'max' || wholeNumber(1, 1e9)(text) === null ? null : 'must be max or a whole number from 1',
  },
  votes: { value: 'FILE|-', help: 'real cast votes as CSV or NDJSON instead of simulated ones; - is standard input' },
  engine: {
    value: 'local',
    help: 'what counts: local, in this process',
    check: (text) =>
      text === 'local'
        ? null
        : text === 'spark'
          ? 'is not part of this version; leave --engine out, the in-process counter gives the same totals'
          : 'must be local',
  },
  partitions: { value: 'N', help: 'parts that the log of a new election has (2)', check: wholeNumber(1, 64) },
  id: {
    value: 'NAME',
    help: 'the id of the election; the last one made where not given',
    check: (text) => {
      const id = parseElectionId(text);
      return id.ok ? null : 'is no election id: use lower-case letters, digits and hyphens, e.g. council-2026';
    },
  },
  fresh: { value: null, help: 'start a new election beside the one that is there' },
  once: { value: null, help: 'end when the input is used up and the results are durable' },
  json: { value: null, help: 'print the result document on standard output at the end' },
  port: {
    value: 'N',
    help: 'where the dashboard listens; 0 takes any free port (8080)',
    check: wholeNumber(0, 65_535),
  },
  host: { value: 'ADDRESS', help: 'where the dashboard listens (127.0.0.1)' },
  'data-dir': { value: 'DIR', help: 'where everything is kept (./.tallyroom)' },
  debug: { value: null, help: 'show the stack of an error' },
  help: { value: null, help: 'this text' },
} as const satisfies Record<string, OptionSpec>;

export type OptionName = keyof typeof OPTIONS;

interface CommandSpec {
  readonly summary: string;
  readonly options: readonly OptionName[];
  /** The one positional argument, where the command takes one. */
  readonly positional?: string;
  readonly examples: readonly string[];
}

const MAKING = [
  'election',
  'candidates',
  'roll',
  'api',
  'results',
  'electorate',
  'scale',
  'voters',
  'turnout',
  'seed',
  'partitions',
] as const;
const EVERYWHERE = ['id', 'data-dir', 'debug', 'help'] as const;

export const COMMANDS = {
  run: {
    summary: 'Registers, votes, counts and shows an election, all in this process. The main job: `npm start`.',
    options: [...MAKING, 'rate', 'engine', 'fresh', 'once', 'json', 'port', 'host', ...EVERYWHERE],
    examples: [
      'npm start',
      'npm start -- --voters 100000 --turnout 1 --rate max --once --json',
      'npm start -- --results results.csv --electorate electorate.csv --scale 0.1',
    ],
  },
  register: {
    summary: 'Makes an election and registers its candidates and voters; the voters go to topic `voters`.',
    options: [...MAKING, 'fresh', ...EVERYWHERE],
    examples: ['npm run tallyroom -- register --election council.json --roll voters.csv'],
  },
  vote: {
    summary: 'Lets registered voters vote, simulated or from a file; the votes go to topic `votes`.',
    options: ['votes', 'rate', ...EVERYWHERE],
    examples: ['npm run tallyroom -- vote --rate 1000', 'npm run tallyroom -- vote --votes cast.csv'],
  },
  count: {
    summary: 'Counts topic `votes` into the three result topics, until Ctrl-C.',
    options: ['engine', 'once', ...EVERYWHERE],
    examples: ['npm run tallyroom -- count'],
  },
  dashboard: {
    summary: 'Shows the results live in the browser, from topics `definition` and `results-by-location` alone.',
    options: ['port', 'host', ...EVERYWHERE],
    examples: ['npm run tallyroom -- dashboard --port 8080'],
  },
  verify: {
    summary:
      'Counts again from the log and from PostgreSQL and compares with the published results. Exit code 1 on any difference.',
    options: ['json', ...EVERYWHERE],
    examples: ['npm run tallyroom -- verify'],
  },
  topics: {
    summary: 'Lists the topics of an election, or prints the records of one, a line each.',
    options: [...EVERYWHERE],
    positional: '[NAME]',
    examples: ['npm run tallyroom -- topics votes-per-candidate'],
  },
  doctor: {
    summary: 'Says what this installation has, what it lacks, and where its data is.',
    options: ['data-dir', 'debug', 'help'],
    examples: ['npm run tallyroom -- doctor'],
  },
} as const satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof COMMANDS;

export type RawOptions = { readonly [Name in OptionName]?: string | true };

export interface CommandLine {
  readonly command: CommandName;
  readonly options: RawOptions;
  readonly positional: string | null;
}

const usage = (message: string, command?: string): OperationalError =>
  new OperationalError('USAGE', {
    message,
    nextStep: `See \`npm run tallyroom -- ${command ?? 'run'} --help\`.`,
  });

/** @throws OperationalError USAGE for anything the table does not know. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === 'help')
    return { command: 'run', options: { help: true }, positional: null };
  if (!isCommand(name)) throw usage(`there is no command "${name}"; there are ${Object.keys(COMMANDS).join(', ')}`);
  const spec: CommandSpec = COMMANDS[name];
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({
      args: rest,
      allowPositionals: spec.positional !== undefined,
      options: Object.fromEntries(
        spec.options.map((option) => [
          option,
          { type: OPTIONS[option].value === null ? 'boolean' : 'string' } as const,
        ]),
      ),
    });
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message.split(/\. |\.?\n/)[0]! : String(cause), name);
  }
  if (parsed.positionals.length > 1) throw usage(`${name} takes one name, not ${parsed.positionals.length}`, name);
  const options = parsed.values as RawOptions;
  checkValues(options, name);
  return { command: name, options, positional: parsed.positionals[0] ?? null };
}

/** @throws OperationalError USAGE naming the first option whose value is wrong. */
export function checkValues(options: RawOptions, command: string): void {
  for (const [option, value] of Object.entries(options) as [OptionName, string | true][]) {
    const spec: OptionSpec = OPTIONS[option];
    const problem = typeof value === 'string' ? (value === '' ? 'is empty' : spec.check?.(value)) : null;
    if (problem != null) throw usage(`--${option} "${value}" ${problem}`, command);
  }
}

export const isCommand = (name: string): name is CommandName => Object.hasOwn(COMMANDS, name);

/** The help of one command, and of all where it is `run`. */
export function helpOf(name: CommandName): string {
  const spec: CommandSpec = COMMANDS[name];
  const lines = [
    `tallyroom ${name}${spec.positional === undefined ? '' : ` ${spec.positional}`} [options]`,
    '',
    spec.summary,
    '',
    'Options:',
  ];
  for (const option of spec.options) {
    const { value, help }: OptionSpec = OPTIONS[option];
    lines.push(`  --${option}${value === null ? '' : ` ${value}`}`.padEnd(24) + help);
  }
  lines.push('', 'Examples:', ...spec.examples.map((example) => `  ${example}`));
  if (name === 'run') {
    lines.push('', 'Commands (npm run tallyroom -- COMMAND --help tells more):');
    for (const [command, { summary }] of Object.entries(COMMANDS)) lines.push(`  ${command.padEnd(11)}${summary}`);
    lines.push(
      '',
      'Every option can also stand in tallyroom.json ({"port": 8080}) or in the environment (TALLYROOM_PORT=8080).',
    );
    lines.push('DATABASE_URL names a PostgreSQL 15 or later to use instead of the one that comes along.');
  }
  return lines.join('\n');
}
