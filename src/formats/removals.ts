import { REMOVAL_REASONS, type RemovalReason } from '../domain/election/voter.ts';
import { type CsvOptions, columnOf, openTable, unusedColumns } from '../files/csv.ts';
import { type InputProblem, type InputRefused, ProblemList, refusal } from '../files/problems.ts';

/**
 * Voters to remove from the roll, as CSV with a registration number and a reason code. It is
 * personal data, so no problem repeats a registration number.
 */

const REQUIRED = ['registration_number', 'reason'] as const;
const CSV_OPTIONS: CsvOptions = { required: REQUIRED, optional: [], personal: true };

export interface RemovalRow {
  readonly line: number;
  readonly registration_number: string;
  readonly reason: RemovalReason;
}

export interface RemovalsFile {
  readonly sha256: string;
  readonly rows: readonly RemovalRow[];
  readonly problems: readonly InputProblem[];
  readonly notices: readonly string[];
}

/**
 * Reads the whole file. Bad rows are reported by line and left out.
 * @param rowsMax the most rows of a file
 * @throws InputRefused where the file is not such a table, has no good row, or has too many rows
 */
export async function readRemovals(path: string, rowsMax: number): Promise<RemovalsFile> {
  await using file = await openTable(path, CSV_OPTIONS);
  const [numberAt, reasonAt] = REQUIRED.map((column) => columnOf(file, column)) as [number, number];
  const rows: RemovalRow[] = [];
  const problems: InputProblem[] = [];
  for await (const block of file.blocks) {
    problems.push(...block.problems);
    for (const { line, fields } of block.rows) {
      const registration_number = fields[numberAt]!;
      const reason = REMOVAL_REASONS.find((each) => each === fields[reasonAt]);
      if (registration_number === '')
        problems.push({ file: path, line, column: 'registration_number', reason: 'is empty', nextStep: 'fill it in' });
      else if (reason === undefined)
        problems.push({
          file: path,
          line,
          column: 'reason',
          reason: 'is not a reason code',
          nextStep: `write one of ${REMOVAL_REASONS.join(', ')}`,
        });
      else if (rows.length === rowsMax) throw tooMany(path, line, rowsMax);
      else rows.push({ line, registration_number, reason });
    }
  }
  if (rows.length === 0 && problems.length > 0) {
    const list = new ProblemList(path);
    list.addAll(problems);
    list.refuse();
  }
  if (rows.length === 0)
    throw refusal(path, null, null, 'there is no row below the header', 'check that the export was complete');
  const unused = unusedColumns(file, REQUIRED);
  return { sha256: file.identity().sha256, rows, problems, notices: unused === null ? [] : [unused] };
}

/** A late change is one transaction, so it has a limit. */
export const tooMany = (path: string, line: number, rowsMax: number): InputRefused =>
  refusal(path, line, null, `there are more than ${rowsMax} rows`, 'split it into several files');
