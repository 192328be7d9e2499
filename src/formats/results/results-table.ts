import type { ReplayedVotes } from '../../domain/ballots/replay.ts';
import { comparisonKey } from '../../domain/election/comparison-key.ts';
import { LOCATION_CONTEST_PAIRS_MAX } from '../../domain/election/election-index.ts';
import { PERMUTATION_SIZE_MAX } from '../../domain/numbers/permutation.ts';
import { unguarded } from '../../domain/results/results-csv.ts';
import { type CsvFile, columnOf } from '../../files/csv.ts';
import { ProblemList, quoteValue, refusal } from '../../files/problems.ts';
import { parseWholeNumber, textProblem } from '../../files/values.ts';

/** More than the precincts of a large country; an election holds its locations in memory. */
export const LOCATIONS_MAX = 250_000;
/** Room for every local contest of a large country. */
export const CONTESTS_MAX = 10_000;
/** Ten for each contest at its limit. */
export const CANDIDATES_MAX = 100_000;
/** A row is kept in memory until the file is checked: some hundred bytes each. */
export const RESULT_ROWS_MAX = 5_000_000;
/** The most votes of a file, and voters of an electorate. A roll of both can still be permuted. */
export const VOTES_TOTAL_MAX = PERMUTATION_SIZE_MAX / 2;

export const RESULTS_REQUIRED = ['contest', 'location_id', 'candidate', 'votes'] as const;
export const RESULTS_OPTIONAL = [
  'contest_name',
  'vote_for',
  'seats',
  'location_name',
  'parent_id',
  'parent_name',
  'candidate_id',
  'party',
] as const;
type Column = (typeof RESULTS_REQUIRED)[number] | (typeof RESULTS_OPTIONAL)[number];
export const RESULTS_COLUMNS: readonly Column[] = [...RESULTS_REQUIRED, ...RESULTS_OPTIONAL];
export interface ContestDraft {
  readonly number: number;
  /** Candidate numbers by name and party, in order of appearance. */
  readonly candidates: Map<string, number>;
  readonly locations: Set<number>;
  readonly rules: ContestRules;
}

/** The words and rules that the rows of a contest give it; null where they give none. */
interface ContestRules {
  readonly line: number;
  readonly name: string | null;
  readonly vote_for: number | null;
  readonly seats: number | null;
}

export interface CandidateDraft {
  readonly contest: number;
  readonly name: string;
  readonly party: string;
  /** Empty where the file gives none. */
  readonly id: string;
  readonly line: number;
}

export interface LocationDraft {
  readonly number: number;
  readonly line: number;
  readonly name: string;
  readonly parent_id: string;
}

/** The rows. Each is checked by itself and against the others. */
export class ResultsTable {
  readonly problems: ProblemList;
  readonly contests = new Map<string, ContestDraft>();
  readonly candidates: CandidateDraft[] = [];
  readonly locations = new Map<string, LocationDraft>();
  readonly parents = new Map<string, { readonly name: string; readonly line: number }>();
  readonly cells: ReplayedVotes[] = [];
  readonly #path: string;
  readonly #positions: Readonly<Record<Column, number>>;
  readonly #lineOfCell = new Map<number, number>();
  /** The first line of each id, by what it is and how it is compared. */
  readonly #lineOfKey = new Map<string, number>();
  #total = 0;

  constructor(file: CsvFile) {
    this.#path = file.path;
    this.problems = new ProblemList(file.path);
    this.#positions = Object.fromEntries(RESULTS_COLUMNS.map((name) => [name, columnOf(file, name)])) as Record<
      Column,
      number
    >;
  }

  take(line: number, fields: readonly string[]): void {
    if (this.cells.length >= RESULT_ROWS_MAX) throw this.#tooMany(line, RESULT_ROWS_MAX, 'rows');
    const text = (column: Column): string => unguarded(fields[this.#positions[column]] ?? '');
    const votes = parseWholeNumber(text('votes'));
    if (!votes.ok) {
      const { reason, nextStep } = votes.error;
      this.problems.add(
        line,
        'votes',
        text('votes') === '' ? reason : `${quoteValue(text('votes'))} ${reason}`,
        nextStep,
      );
    }
    const parent = this.#parent(line, text('parent_id'), text('parent_name'));
    const location = this.#location(line, text('location_id'), text('location_name'), parent);
    const contest = this.#contest(line, text('contest'), text);
    if (location === null || contest === null) return;
    const candidate = this.#candidate(line, contest, text('candidate'), text('party'), text('candidate_id'));
    if (candidate === null || !votes.ok) return;
    const cell = candidate * LOCATIONS_MAX + location;
    const before = this.#lineOfCell.get(cell);
    if (before !== undefined) {
      const what = `${quoteValue(text('candidate'))} in location ${quoteValue(text('location_id'))}`;
      this.problems.add(
        line,
        null,
        `${what} is on line ${before} already`,
        'if they are two people, tell them apart by a column candidate_id; if it is one row twice, remove one',
      );
      return;
    }
    this.#lineOfCell.set(cell, line);
    this.#total += votes.value;
    if (this.#total > VOTES_TOTAL_MAX)
      throw refusal(
        this.#path,
        line,
        'votes',
        `the votes up to here sum to more than ${VOTES_TOTAL_MAX}`,
        'check the numbers',
      );
    contest.locations.add(location);
    this.cells.push({ location, candidate, votes: votes.value });
  }

  /** @throws InputRefused when any row was wrong, or there was none. */
  check(): void {
    this.problems.refuse();
    if (this.cells.length === 0)
      throw refusal(this.#path, null, null, 'there is no row below the header', 'check that the export was complete');
    if (this.contests.size * this.locations.size > LOCATION_CONTEST_PAIRS_MAX)
      throw refusal(
        this.#path,
        null,
        null,
        `${this.contests.size} contests in ${this.locations.size} locations are more than ${LOCATION_CONTEST_PAIRS_MAX} pairs`,
        'split the file by contest or by region',
      );
  }

  #tooMany(line: number, most: number, what: string): Error {
    return refusal(
      this.#path,
      line,
      null,
      `there are more than ${most} ${what}`,
      'split the file by contest or by region',
    );
  }

  #isText(line: number, column: Column, text: string, mayBeEmpty = false): boolean {
    const problem = text === '' && !mayBeEmpty ? { reason: 'is empty', nextStep: 'fill it in' } : textProblem(text);
    if (problem !== null) this.problems.add(line, column, problem.reason, problem.nextStep);
    return problem === null;
  }

  #contest(line: number, id: string, text: (column: Column) => string): ContestDraft | null {
    const known = this.contests.get(id);
    if (known !== undefined) {
      this.#compareRules(line, id, known.rules, text);
      return known;
    }
    if (!this.#isText(line, 'contest', id) || !this.#isOwnSpelling(line, 'contest', id, '')) return null;
    if (!this.#isText(line, 'contest_name', text('contest_name'), true)) return null;
    if (this.contests.size === CONTESTS_MAX) throw this.#tooMany(line, CONTESTS_MAX, 'contests');
    const contest: ContestDraft = {
      number: this.contests.size,
      candidates: new Map(),
      locations: new Set(),
      rules: {
        line,
        name: text('contest_name') || null,
        vote_for: this.#rule(line, 'vote_for', text('vote_for')),
        seats: this.#rule(line, 'seats', text('seats')),
      },
    };
    this.contests.set(id, contest);
    return contest;
  }

  /** Whether no other text of the column looks like this one: two would split their votes. */
  #isOwnSpelling(line: number, column: Column, text: string, scope: string): boolean {
    const key = `${column} ${scope}\t${comparisonKey(text)}`;
    const first = this.#lineOfKey.get(key);
    if (first === undefined) this.#lineOfKey.set(key, line);
    else
      this.problems.add(
        line,
        column,
        `${quoteValue(text)} looks like the one on line ${first} and is spelled with other characters`,
        'write both alike',
      );
    return first === undefined;
  }

  /** A rule of a contest: a whole number from 1; null where the row gives none, or a wrong one. */
  #rule(line: number, column: 'vote_for' | 'seats', text: string): number | null {
    if (text === '') return null;
    const value = parseWholeNumber(text);
    if (value.ok && value.value > 0) return value.value;
    const { reason, nextStep } = value.ok ? { reason: 'is 0', nextStep: 'write a number from 1' } : value.error;
    this.problems.add(line, column, `${quoteValue(text)} ${reason}`, nextStep);
    return null;
  }

  /** The rows of a contest must agree on what it is. */
  #compareRules(line: number, id: string, rules: ContestRules, text: (column: Column) => string): void {
    for (const [column, known] of [
      ['contest_name', rules.name],
      ['vote_for', rules.vote_for],
      ['seats', rules.seats],
    ] as const) {
      const here = text(column);
      if (here === (known === null ? '' : `${known}`)) continue;
      this.problems.add(
        line,
        column,
        `contest ${quoteValue(id)} has ${quoteValue(here)} here and ${quoteValue(`${known ?? ''}`)} on line ${rules.line}`,
        'make its rows agree',
      );
    }
  }

  #candidate(line: number, contest: ContestDraft, name: string, party: string, id: string): number | null {
    const key = JSON.stringify([name, party, id]);
    const known = contest.candidates.get(key);
    if (known !== undefined) return known;
    if (!this.#isText(line, 'candidate', name) || !this.#isText(line, 'party', party, true)) return null;
    if (!this.#isText(line, 'candidate_id', id, true)) return null;
    const scope = `${contest.number} ${id} ${comparisonKey(party)}`;
    if (!this.#isOwnSpelling(line, 'candidate', name, scope)) return null;
    if (this.candidates.length === CANDIDATES_MAX) throw this.#tooMany(line, CANDIDATES_MAX, 'candidates');
    const number = this.candidates.push({ contest: contest.number, name, party, id, line }) - 1;
    contest.candidates.set(key, number);
    return number;
  }

  #parent(line: number, id: string, name: string): string {
    const known = this.parents.get(id);
    if (id === '' || (known !== undefined && (known.name === name || name === ''))) return id;
    if (known === undefined) {
      if (this.#isText(line, 'parent_id', id) && this.#isText(line, 'parent_name', name, true))
        this.parents.set(id, { name, line });
    } else
      this.problems.add(
        line,
        'parent_name',
        `${quoteValue(id)} is ${quoteValue(name)} here and ${quoteValue(known.name)} on line ${known.line}`,
        'use one name for one parent_id',
      );
    return id;
  }

  #location(line: number, id: string, name: string, parent_id: string): number | null {
    const known = this.locations.get(id);
    if (known === undefined) {
      if (!this.#isText(line, 'location_id', id) || !this.#isText(line, 'location_name', name, true)) return null;
      if (!this.#isOwnSpelling(line, 'location_id', id, '')) return null;
      if (this.locations.size === LOCATIONS_MAX) throw this.#tooMany(line, LOCATIONS_MAX, 'locations');
      const number = this.locations.size;
      this.locations.set(id, { number, line, name, parent_id });
      return number;
    }
    for (const [column, here, there] of [
      ['location_name', name, known.name],
      ['parent_id', parent_id, known.parent_id],
    ] as const)
      if (here !== there) {
        const difference = `${quoteValue(here)} here and ${quoteValue(there)} on line ${known.line}`;
        this.problems.add(line, column, `location ${quoteValue(id)} has ${difference}`, 'make its rows agree');
      }
    return known.number;
  }
}
