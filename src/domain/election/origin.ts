import { err, type Outcome, ok } from '../outcome.ts';

const KINDS = ['generated', 'results', 'roll', 'api', 'returns'] as const;

/**
 * What an election was made from, as table `elections` keeps it. Two starts with equal origins mean
 * the same election.
 */
export interface ElectionOrigin {
  readonly kind: (typeof KINDS)[number];
  readonly voters: number | null;
  readonly turnout: number | null;
  readonly scale: number | null;
  /** The address of the service that the people were fetched from. */
  readonly api: string | null;
  /** How rows of results are read that may be read in two ways; null where nobody said. */
  readonly readings: RowReadings | null;
  /** SHA-256 of the files it was made from, by option. */
  readonly files: { readonly [option: string]: string };
  /** Where those files were. Files may move, so this is not compared. */
  readonly paths: { readonly [option: string]: string };
}

/** How a person reads rows of results that may be read in two ways. */
export interface RowReadings {
  /** Names that are what they say: a candidate, a place or a contest. */
  readonly keep: readonly string[];
  /** Names of rows that are left out. */
  readonly leave_out: readonly string[];
  /** Whether places without a common candidate have a contest each, under one name in the file. */
  readonly split_contests: boolean;
}

/** An origin in which everything that is not given is null or empty. */
export const originOf = (given: Pick<ElectionOrigin, 'kind'> & Partial<ElectionOrigin>): ElectionOrigin => ({
  voters: null,
  turnout: null,
  scale: null,
  api: null,
  readings: null,
  files: {},
  paths: {},
  ...given,
});

/**
 * Parses what table `elections` holds.
 * @returns what is wrong with it, where it is not an origin.
 */
export function parseOrigin(value: unknown): Outcome<ElectionOrigin, string> {
  if (!isObject(value)) return err('it is not an object');
  const kind = KINDS.find((each) => each === value.kind);
  if (kind === undefined) return err(`its kind is not one of ${KINDS.join(', ')}`);
  const { voters = null, turnout = null, scale = null, api = null, readings = null, files = {}, paths = {} } = value;
  if (!isNumber(voters) || !isNumber(turnout) || !isNumber(scale))
    return err('voters, turnout or scale is not a number');
  if (api !== null && typeof api !== 'string') return err('api is not text');
  if (!isReadings(readings)) return err('readings is not how rows are read');
  if (!isTexts(files) || !isTexts(paths)) return err('files or paths is not an object of texts');
  return ok({ kind, voters, turnout, scale, api, readings, files, paths });
}

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isNumber = (value: unknown): value is number | null => value === null || typeof value === 'number';

const isReadings = (value: unknown): value is RowReadings | null =>
  value === null ||
  (isObject(value) &&
    typeof value.split_contests === 'boolean' &&
    [value.keep, value.leave_out].every(
      (names) => Array.isArray(names) && names.every((each) => typeof each === 'string'),
    ));

const isTexts = (value: unknown): value is { readonly [name: string]: string } =>
  isObject(value) && Object.values(value).every((each) => typeof each === 'string');
