import { comparisonKey, IdLookup, idFromName } from '../domain/election/comparison-key.ts';
import type { Election, Location, LocationId } from '../domain/election/election.ts';
import type { VoterPerson } from '../domain/election/voter.ts';
import { type CsvFile, type CsvOptions, columnOf, openCsv, openTable, readRows, unusedColumns } from '../files/csv.ts';
import type { FileIdentity } from '../files/input-bytes.ts';
import { type InputProblem, InputRefused, ProblemKinds, refusal } from '../files/problems.ts';
import { idProblem, isDate, parseWholeNumber, proseProblem, textProblem, type ValueProblem } from '../files/values.ts';
import { LOCATIONS_MAX } from './results/results-table.ts';

/**
 * The roll of voters as CSV. It is personal data, so no problem repeats a value. Good rows are
 * accepted, and bad rows are reported by line. The file is read twice: first for its locations and
 * problems, then for its people. Memory is bounded by the number of locations.
 */

/** Longer than any registration number, address line or name in use. */
const FIELD_LENGTH_MAX = 500;
/** The number is in an index of the database. */
const REGISTRATION_NUMBER_LENGTH_MAX = 100;
/** The longest time since registration: nobody is registered for longer than a life. */
const AGE_YEARS_MAX = 150;

/** The fields of a person that are plain text, by column. */
const TEXT_COLUMNS = {
  uuid: 'uuid',
  first_name: 'first_name',
  last_name: 'last_name',
  gender: 'gender',
  nationality: 'nationality',
  address: 'street',
  city: 'city',
  state: 'state',
  country: 'country',
  postcode: 'postcode',
  email: 'email',
  phone: 'phone',
  cell: 'cell',
  picture: 'picture',
} as const satisfies Record<string, keyof VoterPerson>;

const REQUIRED = ['registration_number'] as const;
const OPTIONAL = ['location_id', 'location_name', 'name', 'birth_date', 'registered_age', ...Object.keys(TEXT_COLUMNS)];
const CSV_OPTIONS: CsvOptions = { required: REQUIRED, optional: OPTIONAL, personal: true };

export interface LocatedPerson {
  /** A location id of the election; without an election, the location as the source writes it. */
  readonly location: string;
  readonly person: VoterPerson;
}

export interface RollRow extends LocatedPerson {
  /**
   * The line where the row begins. The database may later find that the registration number is
   * already there, and the message names this line.
   */
  readonly line: number;
}

export interface RollRows {
  /** The line to go on reading at. */
  readonly next_line: number;
  readonly rows: readonly RollRow[];
  readonly problems: readonly InputProblem[];
}

export interface RollSummary {
  /** Identifies the scanned file; it must be the same when its people are read. */
  readonly identity: FileIdentity;
  /**
   * The locations with voters, in order of appearance, with `registered_voters` counted. They are
   * those of the election where one is given.
   */
  readonly locations: readonly Location[];
  readonly voters: number;
  /** The first of the refused rows, and the number of all of them. */
  readonly problems: readonly InputProblem[];
  readonly problem_count: number;
  readonly notices: readonly string[];
}

/**
 * Reads a roll once, for its locations and everything that is wrong with it.
 * @param election the election whose locations the rows must name, by id or by a unique name; null
 * accepts any location
 * @throws InputRefused when the file is not CSV, lacks a column, is not UTF-8 or has no good row
 */
export async function scanRoll(path: string, election: Election | null): Promise<RollSummary> {
  await using file = await openTable(path, CSV_OPTIONS);
  assertLocated(file);
  const reader = new RollReader(file, election);
  const drafts = new Map<string, { id: string; name: string; voters: number }>();
  const kinds = new ProblemKinds();
  let problemCount = 0;
  let voters = 0;
  for await (const { rows, problems } of file.blocks) {
    const found = [...problems];
    for (const { line, fields } of rows) {
      const row = reader.read(line, fields, found);
      if (row === null) continue;
      voters++;
      const key = comparisonKey(row.location);
      const draft = drafts.get(key);
      if (draft !== undefined) draft.voters++;
      else if (drafts.size === LOCATIONS_MAX)
        throw refusal(
          path,
          line,
          null,
          `there are more than ${LOCATIONS_MAX} locations`,
          'check that the right column names the location',
        );
      else drafts.set(key, { id: row.location, name: reader.locationName(fields), voters: 1 });
    }
    problemCount += found.length;
    for (const problem of found) kinds.add(problem);
  }
  if (voters === 0 && problemCount > 0) throw new InputRefused(kinds.shown, kinds.rest);
  if (voters === 0)
    throw refusal(path, null, null, 'there is no row below the header', 'check that the export was complete');
  const known = new Map(election?.locations.map((location) => [location.id as string, location]));
  const locations = [...drafts.values()].map(({ id, name, voters: registered_voters }): Location => {
    const defined = known.get(id);
    if (defined !== undefined) return { ...defined, registered_voters };
    return {
      id: id as LocationId,
      name: name === '' ? id : name,
      type: 'location',
      parent_id: null,
      registered_voters,
    };
  });
  const unused = unusedColumns(file, [...REQUIRED, ...OPTIONAL]);
  return {
    identity: file.identity(),
    locations,
    voters,
    problems: kinds.shown,
    problem_count: problemCount,
    notices: unused === null ? [] : [unused],
  };
}

/**
 * The people of a roll that {@link scanRoll} has checked, in blocks of some thousand.
 * @param fromLine 1, or an earlier `next_line`
 * @param expected the identity of the scanned file
 * @throws InputRefused when the file cannot be read, or is not the scanned one
 */
export async function* readRoll(
  path: string,
  election: Election | null,
  fromLine = 1,
  expected?: FileIdentity,
): AsyncGenerator<RollRows> {
  const file = await openCsv(path, CSV_OPTIONS, { expected });
  assertLocated(file);
  const reader = new RollReader(file, election);
  for await (const { next_line, rows, problems } of readRows(file, Math.max(fromLine, file.first_row_line), {
    expected,
  })) {
    const found = [...problems];
    const people: RollRow[] = [];
    for (const { line, fields } of rows) {
      const row = reader.read(line, fields, found);
      if (row !== null) people.push(row);
    }
    yield { next_line, rows: people, problems: found };
  }
}

/**
 * Reads a roll again for voters whose registration number or UUID an earlier row has.
 * @returns the line of that row, by the line of the repetition; a voter who is missing there was on
 * the roll before this file
 */
export async function findFirstLines(
  path: string,
  election: Election | null,
  repeated: readonly RollRow[],
): Promise<ReadonlyMap<number, number>> {
  const wanted = new Set(repeated.flatMap(({ person }) => identitiesOf(person)));
  const end = Math.max(...repeated.map(({ line }) => line));
  const lines = new Map<string, number>();
  for await (const { rows, next_line } of readRoll(path, election)) {
    for (const { line, person } of rows)
      for (const identity of identitiesOf(person))
        if (wanted.has(identity) && !lines.has(identity)) lines.set(identity, line);
    if (next_line > end) break;
  }
  const found = new Map<number, number>();
  for (const { line, person } of repeated) {
    const first = Math.min(...identitiesOf(person).map((identity) => lines.get(identity) ?? line));
    if (first < line) found.set(line, first);
  }
  return found;
}

const identitiesOf = ({ registration_number, uuid }: VoterPerson): string[] =>
  uuid === null ? [`number ${registration_number}`] : [`number ${registration_number}`, `uuid ${uuid}`];

/** @throws InputRefused where no column names the locations of voters */
function assertLocated(file: CsvFile): void {
  if (columnOf(file, 'location_id') !== -1 || columnOf(file, 'location_name') !== -1) return;
  throw refusal(
    file.path,
    file.first_row_line - 1,
    'location_id',
    'neither location_id nor location_name is there',
    'add one of them',
  );
}

class RollReader {
  readonly #path: string;
  readonly #at = new Map<string, number>();
  readonly #textColumns: readonly (readonly [column: string, field: string, at: number])[];
  /** Null where any location may come. */
  readonly #known: LocationLookup | null;

  constructor(file: CsvFile, election: Election | null) {
    this.#path = file.path;
    for (const column of [...REQUIRED, ...OPTIONAL]) {
      const at = columnOf(file, column);
      if (at !== -1) this.#at.set(column, at);
    }
    this.#textColumns = Object.entries(TEXT_COLUMNS).flatMap(([column, field]) => {
      const at = this.#at.get(column);
      return at === undefined ? [] : [[column, field, at] as const];
    });
    this.#known = election === null ? null : locationsByText(election);
  }

  locationName(fields: readonly string[]): string {
    return this.#text(fields, 'location_name');
  }

  #text(fields: readonly string[], column: string): string {
    const at = this.#at.get(column);
    return at === undefined ? '' : fields[at]!;
  }

  /** @returns null for a row that is refused; all its problems are added to `problems`. */
  read(line: number, fields: readonly string[], problems: InputProblem[]): RollRow | null {
    const before = problems.length;
    const complain = (column: string, problem: ValueProblem | null): void => {
      if (problem !== null) problems.push({ file: this.#path, line, column, ...problem });
    };
    const number = this.#text(fields, 'registration_number');
    complain(
      'registration_number',
      number === ''
        ? { reason: 'is empty', nextStep: 'fill it in' }
        : idProblem(number, REGISTRATION_NUMBER_LENGTH_MAX),
    );
    const location = this.#location(fields, complain);
    const texts: { [field: string]: string | null } = {};
    for (const [column, field, at] of this.#textColumns) {
      const text = fields[at]!;
      texts[field] = text === '' ? null : text;
      if (text !== '') complain(column, (field === 'uuid' ? idProblem : proseProblem)(text, FIELD_LENGTH_MAX));
    }
    const birthDate = this.#text(fields, 'birth_date');
    if (birthDate !== '' && !isDate(birthDate))
      complain('birth_date', { reason: 'is not a date', nextStep: 'write year-month-day, e.g. 1980-12-31' });
    const age = this.#text(fields, 'registered_age');
    const registeredAge = age === '' ? null : parseWholeNumber(age);
    if (registeredAge !== null && !registeredAge.ok) complain('registered_age', registeredAge.error);
    else if (registeredAge !== null && registeredAge.value > AGE_YEARS_MAX)
      complain('registered_age', {
        reason: `is above ${AGE_YEARS_MAX} years`,
        nextStep: 'write years since registration',
      });
    const name = this.#text(fields, 'name');
    complain('name', proseProblem(name, FIELD_LENGTH_MAX));
    if (problems.length > before) return null;
    const person: VoterPerson = {
      ...EMPTY_PERSON,
      ...(name === '' ? {} : splitName(name)),
      ...texts,
      // The database keeps the key, so no two spellings of one number are on the roll.
      registration_number: comparisonKey(number),
      uuid: texts.uuid == null ? null : comparisonKey(texts.uuid),
      birth_date: birthDate === '' ? null : birthDate,
      registered_age: registeredAge?.ok ? registeredAge.value : null,
    };
    return { line, location: location!, person };
  }

  #location(fields: readonly string[], complain: (column: string, problem: ValueProblem) => void): string | null {
    const id = this.#text(fields, 'location_id');
    const column = id === '' ? 'location_name' : 'location_id';
    const text = id === '' ? this.#text(fields, 'location_name') : id;
    const check = id === '' ? textProblem : idProblem;
    const problem = text === '' ? { reason: 'is empty', nextStep: 'fill it in' } : check(text);
    if (problem !== null) {
      complain(this.#at.has(column) ? column : 'location_id', problem);
      return null;
    }
    if (this.#known === null) return idFromName(text);
    const known = this.#known(text);
    if (known != null) return known;
    const reason = known === null ? 'is the name of several locations' : 'is not a location of the election';
    complain(column, { reason, nextStep: 'write the id of a location of the election' });
    return null;
  }
}

/** Finds the id of a location; null where several locations have that name. */
type LocationLookup = (text: string) => string | null | undefined;

/** Finds locations by id and by unique name, both compared by their keys. */
function locationsByText({ locations }: Election): LocationLookup {
  const ids = new IdLookup(new Map(locations.map(({ id }, number) => [id, number])));
  const names = new Map<string, string | null>();
  for (const { id, name } of locations) {
    const key = comparisonKey(name);
    names.set(key, names.has(key) ? null : id);
  }
  return (text) => locations[ids.find(text)]?.id ?? names.get(comparisonKey(text));
}

/** The last word is the family name; so is a single word. */
function splitName(name: string): Pick<VoterPerson, 'first_name' | 'last_name'> {
  const space = name.lastIndexOf(' ');
  return { first_name: space === -1 ? null : name.slice(0, space).trim(), last_name: name.slice(space + 1) };
}

const EMPTY_PERSON: Omit<VoterPerson, 'registration_number'> = {
  uuid: null,
  first_name: null,
  last_name: null,
  birth_date: null,
  gender: null,
  nationality: null,
  street: null,
  city: null,
  state: null,
  country: null,
  postcode: null,
  email: null,
  phone: null,
  cell: null,
  picture: null,
  registered_age: null,
};
