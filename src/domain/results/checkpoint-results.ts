import { applyLocationResult } from '../counting/location-result.ts';
import { RecordDigest } from '../counting/record-digest.ts';
import { createTally, type Tally, unbalancedSlots } from '../counting/tally.ts';
import { isCount, sumOf } from '../counts.ts';
import {
  CHECKPOINT_KEY,
  type CheckpointRecord,
  LOCATION_KEY_PREFIX,
  type LocationResultRecord,
  REMOVED,
} from '../log/records.ts';
import {
  describeOtherDefinition,
  describeUnbalanced,
  isObject,
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

interface ReadRecord extends PublishedRecord {
  /** Null where the value cannot be read. */
  readonly record: LocationResultRecord | CheckpointRecord | null;
}

/**
 * The published results of the in-process counter. A state is the sum of the records up to a
 * checkpoint.
 */
export class CheckpointResults implements PublishedResults {
  readonly tally: Tally;
  readonly changed = new Set<number>();
  readonly overdue = null;
  isDue = false;
  readonly #shape: PublishedShape;
  #newest: CheckpointRecord | null = null;
  readonly #digest: RecordDigest;
  /** The offset of that record. */
  #offset = -1;

  constructor(shape: PublishedShape) {
    this.#shape = shape;
    this.tally = createTally(shape.index);
    this.#digest = new RecordDigest(shape.index.election.locations.length, shape.sha256);
  }

  *take(records: readonly PublishedRecord[]): Generator<TakenRecord> {
    for (const { key, offset, value, record } of newestRecords(records, this.#newest?.epoch)) {
      // A counter that was fenced may leave records of its older epoch behind.
      const isIgnored = record !== null && record.epoch < (this.#newest?.epoch ?? 0);
      const damage = this.#damageOf(key, value, record, isIgnored);
      if (key === CHECKPOINT_KEY && record !== null && !isIgnored) this.#offset = offset;
      this.isDue = key === CHECKPOINT_KEY && !isIgnored && value !== REMOVED;
      yield { key, offset, value, damage, isIgnored };
    }
  }

  watch(): void {}

  /** A flush and its checkpoint are one transaction, so results without one are damage. */
  get incomplete(): string | null {
    return this.#newest === null ? 'Topic results-by-location has results and lacks their checkpoint.' : null;
  }

  judge(): PublishedState {
    this.isDue = false;
    const { epoch = 0, covers = [], as_of = '' } = this.#newest ?? {};
    return { epoch, offset: this.#offset, covers, as_of, foreign_records: 0, held: this.#reasonToHold() };
  }

  #damageOf(key: string, value: string, record: ReadRecord['record'], isIgnored: boolean): string | null {
    if (value === REMOVED) return null;
    if (record === null) return UNREADABLE;
    return isIgnored ? null : this.#take(key, value, record);
  }

  /** @returns the fault of the record, or null. */
  #take(key: string, value: string, record: LocationResultRecord | CheckpointRecord): string | null {
    if (key === CHECKPOINT_KEY && 'as_of' in record) this.#newest = record;
    else if (key.startsWith(LOCATION_KEY_PREFIX) && 'ballots_cast' in record) {
      if (key !== LOCATION_KEY_PREFIX + record.location_id) return 'is of another location than its key';
      const { source } = this.#shape.index.election;
      // Every count of ballots is known, so one without its number is damage.
      if (source === 'ballots' && hasUnknown(record)) return UNREADABLE;
      const location = applyLocationResult(this.#shape.index, this.tally, record);
      if (location === -1) return UNKNOWN_PLACE;
      this.#digest.set(location, key, value);
      this.changed.add(location);
    } else return UNKNOWN_KIND;
    return null;
  }

  #reasonToHold(): string | null {
    if (this.#newest === null) return null;
    const { index, definition } = this.#shape;
    if (this.#newest.definition !== definition) return describeOtherDefinition(this.#newest.definition, definition);
    const unbalanced = describeUnbalanced(index, unbalancedSlots(index, this.tally));
    if (unbalanced !== null) return unbalanced;
    const ballots = sumOf(this.tally.ballots);
    const covered = sumOf(this.#newest.covers);
    // Each ballot has one seq, so a count of ballots has counted exactly the seqs it covers.
    if (index.election.source === 'ballots' && ballots !== covered)
      return `The count covers ${covered} ballots but its locations add up to ${ballots}.`;
    const { digest } = this.#newest;
    if (digest !== undefined && digest !== `${this.#digest}`)
      return 'The results of the locations are not those that were counted: their digest differs.';
    return null;
  }
}

const readRecord = (record: PublishedRecord): ReadRecord => ({ ...record, record: parseRecord(record.value) });

/**
 * Drops the records that newer ones of the same read replace before the last checkpoint: the state
 * there is the same. Does so only while one epoch counts, so that a record that will be ignored
 * replaces none.
 */
function newestRecords(records: readonly PublishedRecord[], epoch: number | undefined): readonly ReadRecord[] {
  const checkpoints = records.filter(({ key }) => key === CHECKPOINT_KEY).map(readRecord);
  if (checkpoints.length < 2 || checkpoints.some(({ record }) => record?.epoch !== epoch))
    return records.map(readRecord);
  const end = checkpoints.at(-1)!.offset;
  const known = new Set<string>();
  const newest: ReadRecord[] = [];
  for (const record of records.toReversed()) {
    if (known.has(record.key)) continue;
    const read = readRecord(record);
    newest.push(read);
    if (record.offset <= end && read.record?.epoch === epoch) known.add(record.key);
  }
  return newest.reverse();
}

/**
 * A location's result or a checkpoint with every count a whole number from 0, null for anything
 * else.
 */
function parseRecord(text: string): LocationResultRecord | CheckpointRecord | null {
  const value = parseObject(text);
  if (value === null || !isCount(value.epoch) || !Array.isArray(value.covers) || !value.covers.every(isCount))
    return null;
  return isCheckpoint(value) || isLocationResult(value) ? value : null;
}

const isCheckpoint = (value: object): value is CheckpointRecord =>
  'as_of' in value && typeof value.as_of === 'string' && 'definition' in value && typeof value.definition === 'string';

const hasUnknown = ({ ballots_cast, contests }: LocationResultRecord): boolean =>
  ballots_cast === null ||
  Object.values(contests).some((slot) => slot.undervotes === null || slot.overvoted_ballots === null);

const isKnownOrNot = (value: unknown): boolean => value === null || isCount(value);

const isLocationResult = (value: object): value is LocationResultRecord =>
  'location_id' in value &&
  typeof value.location_id === 'string' &&
  'ballots_cast' in value &&
  isKnownOrNot(value.ballots_cast) &&
  'contests' in value &&
  isObject(value.contests) &&
  Object.values(value.contests).every(
    (slot) =>
      isObject(slot) &&
      isKnownOrNot(slot.undervotes) &&
      isKnownOrNot(slot.overvoted_ballots) &&
      isObject(slot.votes) &&
      Object.values(slot.votes).every(isCount),
  );
