import { readFileSync } from 'node:fs';
import { type KafkaSettings, SASL_MECHANISMS } from '../adapters/kafka/settings.ts';
import { parseSparkRemote, type SparkRemote } from '../adapters/spark/remote.ts';
import { OperationalError } from '../base/errors.ts';
import type { RowReadings } from '../domain/election/origin.ts';
import type { Engine } from '../ports/counter.ts';
import type { OriginOptions } from '../registration/origin.ts';
import {
  COMMANDS,
  type CommandLine,
  checkValues,
  OPTIONS,
  type OptionName,
  type RawOptions,
  TOPIC_PREFIX,
} from './command-table.ts';

/** The configuration of one command: defaults < tallyroom.json < environment < command line. */
export interface Config {
  readonly dataDir: string;
  /** Null means the bundled PostgreSQL. */
  readonly databaseUrl: string | null;
  /** Null means that the log is kept in PostgreSQL alone. */
  readonly kafka: KafkaSettings | null;
  readonly sparkRemote: SparkRemote | null;
  readonly id: string | null;
  readonly origin: OriginOptions;
  /** The late change of an election, which `register` makes; null where it makes an election. */
  readonly change: ElectionChange | null;
  /** Voters per second; null means all of them in about a minute. */
  readonly rate: number | 'max' | null;
  readonly votes: string | null;
  /** The topic of another system to take votes from. */
  readonly from: string | null;
  /** The time of returns that name none, in milliseconds; null for the time of receipt. */
  readonly reportedAt: number | null;
  readonly engine: Engine;
  readonly partitions: number;
  readonly fresh: boolean;
  readonly once: boolean;
  /** Whether to count from the first vote again. */
  readonly recount: boolean;
  readonly json: boolean;
  readonly port: number;
  readonly host: string;
  /** The addresses of proxies before the dashboard. */
  readonly proxies: readonly string[];
  readonly debug: boolean;
}

/** A file, and what it does to an election that is there. */
export interface ElectionChange {
  readonly kind: (typeof CHANGES)[number];
  readonly file: string;
}
const CHANGES = ['add', 'remove', 'revise'] as const;

const CONFIG_FILE = 'tallyroom.json';

/**
 * The options of a command: from the file, the environment and the command line.
 * @throws OperationalError USAGE for a value that is wrong.
 */
export function resolveOptions(line: CommandLine, environment: NodeJS.ProcessEnv): RawOptions {
  const accepted: readonly OptionName[] = COMMANDS[line.command].options;
  const options: RawOptions = {
    ...readFileOptions(accepted),
    ...environmentOptions(accepted, environment),
    ...line.options,
  };
  checkValues(options, line.command);
  return options;
}

/**
 * @throws OperationalError USAGE for a value that is wrong, or for options that exclude each other.
 */
export function resolveConfig(line: CommandLine, environment: NodeJS.ProcessEnv): Config {
  const options = resolveOptions(line, environment);
  const text = (name: OptionName): string | null => {
    const value = options[name];
    return typeof value === 'string' ? value : null;
  };
  const number = (name: OptionName): number | null => (text(name) === null ? null : Number(text(name)));
  const rate = text('rate');
  const config: Config = {
    dataDir: text('data-dir') ?? '.tallyroom',
    ...serversOf(environment),
    id: text('id'),
    origin: {
      election: text('election'),
      candidates: text('candidates'),
      roll: text('roll'),
      api: text('api'),
      results: text('results'),
      electorate: text('electorate'),
      scale: number('scale'),
      readings: readingsOf(options),
      voters: number('voters'),
      turnout: number('turnout'),
      seed: text('seed'),
    },
    change: changeOf(options),
    rate: rate === null ? null : rate === 'max' ? 'max' : Number(rate),
    votes: text('votes'),
    from: text('from')?.slice(TOPIC_PREFIX.length) ?? null,
    reportedAt: text('reported-at') === null ? null : Date.parse(text('reported-at')!),
    engine: text('engine') === 'spark' ? 'spark' : 'local',
    partitions: number('partitions') ?? 2,
    fresh: options.fresh === true,
    once: options.once === true,
    recount: options.recount === true,
    json: options.json === true,
    port: number('port') ?? 8080,
    host: text('host') ?? '127.0.0.1',
    proxies: text('proxy')?.split('\n') ?? [],
    debug: options.debug === true,
  };
  checkTogether(config.origin);
  checkChange(config);
  checkFrom(config);
  checkEngine(config);
  return config;
}

/**
 * The variables of the environment that are not options: where the servers are, and how to reach
 * them.
 */
export const SERVER_VARIABLES = {
  DATABASE_URL: 'a PostgreSQL 15 or later to use instead of the bundled one',
  KAFKA_BROKERS: 'some brokers of Kafka, host:port,host:port; set, it keeps the log in Kafka',
  KAFKA_TLS: 'true where the brokers use TLS (false)',
  KAFKA_CA_FILE: "a PEM file of the authority that signed the brokers' certificates (Node's own list)",
  KAFKA_CERT_FILE: 'a PEM file of the client certificate, where the brokers ask for one',
  KAFKA_KEY_FILE: 'a PEM file of the key of that certificate',
  KAFKA_SASL_MECHANISM: 'PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512',
  KAFKA_USERNAME: 'the user of that mechanism',
  KAFKA_PASSWORD: 'the password of that user',
  KAFKA_REPLICATION: 'the number of brokers that keep a copy of a topic that Tallyroom makes (1)',
  SPARK_REMOTE: 'the Spark Connect server, sc://host:port; --engine spark counts there',
} as const;

/** Which servers to use. @throws OperationalError USAGE for a value that is wrong. */
export function serversOf(environment: NodeJS.ProcessEnv): Pick<Config, 'databaseUrl' | 'kafka' | 'sparkRemote'> {
  return {
    databaseUrl: databaseUrl(environment.DATABASE_URL),
    kafka: kafkaSettings(environment),
    sparkRemote: environment.SPARK_REMOTE ? parseSparkRemote(environment.SPARK_REMOTE) : null,
  };
}

/** Every name of the environment that the program reads. */
export const ENVIRONMENT_NAMES: readonly string[] = [
  ...Object.keys(SERVER_VARIABLES),
  ...Object.keys(OPTIONS).map((name) => environmentName(name)),
];

function environmentName(option: string): string {
  return `TALLYROOM_${option.toUpperCase().replaceAll('-', '_')}`;
}

const BROKER = /^[^\s:,/]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/;

function kafkaSettings(environment: NodeJS.ProcessEnv): KafkaSettings | null {
  const text = (name: keyof typeof SERVER_VARIABLES): string | null => environment[name] || null;
  const brokers = text('KAFKA_BROKERS')?.split(',') ?? null;
  if (brokers === null) return null;
  const strange = brokers.find((broker) => !BROKER.test(broker));
  if (strange !== undefined)
    return refuse(
      `KAFKA_BROKERS holds "${strange}", which is not a host:port`,
      'Write it like KAFKA_BROKERS=a:9092,b:9092.',
    );
  const mechanism = text('KAFKA_SASL_MECHANISM');
  const known = SASL_MECHANISMS.find((each) => each === mechanism);
  if (mechanism !== null && known === undefined)
    return refuse(`KAFKA_SASL_MECHANISM "${mechanism}" is not supported`, `Use one of ${SASL_MECHANISMS.join(', ')}.`);
  const username = text('KAFKA_USERNAME');
  const password = text('KAFKA_PASSWORD');
  if ((known === undefined) !== (username === null) || (username === null) !== (password === null))
    return refuse(
      'KAFKA_SASL_MECHANISM, KAFKA_USERNAME and KAFKA_PASSWORD belong together',
      'Set all three, or none of them.',
    );
  const ca_file = text('KAFKA_CA_FILE');
  const cert_file = text('KAFKA_CERT_FILE');
  const key_file = text('KAFKA_KEY_FILE');
  const isTls = text('KAFKA_TLS') ?? 'false';
  if (!/^(true|false)$/.test(isTls)) return refuse(`KAFKA_TLS "${isTls}" is neither true nor false`, 'Set it to true.');
  if (isTls === 'false' && (ca_file ?? cert_file ?? key_file) !== null)
    return refuse('KAFKA_CA_FILE, KAFKA_CERT_FILE and KAFKA_KEY_FILE need KAFKA_TLS=true', 'Set KAFKA_TLS=true too.');
  const replication = text('KAFKA_REPLICATION') ?? '1';
  if (!/^[1-9]\d?$/.test(replication))
    return refuse(
      `KAFKA_REPLICATION "${replication}" is not a number of brokers`,
      'Write it like KAFKA_REPLICATION=3.',
    );
  return {
    brokers,
    tls: isTls === 'true' ? { ca_file, cert_file, key_file } : null,
    sasl: known === undefined ? null : { mechanism: known, username: username!, password: password! },
    replication: Number(replication),
  };
}

function databaseUrl(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  if (/^postgres(ql)?:\/\//.test(text)) return text;
  return refuse(
    'DATABASE_URL is not a postgres:// address',
    'Write it like postgresql://user:password@host:5432/database.',
  );
}

const refuse = (message: string, nextStep: string): never => {
  throw new OperationalError('USAGE', { message, nextStep });
};

function readingsOf(options: RawOptions): RowReadings | null {
  const lines = (name: 'keep-row' | 'leave-out'): string[] => {
    const text = options[name];
    return typeof text === 'string' ? text.split('\n') : [];
  };
  const readings = {
    keep: lines('keep-row'),
    leave_out: lines('leave-out'),
    split_contests: options['split-contests'] === true,
  };
  return readings.keep.length + readings.leave_out.length > 0 || readings.split_contests ? readings : null;
}

function changeOf(options: RawOptions): ElectionChange | null {
  const given = CHANGES.flatMap((kind) => {
    const file = options[kind];
    return typeof file === 'string' ? [{ kind, file }] : [];
  });
  if (given.length > 1)
    refuse(`${given.map(({ kind }) => `--${kind}`).join(' and ')} at once`, 'Make one change after the other.');
  return given[0] ?? null;
}

/** A change is made to an election that is there, so it takes no inputs of a new one. */
function checkChange({ change, origin, fresh }: Config): void {
  if (change === null) return;
  const others = Object.entries(origin).flatMap(([name, value]) => (value === null ? [] : [`--${name}`]));
  if (fresh) others.push('--fresh');
  if (others.length > 0)
    refuse(
      `--${change.kind} changes the election that is there and takes no ${others.join(', ')}`,
      'Leave them out; --id names the election.',
    );
}

/** The sources of an election exclude each other; what belongs to one is refused without it. */
function checkTogether({
  election,
  candidates,
  roll,
  api,
  results,
  electorate,
  scale,
  readings,
  voters,
  turnout,
}: OriginOptions): void {
  const given = (options: Record<string, unknown>): string[] =>
    Object.entries(options).flatMap(([name, value]) => (value === null ? [] : [`--${name}`]));
  if (results !== null) {
    const others = given({ election, candidates, roll, api, voters, turnout });
    if (others.length > 0)
      refuse(
        `--results casts a real election again and takes no ${others.join(', ')}`,
        'Leave one of them out; --scale takes a sample.',
      );
    return;
  }
  const lonely = given({ electorate, scale, 'keep-row, --leave-out or --split-contests': readings });
  if (lonely.length > 0)
    refuse(`${lonely.join(' and ')} without --results`, 'Name the results to cast again with --results FILE.');
  // The value is not repeated: an address may hold a password.
  if (api !== null && !(URL.canParse(api) && /^https?:$/.test(new URL(api).protocol) && new URL(api).username === ''))
    refuse(
      '--api is not an http or https address, or holds a password',
      'Give one such as https://randomuser.me/api/.',
    );
  if (api !== null && roll !== null) refuse('--api and --roll both say who the voters are', 'Leave one of them out.');
  if (election !== null && candidates !== null)
    refuse('--election and --candidates both say who the candidates are', 'Leave one of them out.');
  if (candidates !== null && roll === null && api === null)
    refuse(
      '--candidates without voters',
      'Name the voters with --roll FILE or --api URL, or describe the whole election with --election FILE.',
    );
  if (roll !== null && voters !== null) refuse('--roll says how many voters there are', 'Leave --voters out.');
}

function checkFrom({ from, votes, kafka }: Config): void {
  if (from === null) return;
  if (votes !== null) refuse('--from and --votes both say where the votes are', 'Leave one of them out.');
  if (kafka === null) throw needsKafka(`--from topic:${from}`);
}

function checkEngine({ engine, kafka, sparkRemote }: Config): void {
  if (engine === 'local') return;
  const missing = [kafka === null ? 'KAFKA_BROKERS' : null, sparkRemote === null ? 'SPARK_REMOTE' : null];
  const names = missing.filter((name) => name !== null);
  if (names.length > 0)
    refuse(
      `--engine spark counts votes from Kafka on a Spark Connect server, and ${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} not set`,
      'Set KAFKA_BROKERS and SPARK_REMOTE (`npm run stack -- env` prints them), or leave --engine out.',
    );
}

/** The error for a command that needs a topic where there is no Kafka. */
export const needsKafka = (what: string): OperationalError =>
  new OperationalError('USAGE', {
    message: `${what} is in Kafka, and KAFKA_BROKERS is not set`,
    nextStep: 'Set it like KAFKA_BROKERS=a:9092,b:9092, or take the votes from a file with --votes FILE.',
  });

function environmentOptions(accepted: readonly OptionName[], environment: NodeJS.ProcessEnv): RawOptions {
  const options: { [Name in OptionName]?: string | true } = {};
  for (const name of accepted) {
    const value = environment[environmentName(name)];
    if (value === undefined || value === '') continue;
    if (OPTIONS[name].value !== null) options[name] = value;
    else if (value === '1' || value === 'true') options[name] = true;
  }
  return options;
}

function readFileOptions(accepted: readonly OptionName[]): RawOptions {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(CONFIG_FILE, 'utf8'));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return {};
    return refuse(
      `${CONFIG_FILE} cannot be read: ${cause instanceof Error ? cause.message : cause}`,
      'Correct it or move it away.',
    );
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    return refuse(`${CONFIG_FILE} is not a JSON object`, 'Write it like {"port": 8080}.');
  const options: { [Name in OptionName]?: string | true } = {};
  for (const [name, value] of Object.entries(content)) {
    if (!Object.hasOwn(OPTIONS, name))
      refuse(`${CONFIG_FILE} has "${name}", which is not an option`, 'See `npm start -- --help` for the options.');
    const option = name as OptionName;
    const isFlag = OPTIONS[option].value === null;
    if (value !== null && !(isFlag ? typeof value === 'boolean' : /^(string|number)$/.test(typeof value)))
      refuse(
        `${CONFIG_FILE}: "${name}" must be ${isFlag ? 'true or false' : 'text or a number'}`,
        'See `npm start -- --help` for the options.',
      );
    if (!accepted.includes(option) || value === false || value === null) continue;
    options[option] = value === true ? true : String(value);
  }
  return options;
}
