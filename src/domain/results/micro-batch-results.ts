import { createTally, deriveUndervotes, type Tally } from '../counting/tally.ts';
import { isCount, sumOf } from '../counts.ts';
import { candidateNumber, cellAt, slotAt } from '../election/election-index.ts';
import { type MicroBatchStamp, parseMicroBatchKey, REMOVED, type TotalsRecord } from '../log/records.ts';
import {
  describeOtherDefinition,
  describeUnbalanced,
  type PublishedRecord,
  type PublishedResults,
  type PublishedShape,
  type PublishedState,
  parseObject,
  type TakenRecord,
  UNKNOWN_KIND,
  UNKNOWN_PLACE,
  UNREADABLE,
} from './published-results.ts';

/**
 * A whole state is overdue after this many micro-batches without one. One such batch is already
 * wrong where every row is read. A reader that compaction overtakes may miss rows for a moment, and
 * it has them again with the next batches.
 */
const INCOMPLETE_BATCHES_MAX = 3;
/** The same limit for one micro-batch that begins again and again, as rows for each key. */
const ROWS_PER_KEY_MAX = 3;

/** The counts that rows carry; each kind has a sum in `totals`. */
type Column = 'ballots' | 'marks' | 'overvotes' | 'progress';

/** One row other than `totals`: its count, its place, and what else it says of a partition. */
interface CountRow {
  readonly column: Column;
  readonly at: number;
  /** The number of the location; -1 for a partition. */
  readonly location: number;
  readonly count: number;
  readonly progress: { readonly seq_end: number; readonly is_dense: boolean } | null;
}

type Row = { readonly totals: TotalsRecord } | { readonly until: readonly number[] } | CountRow;

/**
 * The published results of the Spark engine. The rows of a micro-batch come in any order, and no
 * record marks its end, but it is whole in the log before the next begins. The rows read so far are
 * a state of the count exactly when
 *
 *   sum of ballots = sum of votes in progress = totals.ballots,
 *   sum of cells = totals.marks, sum of overvotes = totals.overvotes,
 *   and the row read last is of no later micro-batch than `totals`.
 *
 * Why that is exact: let N be the state of `totals`. Every count only grows, and no row of a
 * micro-batch after N was read, so no key holds more than it does in N. Where the sums of such
 * counts are equal, each count is equal: nothing is missing. It stays exact where the topic was
 * compacted, and where a reader skips rows that it knows to be replaced: a key whose row is gone
 * holds an older count or none, so never more.
 *
 * Each row costs the same however many keys there are. Memory: a tally, and three numbers a
 * partition.
 */
export class MicroBatchResults implements PublishedResults {
  readonly tally: Tally;
  readonly changed = new Set<number>();
  readonly #shape: PublishedShape;
  readonly #columns: Readonly<Record<Column, Float64Array>>;
  readonly #sums: Record<Column, number> = { ballots: 0, marks: 0, overvotes: 0, progress: 0 };
  readonly #seqEnds: number[];
  /** The votes of each partition that a recount must cover before it is a state. */
  readonly #until: number[];
  readonly #isDense: boolean[];
  readonly #rowsMax: number;
  #epoch = 0;
  #totals: TotalsRecord | null = null;
  /** `as_of` of the row taken last, and its offset. */
  #asOf = '';
  #offset = -1;
  /** Whether anything that a judgement depends on was taken since the last one. */
  #isNews = false;
  /** Micro-batches that began, and rows that came, since the state was last whole. */
  #begun = 0;
  #rows = 0;
  #isWatched = false;

  constructor(shape: PublishedShape) {
    const { index, partitions } = shape;
    this.#shape = shape;
    this.tally = createTally(index);
    const { ballots, votes, overvoted } = this.tally;
    this.#columns = { ballots, marks: votes, overvotes: overvoted, progress: new Float64Array(partitions) };
    this.#seqEnds = new Array<number>(partitions).fill(0);
    this.#until = new Array<number>(partitions).fill(0);
    this.#isDense = new Array<boolean>(partitions).fill(true);
    const keys = Object.values(this.#columns).reduce((sum, column) => sum + column.length, 1);
    this.#rowsMax = keys * ROWS_PER_KEY_MAX;
  }

  *take(records: readonly PublishedRecord[]): Generator<TakenRecord> {
    for (const { key, offset, value } of newestRows(records, this.#epoch)) {
      const outcome = this.#take(key, value);
      const damage = outcome === 'taken' || outcome === 'ignored' ? null : outcome.damage;
      this.#isNews ||= damage !== null;
      if (outcome === 'taken' && value !== REMOVED) this.#offset = offset;
      yield { key, offset, value, damage, isIgnored: outcome === 'ignored' };
    }
  }

  /** The newest generation of the rows taken. */
  get epoch(): number {
    return this.#epoch;
  }

  /** The totals taken last, or null. */
  get totals(): TotalsRecord | null {
    return this.#totals;
  }

  get isDue(): boolean {
    return this.#isNews && this.#isWhole;
  }

  judge(): PublishedState {
    this.#isNews = false;
    const { index } = this.#shape;
    const negative = deriveUndervotes(index, this.tally, this.changed);
    const held = this.#whyIncomplete() ?? this.#reasonToHold() ?? describeUnbalanced(index, negative);
    return {
      epoch: this.#epoch,
      offset: this.#offset,
      covers: [...this.#seqEnds],
      as_of: this.#totals?.as_of ?? '',
      foreign_records: this.#totals?.malformed ?? 0,
      held,
    };
  }

  watch(): void {
    this.#isWatched = true;
    this.#begun = 0;
    this.#rows = 0;
  }

  /**
   * A micro-batch may end behind what was read so far, so only a recount that is under way is known
   * to be incomplete.
   */
  get incomplete(): string | null {
    return this.#isBehind ? this.#whyIncomplete() : null;
  }

  /** Why the rows taken so far are not a whole state; null where they are. */
  get missing(): string | null {
    return this.#whyIncomplete();
  }

  get overdue(): string | null {
    // The micro-batch that began last has not ended.
    const isOverdue = this.#isBehind || this.#begun - 1 >= INCOMPLETE_BATCHES_MAX || this.#rows > this.#rowsMax;
    return this.#isWatched && isOverdue ? this.#whyIncomplete() : null;
  }

  #take(key: string, value: string): 'taken' | 'ignored' | { readonly damage: string } {
    if (value === REMOVED) return 'taken';
    const record = parseObject(value);
    if (record === null || !isStamped(record)) return { damage: UNREADABLE };
    if (record.epoch < this.#epoch) return 'ignored';
    const row = rowOf(this.#shape, key, record);
    if (typeof row === 'string') return { damage: row };
    if (record.epoch > this.#epoch) this.#startAnew(record.epoch);
    if ('until' in row) {
      for (const [partition, seq] of row.until.entries()) this.#until[partition] = seq;
      return 'taken';
    }
    if (this.#isLate(row, record.as_of)) return 'ignored';
    if (record.as_of !== this.#asOf) this.#begun++;
    this.#asOf = record.as_of;
    this.#rows++;
    if ('totals' in row) {
      this.#isNews ||= this.#totals === null || !isSameTotals(this.#totals, row.totals);
      this.#totals = row.totals;
    } else if (!this.#put(row)) return { damage: 'makes a sum too large' };
    if (this.#isWhole) {
      this.#begun = 0;
      this.#rows = 0;
    }
    return 'taken';
  }

  /**
   * A worker that hung may write rows of its micro-batch long after all others. Such a row is older
   * than `totals`, and its count is not above the known one. Either alone proves nothing: a clock
   * may be set back, and a count may begin anew.
   */
  #isLate(row: Exclude<Row, { readonly until: unknown }>, asOf: string): boolean {
    if (this.#totals === null || asOf >= this.#totals.as_of) return false;
    if (!('totals' in row)) return row.count <= this.#columns[row.column][row.at]!;
    const known = this.#totals;
    return GROWING_TOTALS.every((name) => row.totals[name] <= known[name]);
  }

  /** @returns false, with nothing changed, where the sum would no longer be exact. */
  #put({ column, at, location, count, progress }: CountRow): boolean {
    const counts = this.#columns[column];
    const added = count - counts[at]!;
    const sum = this.#sums[column] + added;
    if (!Number.isSafeInteger(sum)) return false;
    if (added !== 0) {
      counts[at] = count;
      this.#sums[column] = sum;
      if (location !== -1) this.changed.add(location);
      this.#isNews = true;
    }
    if (progress !== null) {
      this.#isNews ||= this.#isDense[at] !== progress.is_dense || this.#seqEnds[at] !== progress.seq_end;
      this.#seqEnds[at] = progress.seq_end;
      this.#isDense[at] = progress.is_dense && progress.seq_end === count;
    }
    return true;
  }

  /**
   * Another generation counts from the first vote again. The state on show stays until that count
   * is whole.
   */
  #startAnew(epoch: number): void {
    this.#epoch = epoch;
    this.#totals = null;
    for (const column of Object.values(this.#columns)) column.fill(0);
    this.#seqEnds.fill(0);
    this.#until.fill(0);
    this.#isDense.fill(true);
    Object.assign(this.#sums, { ballots: 0, marks: 0, overvotes: 0, progress: 0 });
    for (const location of this.tally.ballots.keys()) this.changed.add(location);
  }

  /** Whether a recount has yet to reach the votes that the log held when it was ordered. */
  get #isBehind(): boolean {
    // Boxes of another definition are left out, so the recount never reaches them.
    if (this.#totals !== null && this.#totals.other_definition > 0) return false;
    return this.#until.some((seq, partition) => this.#seqEnds[partition]! < seq);
  }

  get #isWhole(): boolean {
    const totals = this.#totals;
    const sums = this.#sums;
    return (
      totals !== null &&
      this.#asOf <= totals.as_of &&
      sums.ballots === totals.ballots &&
      sums.progress === totals.ballots &&
      sums.marks === totals.marks &&
      sums.overvotes === totals.overvotes &&
      !this.#isBehind
    );
  }

  #whyIncomplete(): string | null {
    if (this.#isWhole) return null;
    if (this.#isBehind) return `A recount is under way. It is shown once it has counted ${sumOf(this.#until)} votes.`;
    const totals = this.#totals;
    if (totals === null) return 'The last result batch is incomplete: it has no totals.';
    const sums = this.#sums;
    for (const [what, sum, total] of [
      ['the ballots of its locations', sums.ballots, totals.ballots],
      ['the votes of its partitions', sums.progress, totals.ballots],
      ['the votes of its candidates', sums.marks, totals.marks],
      ['its overvoted ballots', sums.overvotes, totals.overvotes],
    ] as const)
      if (sum !== total)
        return `The last result batch is incomplete: ${what} add up to ${sum}, and its totals say ${total}.`;
    return `The last result batch is incomplete: it is of ${this.#asOf}, and its totals are of ${totals.as_of}.`;
  }

  #reasonToHold(): string | null {
    const totals = this.#totals!;
    const { definition } = this.#shape;
    if (totals.definition !== definition) return describeOtherDefinition(totals.definition, definition);
    if (totals.other_definition > 0)
      return `${totals.other_definition} boxes in topic votes were cast under another definition and are not counted.`;
    const partition = this.#isDense.indexOf(false);
    if (partition === -1) return null;
    const votes = this.#columns.progress[partition]!;
    return `Partition ${partition} of topic votes has a gap or a repeat: ${votes} votes were counted up to seq ${this.#seqEnds[partition]}.`;
  }
}

/** All but the stamp and the definition. */
const GROWING_TOTALS = ['ballots', 'marks', 'overvotes', 'malformed', 'other_definition'] as const;

const isSameTotals = (one: TotalsRecord, other: TotalsRecord): boolean =>
  one.as_of === other.as_of &&
  one.definition === other.definition &&
  GROWING_TOTALS.every((name) => one[name] === other[name]);

const AS_OF = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const isStamped = (
  value: Readonly<Record<string, unknown>>,
): value is Readonly<Record<string, unknown>> & MicroBatchStamp =>
  isCount(value.epoch) && typeof value.as_of === 'string' && AS_OF.test(value.as_of);

const isTotals = (value: object): value is TotalsRecord =>
  'definition' in value &&
  typeof value.definition === 'string' &&
  GROWING_TOTALS.every((name) => isCount((value as Partial<TotalsRecord>)[name]));

/**
 * The place and the count of a row, or its fault. The ids in its key and in its value must be the
 * same.
 */
function rowOf(
  { index, partitions }: PublishedShape,
  key: string,
  record: Readonly<Record<string, unknown>> & MicroBatchStamp,
): Row | string {
  const named = parseMicroBatchKey(key);
  if (named === null) return UNKNOWN_KIND;
  if (named.kind === 'totals') return isTotals(record) ? { totals: record } : UNREADABLE;
  if (named.kind === 'recount') {
    const { until } = record;
    return Array.isArray(until) && until.length === partitions && until.every(isCount) ? { until } : UNREADABLE;
  }
  if (named.kind === 'progress') {
    const { partition, votes: count, seq_end, is_dense } = record;
    if (partition !== named.partition || !isCount(count) || !isCount(seq_end) || typeof is_dense !== 'boolean')
      return UNREADABLE;
    if (partition >= partitions) return 'names a partition that topic votes lacks';
    return { column: 'progress', at: partition, location: -1, count, progress: { seq_end, is_dense } };
  }
  if (record.location_id !== named.location_id) return UNREADABLE;
  const location = index.locationNumbers.get(named.location_id) ?? -1;
  if (named.kind === 'ballots') {
    if (!isCount(record.ballots_cast)) return UNREADABLE;
    return countRow('ballots', location, location, record.ballots_cast);
  }
  if (record.contest_id !== named.contest_id) return UNREADABLE;
  const contest = index.contestNumbers.get(named.contest_id) ?? -1;
  if (named.kind === 'overvotes') {
    if (!isCount(record.overvoted_ballots)) return UNREADABLE;
    return countRow('overvotes', slotAt(index, location, contest), location, record.overvoted_ballots);
  }
  if (record.candidate_id !== named.candidate_id || !isCount(record.votes)) return UNREADABLE;
  const cell = cellAt(index, location, candidateNumber(index, contest, named.candidate_id));
  return countRow('marks', cell, location, record.votes);
}

const countRow = (column: Column, at: number, location: number, count: number): CountRow | string =>
  at === -1 ? UNKNOWN_PLACE : { column, at, location, count, progress: null };

/**
 * The end of a row's value, the same in all rows of a micro-batch. A row that ends otherwise only
 * loses the shortcut.
 */
const stampOf = (value: string): string => value.slice(Math.max(0, value.lastIndexOf('"epoch":')));

/**
 * Drops the rows that newer ones of the same read replace, without parsing them. Rows before the
 * last micro-batch stay: that one may be read in part, and the state before it must be seen.
 */
function newestRows(records: readonly PublishedRecord[], epoch: number): readonly PublishedRecord[] {
  const stamps = records.map(({ value }) => stampOf(value));
  let end = records.length - 1;
  while (end >= 0 && stamps[end] === stamps.at(-1)) end--;
  const current = `"epoch":${epoch},`;
  const known = new Map<string, string>();
  const newest = records.slice(end + 1).reverse();
  for (let i = end; i >= 0; i--) {
    const record = records[i]!;
    const stamp = stamps[i]!;
    const isCurrent = stamp.startsWith(current);
    const newer = known.get(record.key);
    // A late row must not hide the newer one before it; a row of another epoch hides none.
    if (isCurrent && newer !== undefined && stamp <= newer) continue;
    newest.push(record);
    if (isCurrent) known.set(record.key, stamp);
  }
  return newest.reverse();
}
