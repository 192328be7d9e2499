import { parseArgs } from 'node:util';
import { OperationalError } from '../base/errors.ts';
import { parseElectionId } from '../domain/election/election.ts';

/**
 * The command table: the name of each command, the options it takes, and its help. Arguments are
 * checked against it before any file is opened or any connection made.
 */

interface OptionSpec {
  /** The name of the value in the help; null for a flag. */
  readonly value: string | null;
  readonly help: string;
  /** Whether it may be given several times. Its values are then the lines of one text. */
  readonly repeats?: boolean;
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

/**
 * Ten times the population of the world: generated registration numbers suffice, and ids stay below
 * 2^53.
 */
const VOTERS_MAX = 80_000_000_000;

/** The beginning of the value of `--from`. */
export const TOPIC_PREFIX = 'topic:';
/** Kafka's own rule for the names of topics. */
const TOPIC = /^topic:[a-zA-Z0-9._-]{1,249}$/;

export const OPTIONS = {
  election: { value: 'FILE', help: 'the election as JSON (docs/election.schema.json)' },
  candidates: { value: 'FILE', help: 'the candidates as CSV (docs/inputs.md)' },
  roll: { value: 'FILE', help: 'the voters as CSV (docs/inputs.md)' },
  add: { value: 'FILE', help: 'add late voters to a complete roll, from a roll as CSV' },
  remove: { value: 'FILE', help: 'remove voters who have not voted, from CSV with a reason (docs/inputs.md)' },
  revise: { value: 'FILE', help: 'take new names and descriptions from the election as JSON' },
  api: { value: 'URL', help: 'fetch the voters from a service that answers like randomuser.me' },
  results: { value: 'FILE', help: 'cast the votes of a real election again, from its results as CSV' },
  electorate: { value: 'FILE', help: 'registered voters by location as CSV, for --results' },
  scale: { value: 'X', help: 'cast only this share of --results, e.g. 0.01 (default: all)', check: positive },
  'keep-row': {
    value: 'NAME',
    help: 'a row of --results called like a total is a candidate, a place or a contest; may be repeated',
    repeats: true,
  },
  'leave-out': {
    value: 'NAME',
    help: 'leave out the rows of --results with this name; may be repeated',
    repeats: true,
  },
  'split-contests': {
    value: null,
    help: 'places of --results without a common candidate have a contest each',
  },
  voters: {
    value: 'N',
    help: 'number of voters to generate or fetch (default: 100000)',
    check: wholeNumber(1, VOTERS_MAX),
  },
  turnout: { value: 'X', help: 'share of the simulated voters that vote (default: 0.7)', check: fraction },
  seed: {
    value: 'N',
    help: 'repeat an election to the vote (default: drawn and printed)',
    check: wholeNumber(0, 2 ** 49),
  },
  rate: {
    value: 'N|max',
    help: 'voters per second (default: all of them in about a minute)',
    check: (text) =>
      text === 'max' || wholeNumber(1, 1e9)(text) === null ? null : 'must be max or a whole number from 1',
  },
  votes: {
    value: 'FILE|-',
    help: 'cast real votes from CSV or NDJSON instead of simulated ones; - is standard input',
  },
  from: {
    value: 'topic:NAME',
    help: 'cast real votes from a Kafka topic of another system (docs/inputs.md)',
    check: (text) =>
      TOPIC.test(text)
        ? null
        : `must be ${TOPIC_PREFIX} and the name of a topic: letters, digits, dots, hyphens and underscores`,
  },
  'reported-at': {
    value: 'TIME',
    help: 'the time of returns whose file names none, e.g. 2026-11-03T20:15:00Z (default: now)',
    check: (text) =>
      /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))
        ? null
        : 'must be a time with its offset from UTC, e.g. 2026-11-03T20:15:00Z',
  },
  engine: {
    value: 'local|spark',
    help: 'count in this process, or on Spark with KAFKA_BROKERS and SPARK_REMOTE (default: local)',
    check: (text) => (text === 'local' || text === 'spark' ? null : 'must be local or spark'),
  },
  partitions: {
    value: 'N',
    help: 'number of partitions in the log of a new election (default: 2)',
    check: wholeNumber(1, 64),
  },
  id: {
    value: 'NAME',
    help: 'id of the election (default: the last one made)',
    check: (text) => {
      const id = parseElectionId(text);
      return id.ok ? null : 'is not an election id: use lower-case letters, digits and hyphens, e.g. council-2026';
    },
  },
  fresh: { value: null, help: 'start a new election beside the existing one' },
  recount: { value: null, help: 'count from the first vote again and replace every published result' },
  once: { value: null, help: 'end when the input is used up and the results are durable' },
  json: {
    value: null,
    help: 'print the result document at the end (verify: the reconciliation; stack status: the servers)',
  },
  port: {
    value: 'N',
    help: 'port of the dashboard; 0 takes any free port (default: 8080)',
    check: wholeNumber(0, 65_535),
  },
  host: { value: 'ADDRESS', help: 'address that the dashboard listens on (default: 127.0.0.1)' },
  proxy: {
    value: 'ADDRESS',
    help: 'address of a proxy that many viewers come from; may be repeated',
    repeats: true,
  },
  workers: {
    value: 'N',
    help: 'number of Spark workers, each a process; 0 runs Spark in one process (default: as before, or 0)',
    check: wholeNumber(0, 16),
  },
  only: {
    value: 'LIST',
    help: 'only these servers of kafka,postgres,spark (default: all)',
    check: (text) =>
      /^(kafka|postgres|spark)(,(kafka|postgres|spark))*$/.test(text)
        ? null
        : 'must name one or more of kafka,postgres,spark',
  },
  jars: { value: 'DIR', help: 'directory for the jars of Kafka and Spark (default: inside the stack)' },
  'kafka-port': {
    value: 'N',
    help: 'port of Kafka (default: as before, or any free port)',
    check: wholeNumber(1, 65_535),
  },
  'postgres-port': {
    value: 'N',
    help: 'port of PostgreSQL (default: as before, or any free port)',
    check: wholeNumber(1, 65_535),
  },
  'spark-port': {
    value: 'N',
    help: 'port of Spark Connect (default: as before, or any free port)',
    check: wholeNumber(1, 65_535),
  },
  'data-dir': { value: 'DIR', help: 'directory for all data (default: ./.tallyroom)' },
  debug: { value: null, help: 'print the stack trace of an error' },
  help: { value: null, help: 'print this text' },
} as const satisfies Record<string, OptionSpec>;

export type OptionName = keyof typeof OPTIONS;

interface CommandSpec {
  readonly summary: string;
  readonly options: readonly OptionName[];
  /** The one positional argument, where the command takes one. */
  readonly positional?: string;
  /** The values it may have. Where they are given, it must be there. */
  readonly choices?: readonly string[];
  readonly examples: readonly string[];
}

/** The options that name the inputs of an election. */
const ORIGIN = [
  'election',
  'candidates',
  'roll',
  'api',
  'results',
  'electorate',
  'scale',
  'keep-row',
  'leave-out',
  'split-contests',
  'voters',
  'turnout',
  'seed',
  'partitions',
] as const;
const EVERYWHERE = ['id', 'data-dir', 'debug', 'help'] as const;

export const COMMANDS = {
  run: {
    summary: 'Registers, votes, counts and shows an election, all in one process. The same as `npm start`.',
    options: [...ORIGIN, 'rate', 'engine', 'fresh', 'once', 'json', 'port', 'host', 'proxy', ...EVERYWHERE],
    examples: [
      'npm start',
      'npm start -- --voters 100000 --turnout 1 --rate max --once --json',
      'npm start -- --results results.csv --electorate electorate.csv --scale 0.1',
    ],
  },
  register: {
    summary: 'Makes an election and registers its candidates and voters; the voters go to topic `voters`.',
    options: [...ORIGIN, 'fresh', 'add', 'remove', 'revise', ...EVERYWHERE],
    examples: [
      'npm run tallyroom -- register --election council.json --roll voters.csv',
      'npm run tallyroom -- register --add late-voters.csv',
    ],
  },
  vote: {
    summary:
      'Casts votes: simulated, from a file or from a topic. They go to topic `votes`. Several processes share the work.',
    options: ['votes', 'from', 'rate', 'once', ...EVERYWHERE],
    examples: [
      'npm run tallyroom -- vote --rate 1000',
      'npm run tallyroom -- vote --votes cast.csv',
      'npm run tallyroom -- vote --from topic:polling-places',
    ],
  },
  report: {
    summary:
      'Takes official returns from a CSV file: counts by contest, location and candidate, as they stood at a time. They go to topic `returns`.',
    options: ['reported-at', ...EVERYWHERE],
    positional: 'FILE',
    examples: ['npm run tallyroom -- report returns.csv'],
  },
  count: {
    summary: 'Counts topic `votes` or `returns` into the three result topics, until Ctrl-C.',
    options: ['engine', 'once', 'recount', ...EVERYWHERE],
    examples: ['npm run tallyroom -- count', 'npm run tallyroom -- count --recount --once'],
  },
  dashboard: {
    summary: 'Shows the results live in the browser, from topics `definition` and `results-by-location` alone.',
    options: ['port', 'host', 'proxy', ...EVERYWHERE],
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
    summary: 'Checks this installation: what it has, what it lacks, where its data is, and whether its servers answer.',
    options: [...EVERYWHERE],
    examples: ['npm run tallyroom -- doctor'],
  },
  stack: {
    summary:
      'Starts and stops Kafka, PostgreSQL 15 and Spark on this machine, for development and tests. They listen on loopback only, stay up when the command ends, and keep their data. Needs Java 17, and Maven once.',
    options: [
      'workers',
      'only',
      'kafka-port',
      'postgres-port',
      'spark-port',
      'jars',
      'json',
      'data-dir',
      'debug',
      'help',
    ],
    positional: 'up|down|status|env',
    choices: ['up', 'down', 'status', 'env'],
    examples: [
      'npm run stack -- up --workers 2',
      'eval "$(npm run --silent stack -- env)"',
      'npm run stack -- status --json',
      'npm run stack -- down',
    ],
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
          { type: OPTIONS[option].value === null ? 'boolean' : 'string', multiple: repeats(option) } as const,
        ]),
      ),
    });
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message.split(/\. |\.?\n/)[0]! : String(cause), name);
  }
  if (parsed.positionals.length > 1) throw usage(`${name} takes one name, not ${parsed.positionals.length}`, name);
  const [positional = null] = parsed.positionals;
  if (spec.choices !== undefined && (positional === null || !spec.choices.includes(positional)) && !parsed.values.help)
    throw usage(
      `${name} takes one of ${spec.choices.join(', ')}${positional === null ? '' : `, not "${positional}"`}`,
      name,
    );
  if (spec.positional?.startsWith('[') === false && positional === null && !parsed.values.help)
    throw usage(`${name} takes a ${spec.positional}`, name);
  const options = Object.fromEntries(
    Object.entries(parsed.values).map(([option, value]) => [option, Array.isArray(value) ? value.join('\n') : value]),
  ) as RawOptions;
  checkValues(options, name);
  return { command: name, options, positional };
}

/** @throws OperationalError USAGE naming the first option whose value is wrong. */
export function checkValues(options: RawOptions, command: string): void {
  for (const [option, value] of Object.entries(options) as [OptionName, string | true][]) {
    const spec: OptionSpec = OPTIONS[option];
    const problem = typeof value === 'string' ? (value === '' ? 'is empty' : spec.check?.(value)) : null;
    if (problem != null) throw usage(`--${option} "${value}" ${problem}`, command);
  }
}

const repeats = (option: OptionName): boolean => (OPTIONS[option] as OptionSpec).repeats === true;

const isCommand = (name: string): name is CommandName => Object.hasOwn(COMMANDS, name);

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
    lines.push('DATABASE_URL names a PostgreSQL 15 or later to use instead of the bundled one;');
    lines.push(
      'KAFKA_BROKERS=host:port,... keeps the log in Kafka; SPARK_REMOTE=sc://host:port is where --engine spark counts.',
    );
  }
  return lines.join('\n');
}
