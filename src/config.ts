import { readFileSync } from 'node:fs';
import { COMMANDS, type CommandLine, checkValues, OPTIONS, type OptionName, type RawOptions } from './cli.ts';
import { OperationalError } from './errors.ts';
import type { Engine } from './ports/counter.ts';
import type { MakingOptions } from './stages/making.ts';

/** The configuration of one command: defaults < tallyroom.json < environment < command line. */
export interface Config {
  readonly data_dir: string;
  /** Null means the PostgreSQL that comes along. */
  readonly database_url: string | null;
  readonly id: string | null;
  readonly making: MakingOptions;
  /** Voters a second; null means as many as take about a minute. */
  readonly rate: number | 'max' | null;
  readonly votes: string | null;
  readonly engine: Engine;
  readonly partitions: number;
  readonly fresh: boolean;
  readonly once: boolean;
  readonly json: boolean;
  readonly port: number;
  readonly host: string;
  readonly debug: boolean;
}

const CONFIG_FILE = 'tallyroom.json';

/** @throws OperationalError USAGE for a value that is wrong, or for options that exclude each other. */
export function resolveConfig(line: CommandLine, environment: NodeJS.ProcessEnv): Config {
  const accepted: readonly OptionName[] = COMMANDS[line.command].options;
  const options: RawOptions = {
    ...readFileOptions(accepted),
    ...environmentOptions(accepted, environment),
    ...line.options,
  };
  checkValues(options, line.command);
  const text = (name: OptionName): string | null => {
    const value = options[name];
    return typeof value === 'string' ? value : null;
  };
  const number = (name: OptionName): number | null => (text(name) === null ? null : Number(text(name)));
  const rate = text('rate');
  const config: Config = {
    data_dir: text('data-dir') ?? '.tallyroom',
    database_url: databaseUrl(environment.DATABASE_URL),
    id: text('id'),
    making: {
      election: text('election'),
      candidates: text('candidates'),
      roll: text('roll'),
      api: text('api'),
      results: text('results'),
      electorate: text('electorate'),
      scale: number('scale'),
      voters: number('voters'),
      turnout: number('turnout'),
      seed: text('seed'),
    },
    rate: rate === null ? null : rate === 'max' ? 'max' : Number(rate),
    votes: text('votes'),
    engine: text('engine') === 'spark' ? 'spark' : 'local',
    partitions: number('partitions') ?? 2,
    fresh: options.fresh === true,
    once: options.once === true,
    json: options.json === true,
    port: number('port') ?? 8080,
    host: text('host') ?? '127.0.0.1',
    debug: options.debug === true,
  };
  checkTogether(config.making);
  return config;
}

function databaseUrl(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  if (/^postgres(ql)?:\/\//.test(text)) return text;
  return refuse(
    'DATABASE_URL is no postgres:// address',
    'Write it like postgresql://user:password@host:5432/database.',
  );
}

const refuse = (message: string, nextStep: string): never => {
  throw new OperationalError('USAGE', { message, nextStep });
};

/** The sources of an election exclude each other; what belongs to one is refused without it. */
function checkTogether({
  election,
  candidates,
  roll,
  api,
  results,
  electorate,
  scale,
  voters,
  turnout,
}: MakingOptions): void {
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
  const lonely = given({ electorate, scale });
  if (lonely.length > 0)
    refuse(`${lonely.join(' and ')} without --results`, 'Name the results to cast again with --results FILE.');
  // Said without the value: an address may hold a password.
  if (api !== null && !(URL.canParse(api) && /^https?:$/.test(new URL(api).protocol) && new URL(api).username === ''))
    refuse('--api is no http or https address, or holds a password', 'Give one such as https://randomuser.me/api/.');
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

function environmentOptions(accepted: readonly OptionName[], environment: NodeJS.ProcessEnv): RawOptions {
  const options: { [Name in OptionName]?: string | true } = {};
  for (const name of accepted) {
    const value = environment[`TALLYROOM_${name.toUpperCase().replaceAll('-', '_')}`];
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
      'Mend it or move it away.',
    );
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    return refuse(`${CONFIG_FILE} is not a JSON object`, 'Write it like {"port": 8080}.');
  const options: { [Name in OptionName]?: string | true } = {};
  for (const [name, value] of Object.entries(content)) {
    if (!Object.hasOwn(OPTIONS, name))
      refuse(`${CONFIG_FILE} has "${name}", which is no option`, 'See `npm start -- --help` for the options.');
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
