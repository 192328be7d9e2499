import { columnOf, openTable, unusedColumns } from '../../files/csv.ts';
import { ProblemList, quoteValue, refusal } from '../../files/problems.ts';
import { parseWholeNumber } from '../../files/values.ts';
import { type LocationDraft, VOTES_TOTAL_MAX } from './results-table.ts';

const COLUMNS = ['location_id', 'registered_voters'] as const;
const OPTIONAL = ['ballots_cast'] as const;

/** The registered voters of the locations of a result. */
export interface Electorate {
  /** Registered voters by location number. */
  readonly registered: ReadonlyMap<number, number>;
  /** The ballots cast by location number, where the file states them. */
  readonly ballots: ReadonlyMap<number, number>;
  readonly sha256: string;
  readonly notices: readonly string[];
}

/** @throws InputRefused with every problem by line */
export async function readElectorate(path: string, locations: ReadonlyMap<string, LocationDraft>): Promise<Electorate> {
  await using file = await openTable(path, { required: COLUMNS, optional: OPTIONAL, personal: false });
  const [idAt, votersAt, ballotsAt] = [...COLUMNS, ...OPTIONAL].map((name) => columnOf(file, name));
  const rows = new ElectorateRows(path, locations);
  for await (const block of file.blocks) {
    rows.problems.addAll(block.problems);
    for (const { line, fields } of block.rows)
      rows.take(line, fields[idAt!]!, fields[votersAt!]!, fields[ballotsAt!] ?? '');
  }
  rows.problems.refuse();
  const unused = unusedColumns(file, [...COLUMNS, ...OPTIONAL]);
  const missing = [...locations].filter(([, { number }]) => !rows.registered.has(number)).map(([id]) => quoteValue(id));
  const notices = unused === null ? [] : [unused];
  if (missing.length > 0)
    notices.push(
      `${path}: ${missing.length} of ${locations.size} locations have no row, so their registered voters are unknown: ` +
        `${missing.slice(0, 10).join(', ')}${missing.length > 10 ? '...' : ''}`,
    );
  return { registered: rows.registered, ballots: rows.ballots, sha256: file.identity().sha256, notices };
}

/** The rows. Each is checked by itself and against the others. */
class ElectorateRows {
  readonly problems: ProblemList;
  readonly registered = new Map<number, number>();
  readonly ballots = new Map<number, number>();
  readonly #path: string;
  readonly #locations: ReadonlyMap<string, LocationDraft>;
  readonly #lines = new Map<string, number>();
  #total = 0;

  constructor(path: string, locations: ReadonlyMap<string, LocationDraft>) {
    this.problems = new ProblemList(path);
    this.#path = path;
    this.#locations = locations;
  }

  take(line: number, id: string, text: string, cast: string): void {
    const location = this.#locations.get(id);
    const before = this.#lines.get(id);
    const voters = parseWholeNumber(text);
    if (location === undefined)
      this.problems.add(
        line,
        'location_id',
        `${quoteValue(id)} is not a location of the results`,
        'correct the id or remove the row',
      );
    else if (before !== undefined)
      this.problems.add(
        line,
        'location_id',
        `${quoteValue(id)} is on line ${before} already`,
        'keep one of the two rows',
      );
    if (!voters.ok) {
      const { reason, nextStep } = voters.error;
      this.problems.add(line, 'registered_voters', text === '' ? reason : `${quoteValue(text)} ${reason}`, nextStep);
    }
    if (location === undefined || before !== undefined || !voters.ok) return;
    this.#lines.set(id, line);
    this.#total += voters.value;
    if (this.#total > VOTES_TOTAL_MAX)
      throw refusal(
        this.#path,
        line,
        'registered_voters',
        `they sum to more than ${VOTES_TOTAL_MAX} up to here`,
        'check the numbers',
      );
    this.registered.set(location.number, voters.value);
    if (cast === '') return;
    const ballots = parseWholeNumber(cast);
    if (ballots.ok) this.ballots.set(location.number, ballots.value);
    else this.problems.add(line, 'ballots_cast', `${quoteValue(cast)} ${ballots.error.reason}`, ballots.error.nextStep);
  }
}
