import { parse } from 'csv-parse/sync';
import { FileHash, type FileIdentity, type ReadOptions } from './input-bytes.ts';
import { type InputProblem, quoteValue, refusal } from './problems.ts';
import { LINE_BYTES_MAX, type LineBlock, readLines } from './text-files.ts';

/**
 * Tables as CSV, read in blocks. The code here splits records without a quote; csv-parse parses
 * records with quotes. So line numbers are exact, and one broken quote costs one row instead of the
 * rest of the file.
 */

export interface CsvFile {
  readonly path: string;
  readonly delimiter: string;
  /** The names in the header, trimmed. */
  readonly columns: readonly string[];
  /** The line of the first row. */
  readonly first_row_line: number;
}

export interface CsvRow {
  /** The line where the row begins, from 1. */
  readonly line: number;
  /** One per column, trimmed. */
  readonly fields: readonly string[];
}

export interface CsvBlock {
  /** The line to go on reading at. */
  readonly next_line: number;
  readonly rows: readonly CsvRow[];
  /**
   * Problems of lines that are not rows. They do not repeat values, so the problems of any file may
   * be shown.
   */
  readonly problems: readonly InputProblem[];
}

/**
 * The most columns of a table. A file with more is a table turned on its side, or is not a table.
 */
const COLUMNS_MAX = 2_000;

export interface CsvOptions {
  /** Columns that the file must have, in lower case. */
  readonly required: readonly string[];
  /** Columns that the file may have, in lower case. */
  readonly optional: readonly string[];
  /**
   * Whether rows are personal data. A header without any known column may then be a row, so no
   * message repeats it.
   */
  readonly personal: boolean;
}

/**
 * Reads the header: separator (comma, semicolon or tab) and columns.
 * @throws InputRefused when the file cannot be read, is not CSV, lacks a required column or has two
 * columns of one name
 */
export async function openCsv(path: string, options: CsvOptions, read: ReadOptions = {}): Promise<CsvFile> {
  const lines = readLines(path, 1, read);
  try {
    return (await readHead(path, lines, options)).file;
  } finally {
    await lines.return(undefined);
  }
}

/**
 * A table that is read once, since a pipe can be read only once. Disposing of it closes the file.
 */
export interface CsvTable extends CsvFile, AsyncDisposable {
  /** All rows. They can be read once. */
  readonly blocks: AsyncIterable<CsvBlock>;
  /** The identity of the file. Call it once, after reading all blocks. */
  identity(): FileIdentity;
}

/** Opens a table to be read whole. @throws InputRefused as {@link openCsv} does */
export async function openTable(path: string, options: CsvOptions): Promise<CsvTable> {
  const hash = new FileHash();
  const lines = readLines(path, 1, { hash });
  const close = async (): Promise<void> => void (await lines.return(undefined));
  try {
    const { file, rest } = await readHead(path, lines, options);
    return {
      ...file,
      blocks: blocksOf(file, file.first_row_line, continued(rest, lines)),
      identity: () => hash.identity(),
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Reads up to the header. @returns the header and the lines after it that were read in the same
 * block.
 */
async function readHead(
  path: string,
  blocks: AsyncGenerator<LineBlock>,
  options: CsvOptions,
): Promise<{ file: CsvFile; rest: LineBlock }> {
  let delimiter: string | null = null;
  for (let block = await blocks.next(); !block.done; block = await blocks.next()) {
    const { first_line, lines } = block.value;
    let at = lines.findIndex(isFilled);
    const told: string | null = delimiter === null ? delimiterTold(lines[at]) : null;
    if (told !== null) {
      delimiter = told;
      at = lines.findIndex((line, i) => i > at && isFilled(line));
    }
    if (at === -1) continue;
    const header = lines[at]!;
    const line = first_line + at;
    if (header === null)
      throw refusal(path, line, null, 'the first line is too long for a header', 'check that this is a CSV file');
    const file = readHeader(path, line, header, options, delimiter);
    return { file, rest: { first_line: file.first_row_line, lines: lines.slice(at + 1) } };
  }
  throw refusal(path, null, null, 'the file has blank lines only', 'export it again and check that it has content');
}

const isFilled = (line: string | null): boolean => line === null || line.trim() !== '';

/** The separator that a first line `sep=;` tells, as spreadsheets write it for themselves. */
const delimiterTold = (line: string | null | undefined): string | null =>
  /^"?sep=([,;\t|])"?\1*$/i.exec(line?.trimStart() ?? '')?.[1] ?? null;

async function* continued(first: LineBlock, others: AsyncIterable<LineBlock>): AsyncGenerator<LineBlock> {
  if (first.lines.length > 0) yield first;
  yield* others;
}

function readHeader(
  path: string,
  line: number,
  header: string,
  options: CsvOptions,
  delimiterGiven: string | null,
): CsvFile {
  if (header.includes('\r'))
    throw refusal(path, line, null, 'its lines end with a carriage return alone', 'save it with line ends LF or CRLF');
  if (/^\s*(\{\s*("|$)|\[\s*(\{|\[|"|$))/.test(header))
    throw refusal(
      path,
      line,
      null,
      'this is JSON, and a table as CSV is read here',
      'save the table as CSV with the columns that docs/inputs.md names',
    );
  const delimiter = delimiterGiven ?? findDelimiter(header);
  const fields = parseQuoted(header, delimiter)?.[0];
  if (fields === undefined)
    throw refusal(
      path,
      line,
      null,
      'a quote in the header is not closed',
      'quote names as "name", a quote inside as ""',
    );
  const columns = fields.map((field) => field.trim());
  if (columns.length > COLUMNS_MAX)
    throw refusal(path, line, null, `there are more than ${COLUMNS_MAX} columns`, 'check that this is the right file');
  checkColumns(path, line, columns, options);
  return { path, delimiter, columns, first_row_line: line + 1 };
}

function checkColumns(path: string, line: number, columns: readonly string[], options: CsvOptions): void {
  const names = columns.map((column) => column.toLowerCase());
  const { required, optional, personal } = options;
  const missing = required.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    const isHeader = !personal || names.some((name) => required.includes(name) || optional.includes(name));
    const found = isHeader
      ? `found ${columns.slice(0, 20).map(quoteValue).join(', ')}`
      : 'the first line has none of the known columns and may be a row';
    throw refusal(
      path,
      line,
      missing[0]!,
      `${missing.length === 1 ? 'the column is' : `the columns ${missing.join(', ')} are`} missing; ${found}`,
      'name the columns in the first line as docs/inputs.md does',
    );
  }
  for (const [i, column] of columns.entries()) {
    if (column === '')
      throw refusal(path, line, null, `column ${i + 1} has no name`, 'name it, or remove the separator at the end');
    const known = required.includes(names[i]!) || optional.includes(names[i]!);
    const first = known ? names.indexOf(names[i]!) : columns.indexOf(column);
    if (first !== i)
      throw refusal(path, line, column, `columns ${first + 1} and ${i + 1} have the same name`, 'remove or rename one');
  }
}

/** The position of a column, in any case of letters; -1 where it is missing. */
export const columnOf = (file: CsvFile, name: string): number =>
  file.columns.findIndex((column) => column.toLowerCase() === name);

/** A notice that names the columns which are not read, or null. */
export function unusedColumns(file: CsvFile, used: readonly string[]): string | null {
  const unused = file.columns.filter((column) => !used.includes(column.toLowerCase()));
  if (unused.length === 0) return null;
  return `${file.path}: columns not used: ${unused.slice(0, 20).map(quoteValue).join(', ')}`;
}

/** The separator that occurs most outside quotes; a comma where none does. */
function findDelimiter(header: string): string {
  const bare = header.replace(/"[^"]*"/g, '');
  let best = ',';
  for (const delimiter of [';', '\t']) if (bare.split(delimiter).length > bare.split(best).length) best = delimiter;
  return best;
}

/** Records without inner errors, or null where csv-parse finds one. */
function parseQuoted(text: string, delimiter: string): string[][] | null {
  try {
    return parse(text, { delimiter, record_delimiter: '\n', relax_column_count: true, skip_empty_lines: false });
  } catch {
    return null;
  }
}

/**
 * The rows of a table from line `fromLine` on, which must be the first line or an earlier
 * `next_line`. Blank rows are left out.
 * @throws InputRefused when the file cannot be read or is not UTF-8
 */
export function readRows(
  file: CsvFile,
  fromLine = file.first_row_line,
  read: ReadOptions = {},
): AsyncGenerator<CsvBlock> {
  const line = Math.max(fromLine, file.first_row_line);
  return blocksOf(file, line, readLines(file.path, line, read));
}

async function* blocksOf(file: CsvFile, firstLine: number, blocks: AsyncIterable<LineBlock>): AsyncGenerator<CsvBlock> {
  let rest: (string | null)[] = [];
  let restLine = firstLine;
  for await (const { lines } of blocks) {
    const block = new RecordReader(file, restLine, rest.length === 0 ? lines : [...rest, ...lines]);
    block.readAll(false);
    rest = block.rest();
    if (block.nextLine === restLine) continue;
    restLine = block.nextLine;
    yield block.finish();
  }
  if (rest.length === 0) return;
  const block = new RecordReader(file, restLine, rest);
  block.readAll(true);
  yield block.finish();
}

/**
 * Takes the records out of some lines. The beginning of a record that may go on in later lines
 * stays as the rest.
 */
class RecordReader {
  readonly #file: CsvFile;
  readonly #firstLine: number;
  readonly #lines: readonly (string | null)[];
  readonly #rows: CsvRow[] = [];
  readonly #problems: InputProblem[] = [];
  /** Lines with quotes that are whole records. One call of csv-parse parses them all. */
  #quoted: number[] = [];
  #at = 0;

  constructor(file: CsvFile, firstLine: number, lines: readonly (string | null)[]) {
    this.#file = file;
    this.#firstLine = firstLine;
    this.#lines = lines;
  }

  get nextLine(): number {
    return this.#firstLine + this.#at;
  }

  rest(): (string | null)[] {
    return this.#lines.slice(this.#at);
  }

  finish(): CsvBlock {
    return { next_line: this.nextLine, rows: this.#rows, problems: this.#problems };
  }

  /** @param isEnd whether the file ends with these lines */
  readAll(isEnd: boolean): void {
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at]!;
      if (line !== null && !line.includes('"')) {
        this.#takeQuoted();
        if (line !== '') this.#takeRow(this.#at, line.split(this.#file.delimiter));
      } else if (line === null) {
        this.#takeQuoted();
        this.#problem(
          this.#at,
          `the line is longer than ${LINE_BYTES_MAX} bytes`,
          'check the quotes and line ends there',
        );
      } else if (quotesBalance(line)) this.#quoted.push(this.#at);
      else {
        this.#takeQuoted();
        if (!this.#takeLong(isEnd)) return;
      }
    }
    this.#takeQuoted();
  }

  /**
   * @returns false where the end of the record is not in these lines. A broken record costs its
   * first line only.
   */
  #takeLong(isEnd: boolean): boolean {
    let length = 0;
    for (let end = this.#at; end < this.#lines.length; end++) {
      const line = this.#lines[end]!;
      length += line === null ? LINE_BYTES_MAX : line.length;
      if (length > LINE_BYTES_MAX) return this.#badQuote(this.#at);
      if (end === this.#at || quotesBalance(line!)) continue;
      const records = parseQuoted(this.#lines.slice(this.#at, end + 1).join('\n'), this.#file.delimiter);
      if (records?.length !== 1 || records[0]!.length !== this.#file.columns.length) return this.#badQuote(this.#at);
      this.#takeRow(this.#at, records[0]!);
      this.#at = end;
      return true;
    }
    return isEnd && this.#badQuote(this.#at);
  }

  #takeQuoted(): void {
    if (this.#quoted.length === 0) return;
    const { delimiter } = this.#file;
    const text = this.#quoted.map((at) => this.#lines[at]!).join('\n');
    const records = parseQuoted(text, delimiter);
    for (const [i, at] of this.#quoted.entries()) {
      const fields = records === null ? parseQuoted(this.#lines[at]!, delimiter)?.[0] : records[i];
      if (fields === undefined) this.#badQuote(at);
      else this.#takeRow(at, fields);
    }
    this.#quoted = [];
  }

  #takeRow(at: number, fields: string[]): void {
    const expected = this.#file.columns.length;
    for (let i = 0; i < fields.length; i++) fields[i] = fields[i]!.trim();
    if (fields.length === expected && fields.some((field) => field !== ''))
      this.#rows.push({ line: this.#firstLine + at, fields });
    else if (fields.every((field) => field === '')) return;
    else if (fields.length < expected)
      this.#problem(
        at,
        `the row has ${fields.length} fields, the header ${expected}`,
        'add the missing fields, empty ones too',
      );
    else
      this.#problem(
        at,
        `the row has ${fields.length} fields, the header ${expected}`,
        `put a value that contains "${this.#file.delimiter}" in quotes, and write numbers without separators`,
      );
  }

  #badQuote(at: number): true {
    this.#problem(
      at,
      'a quote is out of place or not closed',
      'put the whole value in quotes and write "" for a quote inside',
    );
    return true;
  }

  #problem(at: number, reason: string, nextStep: string): void {
    this.#problems.push({
      file: this.#file.path,
      line: this.#firstLine + at,
      column: null,
      reason,
      nextStep: nextStep,
    });
  }
}

/**
 * Whether a line holds an even number of quotes, so a record that begins in the line also ends in
 * it.
 */
function quotesBalance(line: string): boolean {
  let isEven = true;
  for (let at = line.indexOf('"'); at !== -1; at = line.indexOf('"', at + 1)) isEven = !isEven;
  return isEven;
}
