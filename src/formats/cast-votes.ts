import { isUtf8 } from 'node:buffer';
import { comparisonKey, findSameKey, IdLookup } from '../domain/election/comparison-key.ts';
import type { ElectionIndex } from '../domain/election/election-index.ts';
import { type CsvFile, columnOf, openCsv, readRows } from '../files/csv.ts';
import type { FileIdentity } from '../files/input-bytes.ts';
import { InputRefused, quoteValue, refusal } from '../files/problems.ts';
import { assertReadableTwice, grownProblem, identifyFile, LINE_BYTES_MAX, readLines } from '../files/text-files.ts';
import { type CastVote, type CheckedVotes, type Choices, VoteChecker } from './cast-vote-checker.ts';

/**
 * Real cast votes, as CSV or NDJSON. The choice of a voter is the most private data there is, so no
 * problem repeats a value. The code here checks rows against the definition. The database checks
 * whether the voter is known and may vote.
 */

export type { CastVote };

export interface CastVotes extends CheckedVotes {
  /** The line to go on reading at. */
  readonly next_line: number;
}

/** A file of cast votes whose rows were not read yet. */
export interface CastVotesInput extends FileIdentity {
  readonly path: string;
  readonly format: 'csv' | 'ndjson';
}

export interface CastVotesFile extends CastVotesInput {
  /** The first line that may hold a vote. */
  readonly first_line: number;
}

/** Columns of CSV that are not contests. */
const COLUMNS = ['registration_number', 'location_id', 'selections'] as const;

/**
 * Identifies a file of cast votes and checks what no election is needed for: text, encoding, and
 * that it is CSV with the columns of every election, or NDJSON.
 * @throws InputRefused
 */
export async function inspectCastVotes(path: string): Promise<CastVotesInput> {
  await assertReadableTwice(path);
  const identity = await identifyFile(path);
  const format = await formatOf(path, identity);
  if (format === 'csv') await openCsv(path, CSV_OPTIONS, { expected: identity });
  return { ...identity, path, format };
}

/**
 * Checks a file of cast votes as a whole.
 * @throws InputRefused; CSV needs columns `registration_number`, `location_id`, and `selections` or
 * one named as each contest
 */
export async function openCastVotes(path: string, index: ElectionIndex): Promise<CastVotesFile> {
  return openInspected(await inspectCastVotes(path), index);
}

/** The same for a file that was inspected before, which is not read whole again. */
export async function openInspected(input: CastVotesInput, index: ElectionIndex): Promise<CastVotesFile> {
  if (input.format === 'ndjson') return { ...input, first_line: 1 };
  const { first_row_line } = await openVotesCsv(input, index);
  return { ...input, first_line: first_row_line };
}

const CSV_OPTIONS = { required: ['registration_number', 'location_id'], optional: ['selections'], personal: true };

/** NDJSON where the first character that is not blank opens an object. */
async function formatOf(path: string, expected: FileIdentity): Promise<CastVotesInput['format']> {
  for await (const { lines } of readLines(path, 1, { expected })) {
    const line = lines.find((each) => each === null || each.trim() !== '');
    if (line !== undefined) return line?.trimStart().startsWith('{') ? 'ndjson' : 'csv';
  }
  return 'csv';
}

async function openVotesCsv(input: CastVotesInput, index: ElectionIndex): Promise<CsvFile> {
  const { path } = input;
  const file = await openCsv(path, CSV_OPTIONS, { expected: input });
  const contests = file.columns.filter((column) => !COLUMNS.some((name) => name === column.toLowerCase()));
  const line = file.first_row_line - 1;
  checkContestColumns(path, line, contests, index);
  const hasSelections = columnOf(file, 'selections') !== -1;
  if (hasSelections === contests.length > 0)
    throw refusal(
      path,
      line,
      'selections',
      hasSelections ? 'there are columns for contests beside it' : 'neither this column nor one for a contest is there',
      'give either selections as JSON or a column for each contest',
    );
  return file;
}

function checkContestColumns(path: string, line: number, columns: readonly string[], index: ElectionIndex): void {
  const ids = new IdLookup(index.contestNumbers);
  const unknown = columns.find((column) => ids.find(column) === -1);
  if (unknown !== undefined) {
    const lower = comparisonKey(unknown).toLowerCase();
    const differsByCase = [...index.contestNumbers.keys()].some((id) => comparisonKey(id).toLowerCase() === lower);
    throw refusal(
      path,
      line,
      quoteValue(unknown),
      `it is not a contest of the election${differsByCase ? '; its case differs' : ''}`,
      'name the column as the id of the contest, or remove it',
    );
  }
  const same = findSameKey(columns);
  if (same !== null)
    throw refusal(
      path,
      line,
      quoteValue(columns[same.second]!),
      'it looks like another column and is spelled with other characters',
      'remove or rename one',
    );
}

/**
 * The votes of a file, in blocks of some thousand lines. Every row is a vote or is refused with its
 * reason. Only what the file held when it was identified is read.
 * @param fromLine the line to go on at: 0 or 1 for the beginning, otherwise an earlier `next_line`
 * @throws InputRefused when the file cannot be read or has changed; at the end, when it has grown
 */
export async function* readCastVotes(
  file: CastVotesFile,
  index: ElectionIndex,
  fromLine: number,
): AsyncGenerator<CastVotes> {
  const from = Math.max(fromLine, file.first_line);
  let end = from;
  for await (const block of file.format === 'csv'
    ? readCsvVotes(file, index, from)
    : readJsonVotes(file, index, from)) {
    end = block.next_line;
    yield block;
  }
  const grown = await grownProblem(file.path, file, end);
  if (grown !== null) throw new InputRefused([grown]);
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
export function checkCastVotes(name: string, index: ElectionIndex, records: readonly CastVoteRecord[]): CheckedVotes {
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

async function* readCsvVotes(input: CastVotesInput, index: ElectionIndex, fromLine: number): AsyncGenerator<CastVotes> {
  const { path } = input;
  const file = await openVotesCsv(input, index);
  const [numberAt, locationAt, selectionsAt] = COLUMNS.map((name) => columnOf(file, name)) as [number, number, number];
  const contestColumns = file.columns
    .map((contest, at) => [contest, at] as const)
    .filter(([, at]) => at !== numberAt && at !== locationAt && at !== selectionsAt);
  for await (const { next_line, rows, problems } of readRows(file, fromLine, { expected: input })) {
    const checked = new VoteChecker(path, index);
    for (const problem of problems) checked.refuse(problem.line!, 'malformed', problem);
    for (const { line, fields } of rows) {
      const choices = selectionsAt === -1 ? cellChoices(contestColumns, fields) : jsonChoices(fields[selectionsAt]!);
      if (choices === null) checked.malformed(line, 'selections', 'is not an object of lists', SELECTIONS_HINT);
      else if (selectionsAt === -1 || !checked.refuseRepeatedKey(line, fields[selectionsAt]!))
        checked.take(line, fields[numberAt]!, fields[locationAt]!, choices);
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

async function* readJsonVotes(
  input: CastVotesInput,
  index: ElectionIndex,
  fromLine: number,
): AsyncGenerator<CastVotes> {
  const { path } = input;
  for await (const { first_line, lines } of readLines(path, fromLine, { expected: input })) {
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
  else if (!checked.refuseRepeatedKey(line, text)) checked.take(line, registration_number, location_id, choices);
}
