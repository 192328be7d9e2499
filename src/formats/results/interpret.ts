import type { ReplayedVotes } from '../../domain/ballots/replay.ts';
import type { RowReadings } from '../../domain/election/origin.ts';
import { type ProblemList, quoteValue, refusal } from '../../files/problems.ts';
import { plainName } from './aggregates.ts';
import type { ContestDraft, LocationDraft, ResultsTable } from './results-table.ts';
import { kindOfRow, type RowKind } from './row-kinds.ts';
import { createSums, equalsItsSiblings, isSumOfOthers, type Sums } from './total-rows.ts';

/** The rows as what they are: votes for candidates, and the books beside them. */
export interface InterpretedRows {
  readonly contests: ReadonlyMap<string, ContestDraft>;
  readonly locations: ReadonlyMap<string, LocationDraft>;
  readonly cells: readonly ReplayedVotes[];
  /** By the number of the location in the table, where the file states them. */
  readonly ballots: ReadonlyMap<number, number>;
  readonly registered: ReadonlyMap<number, number>;
  readonly notices: readonly string[];
}

/** The most names in a sentence. */
const NAMES_SHOWN_MAX = 5;

/**
 * Sorts the rows of a table by what they are.
 * @throws InputRefused where a row may be a total or a candidate, and nobody said which
 */
export function interpretRows(path: string, table: ResultsTable, readings: RowReadings): InterpretedRows {
  const reader = new RowReader(path, table, readings);
  reader.assertReadingsUsed();
  reader.refuseTotals();
  return reader.rows();
}

class RowReader {
  readonly #path: string;
  readonly #table: ResultsTable;
  readonly #keep: ReadonlySet<string>;
  readonly #leaveOut: ReadonlySet<string>;
  readonly #readings: RowReadings;
  readonly #contestIds: readonly string[];
  readonly #locationIds: readonly string[];
  /** By contest, candidate and location number: not a contest, candidate or place. */
  readonly #outContests: (RowKind | 'out' | null)[];
  readonly #outCandidates: (RowKind | 'out' | null)[];
  readonly #outLocations: ('out' | null)[];

  constructor(path: string, table: ResultsTable, readings: RowReadings) {
    this.#path = path;
    this.#table = table;
    this.#readings = readings;
    this.#keep = new Set(readings.keep.map(plainName));
    this.#leaveOut = new Set(readings.leave_out.map(plainName));
    this.#contestIds = [...table.contests.keys()];
    this.#locationIds = [...table.locations.keys()];
    this.#outContests = this.#contestIds.map((id) => this.#outByName(id, ['registered', 'ballots']));
    const partied = new Set(table.candidates.flatMap(({ contest, party }) => (party === '' ? [] : [contest])));
    this.#outCandidates = table.candidates.map(({ contest, name, party }) => {
      if (this.#outContests[contest] !== null) return 'out';
      const kind = this.#outByName(name, ['total', 'undervotes', 'overvotes', 'blank', 'registered', 'ballots']);
      if (kind === 'out') return kind;
      // A person may be called Blank. In a contest without parties nothing tells the two apart.
      return party !== '' || (kind === 'blank' && !partied.has(contest) && plainName(name) === 'blank') ? null : kind;
    });
    this.#outLocations = this.#locationIds.map((id) => (this.#leaveOut.has(plainName(id)) ? 'out' : null));
  }

  #outByName(name: string, kinds: readonly RowKind[]): RowKind | 'out' | null {
    const plain = plainName(name);
    if (this.#leaveOut.has(plain)) return 'out';
    const kind = this.#keep.has(plain) ? null : kindOfRow(name);
    return kind !== null && kinds.includes(kind) ? kind : null;
  }

  /** A name that is given and not in the file is a slip of the pen. */
  assertReadingsUsed(): void {
    const names = new Set(
      [...this.#contestIds, ...this.#locationIds, ...this.#table.candidates.map(({ name }) => name)].map(plainName),
    );
    for (const location of this.#table.locations.values()) names.add(plainName(location.name));
    for (const [option, given] of [
      ['--keep-row', this.#readings.keep],
      ['--leave-out', this.#readings.leave_out],
    ] as const)
      for (const name of given)
        if (!names.has(plainName(name)))
          throw refusal(
            this.#path,
            null,
            null,
            `${option} ${quoteValue(name)} names no row of the file`,
            'write the name as it stands in the file',
          );
  }

  /** @throws InputRefused that names each row that looks like a sum of others */
  refuseTotals(): void {
    const sums = createSums(this.#table, (candidate) => this.#outCandidates[candidate] ?? null);
    this.#refuseTotalCandidates(sums);
    this.#refuseTotalLocations(sums);
    this.#table.problems.refuse();
  }

  #refuseTotalCandidates(sums: Sums): void {
    for (const [number, { name, contest }] of this.#table.candidates.entries()) {
      const kind = this.#outCandidates[number];
      if (this.#keep.has(plainName(name)) || (kind !== null && kind !== 'total')) continue;
      const isSum = equalsItsSiblings(sums, number);
      if (kind === 'total' || isSum)
        this.#ask('candidate', name, `contest ${quoteValue(this.#contestIds[contest]!)}`, isSum);
    }
  }

  #refuseTotalLocations(sums: Sums): void {
    for (const [number, id] of this.#locationIds.entries()) {
      const { name } = this.#table.locations.get(id)!;
      if (this.#outLocations[number] !== null || this.#keep.has(plainName(id))) continue;
      const isNamed = kindOfRow(id) === 'total' || kindOfRow(name) === 'total';
      const isSum = isSumOfOthers(sums, number);
      if (isNamed || isSum) this.#ask('location_id', id, 'the file', isSum);
    }
  }

  #ask(column: string, name: string, where: string, isSum: boolean): void {
    const problems: ProblemList = this.#table.problems;
    const why = isSum ? 'equals the sum of the others' : 'is called like a total';
    problems.add(
      null,
      column,
      `${quoteValue(name)} in ${where} ${why}, so its votes would be counted twice`,
      `say which it is: --leave-out ${quoteValue(name)} takes a total out, --keep-row ${quoteValue(name)} keeps what is counted apart`,
    );
  }

  rows(): InterpretedRows {
    const table = this.#table;
    const ballots = new Map<number, number>();
    const registered = new Map<number, number>();
    /** By slot (contest and location): what the rows beside the candidates add up to. */
    const beside = new Map<string, number>();
    const cells: ReplayedVotes[] = [];
    for (const cell of table.cells) {
      const { contest } = table.candidates[cell.candidate]!;
      if (this.#outLocations[cell.location] !== null) continue;
      const kind = this.#outCandidates[cell.candidate];
      if (kind === null) cells.push(cell);
      const book = this.#outContests[contest] ?? kind;
      if (book === 'registered') keepMost(registered, cell.location, cell.votes);
      if (book === 'ballots') keepMost(ballots, cell.location, cell.votes);
      if (book === 'undervotes' || book === 'overvotes' || book === 'blank') {
        const slot = `${contest} ${cell.location}`;
        beside.set(slot, (beside.get(slot) ?? 0) + cell.votes);
      }
    }
    this.#countBeside(beside, cells, ballots);
    if (cells.length === 0)
      throw refusal(this.#path, null, null, 'no row is of a candidate', 'check the names in column candidate');
    const contests = this.#contests(cells);
    return {
      ...contests,
      locations: new Map([...table.locations].filter(([, { number }]) => this.#outLocations[number] === null)),
      ballots,
      registered,
      notices: [...this.#notices(), ...contests.notices],
    };
  }

  /** A location has at least as many ballots as a contest has votes and books. */
  #countBeside(
    beside: ReadonlyMap<string, number>,
    cells: readonly ReplayedVotes[],
    ballots: Map<number, number>,
  ): void {
    if (beside.size === 0) return;
    const votes = new Map<string, number>();
    for (const { candidate, location, votes: count } of cells) {
      const slot = `${this.#table.candidates[candidate]!.contest} ${location}`;
      votes.set(slot, (votes.get(slot) ?? 0) + count);
    }
    for (const [slot, count] of beside) {
      const [contest, location] = slot.split(' ').map(Number) as [number, number];
      const vote_for = this.#table.contests.get(this.#contestIds[contest]!)!.rules.vote_for ?? 1;
      keepMost(ballots, location, Math.ceil(((votes.get(slot) ?? 0) + count) / vote_for));
    }
  }

  #notices(): string[] {
    const seen = new Map<string, Set<string>>();
    const note = (what: string, name: string): void => {
      seen.set(what, (seen.get(what) ?? new Set()).add(name));
    };
    for (const [number, kind] of this.#outContests.entries())
      if (kind !== null) note(MEANINGS[kind], this.#contestIds[number]!);
    for (const [number, kind] of this.#outCandidates.entries()) {
      const { name, contest } = this.#table.candidates[number]!;
      if (kind !== null && this.#outContests[contest] === null) note(MEANINGS[kind], name);
    }
    for (const [number, { name, party }] of this.#table.candidates.entries())
      if (this.#outCandidates[number] === null && party === '' && kindOfRow(name) === 'blank')
        note(`taken as the name of a candidate; --leave-out takes blank votes out`, name);
    for (const [number, out] of this.#outLocations.entries())
      if (out !== null) note(MEANINGS[out], this.#locationIds[number]!);
    return [...seen].map(
      ([what, names]) => `${this.#path}: ${nameSome([...names])} ${names.size === 1 ? 'is' : 'are'} ${what}.`,
    );
  }

  /** The contests that are left, each with the places where it has a row. */
  #contests(cells: readonly ReplayedVotes[]): {
    contests: Map<string, ContestDraft>;
    cells: readonly ReplayedVotes[];
    notices: string[];
  } {
    const contests = new Map<string, ContestDraft>();
    for (const [id, draft] of this.#table.contests) {
      if (this.#outContests[draft.number] !== null) continue;
      const candidates = [...draft.candidates].filter(([, number]) => this.#outCandidates[number] === null);
      if (candidates.length > 0) contests.set(id, { ...draft, candidates: new Map(candidates), locations: new Set() });
    }
    for (const { candidate, location } of cells)
      contests.get(this.#contestIds[this.#table.candidates[candidate]!.contest]!)!.locations.add(location);
    return { contests, cells, notices: [] };
  }
}

const MEANINGS: Readonly<Record<RowKind | 'out', string>> = {
  total: 'left out as a total',
  undervotes: 'taken as undervotes, not as a candidate',
  overvotes: 'taken as overvotes, not as a candidate',
  blank: 'taken as blank votes, not as a candidate',
  registered: 'taken as the registered voters of each place',
  ballots: 'taken as the ballots cast in each place',
  out: 'left out, as --leave-out says',
};

export const nameSome = (names: readonly string[]): string =>
  names.slice(0, NAMES_SHOWN_MAX).map(quoteValue).join(', ') +
  (names.length > NAMES_SHOWN_MAX ? ` and ${names.length - NAMES_SHOWN_MAX} more` : '');

function keepMost(counts: Map<number, number>, location: number, count: number): void {
  counts.set(location, Math.max(counts.get(location) ?? 0, count));
}
