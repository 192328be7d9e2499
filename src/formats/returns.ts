import { IdLookup } from '../domain/election/comparison-key.ts';
import { candidatesOf, cellAt, type ElectionIndex, slotAt } from '../domain/election/election-index.ts';
import { err, type Outcome } from '../domain/outcome.ts';
import { COUNT_TYPE_DEFAULT, COUNT_TYPES, parseCountType } from '../domain/returns/count-type.ts';
import { CLOCK_AHEAD_MS_MAX, type ReturnFault } from '../domain/returns/plausibility.ts';
import type { TimesFrom, Upload, UploadedVersion } from '../domain/returns/upload.ts';
import { UNIT_FIELDS, unitPlace } from '../domain/returns/version.ts';
import { type CsvTable, columnOf, openTable, unusedColumns } from '../files/csv.ts';
import { type InputProblem, quoteValue, refusal } from '../files/problems.ts';
import { assertReadableTwice } from '../files/text-files.ts';
import { parseWholeNumber, type ValueProblem } from '../files/values.ts';

/**
 * Official returns as CSV: a row for the votes of each candidate, contest and location, as they
 * stood at a time. A row that is wrong is refused, the others are used.
 */

const REQUIRED = ['contest', 'location_id', 'candidate', 'votes'] as const;
/** The names that a column may have; the first is ours. */
const ALIASES = {
  reported_at: ['reported_at', 'timestamp'],
  units_reporting: ['units_reporting', 'precincts_reporting'],
  units_total: ['units_total', 'precincts_total'],
  count_type: ['count_type'],
} as const;
type Optional = keyof typeof ALIASES;
/** Facts of the definition, which has them already. */
const DESCRIPTION = ['location_name', 'parent_id', 'parent_name', 'party'];

/** An upload is one transaction and is held in memory: some 300 MB at this size. */
const VERSIONS_MAX = 500_000;
/** More than all people, and small enough that a sum over all locations is exact. */
const COUNT_MAX = 10_000_000_000;
/** The first year that PostgreSQL, a browser and a person write in the same way. */
const YEAR_MIN = 1900;

export interface ReturnsInput {
  readonly upload: Upload;
  /** Problems of rows that are refused. */
  readonly problems: readonly InputProblem[];
  readonly notices: readonly string[];
}

/** Times in milliseconds. */
export interface ReturnsTimes {
  /** The time of rows that name none, as a person gave it; null for the time of receipt. */
  readonly reported_at: number | null;
  readonly now: number;
}

/** Opens a file of returns before a server is started. @throws InputRefused */
export async function inspectReturns(path: string): Promise<void> {
  await assertReadableTwice(path);
  await using _ = await openReturns(path);
}

const openReturns = (path: string): Promise<CsvTable> =>
  openTable(path, {
    required: REQUIRED,
    optional: [...Object.values(ALIASES).flat(), ...DESCRIPTION],
    personal: false,
  });

/** @throws InputRefused where the file is not a table of returns */
export async function readReturnsFile(path: string, index: ElectionIndex, times: ReturnsTimes): Promise<ReturnsInput> {
  const aliases = Object.values(ALIASES).flat();
  await using file = await openReturns(path);
  const position = (names: readonly string[]): number =>
    names.reduce((found, name) => (found === -1 ? columnOf(file, name) : found), -1);
  const rows = new RowReader(path, index, times);
  const columns = {
    ...Object.fromEntries(REQUIRED.map((name) => [name, position([name])])),
    ...Object.fromEntries(Object.entries(ALIASES).map(([name, names]) => [name, position(names)])),
  } as Record<Column, number>;
  let count = 0;
  for await (const block of file.blocks) {
    rows.problems.push(...block.problems);
    for (const { line, fields } of block.rows) {
      count++;
      rows.read(line, (column) => fields[columns[column]] ?? '');
      if (rows.versions.length > VERSIONS_MAX)
        throw refusal(path, line, null, `there are more than ${VERSIONS_MAX} numbers`, 'split the file');
    }
  }
  if (count === 0 && rows.problems.length === 0)
    throw refusal(path, null, null, 'there is no row below the header', 'check that the export was complete');
  const { sha256, bytes } = file.identity();
  const unused = unusedColumns(file, [...REQUIRED, ...aliases, ...DESCRIPTION]);
  const refused = rows.problems.map(({ line, column, reason }) => ({
    line: line ?? 1,
    reason: column === null ? reason : `${column}: ${reason}`,
  }));
  const upload = {
    source: 'file',
    sha256,
    bytes,
    received_at: times.now,
    times: rows.timesFrom,
    rows: count,
    refused,
    versions: rows.versions,
  };
  return { upload, problems: rows.problems, notices: unused === null ? [] : [unused] };
}

type Column = (typeof REQUIRED)[number] | Optional;

/** Reads one row after another. A number that is in the file twice is one version. */
class RowReader {
  readonly versions: UploadedVersion[] = [];
  readonly problems: InputProblem[] = [];
  /** `bytes` until a row names no time. */
  timesFrom: TimesFrom = 'bytes';
  readonly #path: string;
  readonly #index: ElectionIndex;
  readonly #times: ReturnsTimes;
  readonly #locations: IdLookup;
  readonly #contests: IdLookup;
  readonly #contestNames: IdLookup;
  /** By contest number; a candidate is found by id, otherwise by name. */
  readonly #candidates: readonly { readonly ids: IdLookup; readonly names: IdLookup; readonly first: number }[];
  /** The version of each cell and time so far. */
  readonly #seen = new Map<string, UploadedVersion>();

  constructor(path: string, index: ElectionIndex, times: ReturnsTimes) {
    this.#path = path;
    this.#index = index;
    this.#times = times;
    const { contests, candidates } = index.election;
    this.#locations = new IdLookup(index.locationNumbers);
    this.#contests = new IdLookup(index.contestNumbers);
    this.#contestNames = new IdLookup(new Map(contests.map(({ name }, number) => [name, number])));
    this.#candidates = contests.map((_, contest) => {
      const numbers = candidatesOf(index, contest);
      const by = (text: (number: number) => string): IdLookup =>
        new IdLookup(new Map(numbers.map((number, place) => [text(number), place])));
      return {
        ids: by((number) => candidates[number]!.id),
        names: by((number) => candidates[number]!.name),
        first: numbers[0]!,
      };
    });
  }

  read(line: number, text: (column: Column) => string): void {
    const problem = this.#read(line, text);
    if (problem !== null) this.problems.push({ file: this.#path, line, ...problem });
  }

  #read(
    line: number,
    text: (column: Column) => string,
  ): { column: string | null; reason: string; nextStep: string } | null {
    const unknown = (column: Column, kind: string) => ({
      column,
      reason: `${quoteValue(text(column))} is not a ${kind} of the election`,
      nextStep: 'correct the id, or check that the file is of this election',
    });
    const contest = this.#find(this.#contests, this.#contestNames, text('contest'));
    if (contest === -1) return unknown('contest', 'contest');
    const location = this.#locations.find(text('location_id'));
    if (location === -1) return unknown('location_id', 'location');
    const slot = slotAt(this.#index, location, contest);
    if (slot === -1)
      return { column: 'contest', reason: 'is not on the ballot of this location', nextStep: 'check the location' };
    const { ids, names, first } = this.#candidates[contest]!;
    const place = this.#find(ids, names, text('candidate'));
    if (place === -1) return unknown('candidate', 'candidate of the contest');
    const countType = text('count_type') === '' ? COUNT_TYPE_DEFAULT : parseCountType(text('count_type'));
    if (countType === null)
      return {
        column: 'count_type',
        reason: `${quoteValue(text('count_type'))} is not a count type`,
        nextStep: `write one of ${COUNT_TYPES.join(', ')}`,
      };
    const reportedAt = this.#timeOf(text('reported_at'));
    if (reportedAt === null)
      return {
        column: 'reported_at',
        reason: `${quoteValue(text('reported_at'))} is not a time with its offset from UTC`,
        nextStep: 'write it as 2026-11-03T20:15:00Z',
      };
    const votes = parseCount(text('votes'));
    if (!votes.ok) return { column: 'votes', ...votes.error };
    const units = this.#units(text);
    if (!units.ok) return units.problem;
    const fault: ReturnFault | null = reportedAt > this.#times.now + CLOCK_AHEAD_MS_MAX ? 'FUTURE_TIME' : null;
    return (
      this.#add({
        line,
        count_type: countType,
        place: cellAt(this.#index, location, first + place),
        value: votes.value,
        reported_at: reportedAt,
        fault,
      }) ?? this.#addUnits(line, slot, reportedAt, units.values, fault)
    );
  }

  /** @returns null for text that is not a time */
  #timeOf(text: string): number | null {
    if (text !== '') return parseTime(text);
    const { reported_at, now } = this.#times;
    this.timesFrom = reported_at === null ? 'receipt' : 'given';
    return reported_at ?? now;
  }

  #find(ids: IdLookup, names: IdLookup, text: string): number {
    const number = ids.find(text);
    return number === -1 ? names.find(text) : number;
  }

  #units(
    text: (column: Column) => string,
  ): { ok: true; values: readonly (number | null)[] } | { ok: false; problem: ValueProblem & { column: string } } {
    const values: (number | null)[] = [];
    for (const column of UNIT_FIELDS) {
      const given = text(column);
      const value = given === '' ? null : parseCount(given);
      if (value !== null && !value.ok) return { ok: false, problem: { column, ...value.error } };
      values.push(value === null ? null : value.value);
    }
    return { ok: true, values };
  }

  #addUnits(
    line: number,
    slot: number,
    reported_at: number,
    values: readonly (number | null)[],
    rowFault: ReturnFault | null,
  ): (ValueProblem & { column: null }) | null {
    const [reporting = null, total = null] = values;
    const fault = rowFault ?? (reporting !== null && total !== null && reporting > total ? 'UNITS_ABOVE_TOTAL' : null);
    for (const [field, value] of values.entries()) {
      if (value === null) continue;
      const problem = this.#add({
        line,
        count_type: 'total',
        place: unitPlace(this.#index, slot, field),
        value,
        reported_at,
        fault,
      });
      if (problem !== null) return problem;
    }
    return null;
  }

  /** @returns the problem where the file has another number of the same cell and time. */
  #add(version: UploadedVersion): (ValueProblem & { column: null }) | null {
    const key = `${version.count_type} ${version.place} ${version.reported_at}`;
    const before = this.#seen.get(key);
    if (before === undefined) {
      this.#seen.set(key, version);
      this.versions.push(version);
      return null;
    }
    if (before.value === version.value) return null;
    return {
      column: null,
      reason: `line ${before.line} has another number of the same time`,
      nextStep: 'keep the right one of the two',
    };
  }
}

function parseCount(text: string): Outcome<number, ValueProblem> {
  const count = parseWholeNumber(text);
  if (!count.ok || count.value <= COUNT_MAX) return count;
  return err({ reason: `is above ${COUNT_MAX.toLocaleString('en-GB')}`, nextStep: 'check the number' });
}

/** @returns milliseconds; null for text that is not a time with an offset. */
function parseTime(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d)$/.test(text)) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) || new Date(time).getUTCFullYear() < YEAR_MIN ? null : time;
}
