import { isUtf8 } from 'node:buffer';
import type { RejectionReason } from '../domain/ballots/rejection.ts';
import { SELECTIONS_PER_VOTE_MAX } from '../domain/ballots/vote-columns.ts';
import { candidateNumber, type ElectionIndex, slotAt } from '../domain/election/election-index.ts';
import { err, type Outcome, ok } from '../domain/outcome.ts';
import { type CsvFile, columnOf, openCsv, readRows } from '../files/csv.ts';
import { type InputProblem, quoteValue, refusal } from '../files/problems.ts';
import {
  assertReadableTwice,
  type FileIdentity,
  identifyFile,
  LINE_BYTES_MAX,
  readLines,
} from '../files/text-files.ts';

/**
 * Real cast votes, as CSV or NDJSON. The choice of a voter is the most private data there is, so no
 * problem repeats a value. The code here checks rows against the definition. The database checks
 * whether the voter is known and may vote.
 */

/** The reasons why a line is not a vote of this election. */
export type CastVoteReason = Extract<
  RejectionReason,
  | 'malformed'
  | 'unknown-location'
  | 'unknown-contest'
  | 'contest-not-on-ballot'
  | 'unknown-candidate'
  | 'repeated-candidate'
>;

/** One ballot, checked. An overvote is accepted, and counts as an overvote. */
export interface CastVote {
  /**
   * The place in the source: in a file the line where the row begins, from 1; in a topic the offset
   * of the record.
   */
  readonly line: number;
  readonly registration_number: string;
  /** Location number. */
  readonly location: number;
  /** Candidate numbers, ascending, no repeats. */
  readonly selections: readonly number[];
}

export interface RefusedVote {
  readonly line: number;
  readonly reason: CastVoteReason;
  readonly problem: InputProblem;
}

export interface CastVotes {
  /** The line to go on reading at. */
  readonly next_line: number;
  readonly votes: readonly CastVote[];
  readonly refused: readonly RefusedVote[];
}

export interface CastVotesFile extends FileIdentity {
  readonly path: string;
  readonly format: 'csv' | 'ndjson';
  /** The first line that may hold a vote. */
  readonly first_line: number;
}

/** The limit of the roll: a longer number is not on it. */
const REGISTRATION_NUMBER_LENGTH_MAX = 100;
/** Columns of CSV that are not contests. */
const COLUMNS = ['registration_number', 'location_id', 'selections'] as const;

/**
 * Identifies a file of cast votes and checks it as a whole: text, encoding, header.
 * @throws InputRefused; CSV needs columns `registration_number`, `location_id`, and `selections` or
 * one named as each contest
 */
export async function openCastVotes(path: string, index: ElectionIndex): Promise<CastVotesFile> {
  await assertReadableTwice(path);
  const identity = await identifyFile(path);
  const format = await formatOf(path);
  if (format === 'ndjson') return { ...identity, path, format, first_line: 1 };
  const { first_row_line } = await openVotesCsv(path, index);
  return { ...identity, path, format, first_line: first_row_line };
}

/** NDJSON where the first character that is not blank opens an object. */
async function formatOf(path: string): Promise<CastVotesFile['format']> {
  for await (const { lines } of readLines(path)) {
    const line = lines.find((each) => each === null || each.trim() !== '');
    if (line !== undefined) return line?.trimStart().startsWith('{') ? 'ndjson' : 'csv';
  }
  return 'csv';
}

async function openVotesCsv(path: string, index: ElectionIndex): Promise<CsvFile> {
  const contests = [...index.contestNumbers.keys()].map((id) => id.trim().toLowerCase());
  const required = ['registration_number', 'location_id'];
  const file = await openCsv(path, { required, optional: ['selections'], personal: true });
  const rest = file.columns.filter((column) => !COLUMNS.some((name) => name === column.toLowerCase()));
  const unknown = rest.find((column) => !index.contestNumbers.has(column));
  const line = file.first_row_line - 1;
  if (unknown !== undefined) {
    const hint = contests.includes(unknown.toLowerCase()) ? '; its case differs' : '';
    throw refusal(
      path,
      line,
      quoteValue(unknown),
      `it is not a contest of the election${hint}`,
      'name the column as the id of the contest, or remove it',
    );
  }
  const hasSelections = columnOf(file, 'selections') !== -1;
  if (hasSelections === rest.length > 0)
    throw refusal(
      path,
      line,
      'selections',
      hasSelections ? 'there are columns for contests beside it' : 'neither this column nor one for a contest is there',
      'give either selections as JSON or a column for each contest',
    );
  return file;
}

/**
 * The votes of a file, in blocks of some thousand lines. Every row is a vote or is refused with its
 * reason.
 * @param fromLine the line to go on at: 0 or 1 for the beginning, otherwise an earlier `next_line`
 * @throws InputRefused when the file cannot be read
 */
export async function* readCastVotes(
  file: CastVotesFile,
  index: ElectionIndex,
  fromLine: number,
): AsyncGenerator<CastVotes> {
  const from = Math.max(fromLine, file.first_line);
  yield* file.format === 'csv' ? readCsvVotes(file.path, index, from) : readJsonVotes(file.path, index, from);
}

/** A record of another system's topic. Its value is null where the record has none. */
export interface CastVoteRecord {
  readonly offset: number;
  readonly value: Buffer | null;
}

/**
 * A record holds one vote. It has the limit of a line, so a file of the same votes gives the same.
 */
export const RECORD_BYTES_MAX = LINE_BYTES_MAX;

/**
 * The votes in records of a topic, each one JSON object as in NDJSON. Every record is a vote or is
 * refused with its reason.
 * @param name the name of the source, as problems show it
 */
export function checkCastVotes(
  name: string,
  index: ElectionIndex,
  records: readonly CastVoteRecord[],
): Omit<CastVotes, 'next_line'> {
  const checked = new VoteChecker(name, index);
  for (const { offset, value } of records)
    if (value === null) checked.malformed(offset, null, 'the record has no value', ONE_RECORD_HINT);
    else if (value.length > RECORD_BYTES_MAX)
      checked.malformed(offset, null, `the record is longer than ${RECORD_BYTES_MAX} bytes`, ONE_RECORD_HINT);
    else if (!isUtf8(value)) checked.malformed(offset, null, 'the record is not UTF-8', ONE_RECORD_HINT);
    else takeJson(checked, offset, value.toString('utf8'), 'record');
  return checked.taken();
}

const ONE_RECORD_HINT = 'write one vote a record';

/** The selections of a row before the check: contest ids with candidate ids. */
type Choices = Iterable<readonly [contestId: string, candidateIds: readonly unknown[]]>;

async function* readCsvVotes(path: string, index: ElectionIndex, fromLine: number): AsyncGenerator<CastVotes> {
  const file = await openVotesCsv(path, index);
  const [numberAt, locationAt, selectionsAt] = COLUMNS.map((name) => columnOf(file, name)) as [number, number, number];
  const contestColumns = file.columns
    .map((contest, at) => [contest, at] as const)
    .filter(([, at]) => at !== numberAt && at !== locationAt && at !== selectionsAt);
  for await (const { next_line, rows, problems } of readRows(file, fromLine)) {
    const checked = new VoteChecker(path, index);
    for (const problem of problems) checked.refuse(problem.line!, 'malformed', problem);
    for (const { line, fields } of rows) {
      const choices = selectionsAt === -1 ? cellChoices(contestColumns, fields) : jsonChoices(fields[selectionsAt]!);
      if (choices === null) checked.malformed(line, 'selections', 'is not an object of lists', SELECTIONS_HINT);
      else checked.take(line, fields[numberAt]!, fields[locationAt]!, choices);
    }
    yield checked.finish(next_line);
  }
}

const SELECTIONS_HINT = 'write {"contest id": ["candidate id"]}';

/** Candidate ids in a cell are separated by `|`; an empty cell has no selection. */
function cellChoices(columns: readonly (readonly [string, number])[], fields: readonly string[]): [string, string[]][] {
  const choices: [string, string[]][] = [];
  for (const [contest, at] of columns)
    if (fields[at] !== '') choices.push([contest, fields[at]!.split('|').map((id) => id.trim())]);
  return choices;
}

function jsonChoices(text: string): Choices | null {
  try {
    return choicesOf(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The entries of an object of lists, or null for anything else. */
function choicesOf(value: unknown): [string, unknown[]][] | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const entries: [string, unknown][] = Object.entries(value);
  return entries.every((entry): entry is [string, unknown[]] => Array.isArray(entry[1])) ? entries : null;
}

async function* readJsonVotes(path: string, index: ElectionIndex, fromLine: number): AsyncGenerator<CastVotes> {
  for await (const { first_line, lines } of readLines(path, fromLine)) {
    const checked = new VoteChecker(path, index);
    for (const [i, text] of lines.entries()) {
      const line = first_line + i;
      if (text === null)
        checked.malformed(line, null, `the line is longer than ${LINE_BYTES_MAX} bytes`, 'write one vote a line');
      else if (text.trim() !== '') takeJson(checked, line, text);
    }
    yield checked.finish(first_line + lines.length);
  }
}

function takeJson(checked: VoteChecker, line: number, text: string, place: 'line' | 'record' = 'line'): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    checked.malformed(line, null, `the ${place} is not a JSON object`, `write one JSON object a ${place}`);
    return;
  }
  const { registration_number, location_id, selections, ...others } = value as { readonly [key: string]: unknown };
  const choices = choicesOf(selections);
  if (Object.keys(others).length > 0)
    checked.malformed(
      line,
      null,
      'there is a key that no vote has',
      'write registration_number, location_id and selections',
    );
  else if (typeof registration_number !== 'string')
    checked.malformed(line, 'registration_number', 'is not text', 'write it in quotes');
  else if (typeof location_id !== 'string') checked.malformed(line, 'location_id', 'is not text', 'write it in quotes');
  else if (choices === null) checked.malformed(line, 'selections', 'is not an object of lists', SELECTIONS_HINT);
  else checked.take(line, registration_number, location_id, choices);
}

/** Checks the rows of one block against the definition. */
class VoteChecker {
  readonly #path: string;
  readonly #index: ElectionIndex;
  readonly #votes: CastVote[] = [];
  readonly #refused: RefusedVote[] = [];

  constructor(path: string, index: ElectionIndex) {
    this.#path = path;
    this.#index = index;
  }

  taken(): Omit<CastVotes, 'next_line'> {
    return { votes: this.#votes, refused: this.#refused };
  }

  finish(next_line: number): CastVotes {
    return { next_line, ...this.taken() };
  }

  refuse(line: number, reason: CastVoteReason, problem: InputProblem): void {
    this.#refused.push({ line, reason, problem });
  }

  malformed(line: number, column: string | null, reason: string, nextStep: string): void {
    this.refuse(line, 'malformed', { file: this.#path, line, column, reason, nextStep });
  }

  take(line: number, registrationNumber: string, locationId: string, choices: Choices): void {
    const registration_number = registrationNumber.trim();
    if (!isRegistrationNumber(registration_number)) {
      this.malformed(line, 'registration_number', 'is empty, too long or not text', 'write it as it is on the roll');
      return;
    }
    const location = this.#index.locationNumbers.get(locationId.trim());
    const selections = location === undefined ? err('unknown-location' as const) : this.#select(location, choices);
    if (selections.ok && location !== undefined)
      this.#votes.push({ line, registration_number, location, selections: selections.value });
    else if (!selections.ok)
      this.refuse(line, selections.error, { file: this.#path, line, ...REFUSALS[selections.error] });
  }

  #select(location: number, choices: Choices): Outcome<number[], CastVoteReason> {
    const selections: number[] = [];
    for (const [contestId, candidateIds] of choices) {
      const contest = this.#index.contestNumbers.get(contestId);
      if (contest === undefined) return err('unknown-contest');
      if (slotAt(this.#index, location, contest) === -1) return err('contest-not-on-ballot');
      if (selections.length + candidateIds.length > SELECTIONS_PER_VOTE_MAX) return err('malformed');
      for (const id of candidateIds) {
        const candidate = typeof id === 'string' ? candidateNumber(this.#index, contest, id) : -1;
        if (candidate === -1) return err('unknown-candidate');
        selections.push(candidate);
      }
    }
    selections.sort((a, b) => a - b);
    return selections.some((candidate, i) => candidate === selections[i - 1])
      ? err('repeated-candidate')
      : ok(selections);
  }
}

type Refusal = Pick<InputProblem, 'column' | 'reason' | 'nextStep'>;

/** The message for each reason that the definition gives. */
const REFUSALS: Readonly<Record<CastVoteReason, Refusal>> = {
  malformed: {
    column: 'selections',
    reason: `there are more than ${SELECTIONS_PER_VOTE_MAX} selections`,
    nextStep: 'select fewer',
  },
  'unknown-location': {
    column: 'location_id',
    reason: 'is not a location of the election',
    nextStep: 'correct the id',
  },
  'unknown-contest': {
    column: 'selections',
    reason: 'names a contest that is not in the election',
    nextStep: 'correct the id',
  },
  'contest-not-on-ballot': {
    column: 'selections',
    reason: 'names a contest that is not on the ballot of this location',
    nextStep: 'check the location and the contest',
  },
  'unknown-candidate': {
    column: 'selections',
    reason: 'names a candidate who does not stand in the contest',
    nextStep: 'correct the id of the candidate',
  },
  'repeated-candidate': {
    column: 'selections',
    reason: 'names a candidate twice',
    nextStep: 'name each candidate once',
  },
};

const isRegistrationNumber = (text: string): boolean =>
  text !== '' && text.length <= REGISTRATION_NUMBER_LENGTH_MAX && !text.includes('\0') && text.isWellFormed();
