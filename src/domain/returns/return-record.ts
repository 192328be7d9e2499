import { isCount } from '../counts.ts';
import {
  candidateNumber,
  cellAt,
  cellCandidate,
  type ElectionIndex,
  slotAt,
  slotContest,
} from '../election/election-index.ts';
import type { Sha256 } from '../log/box.ts';
import { isObject, parseObject } from '../results/published-results.ts';
import { COUNT_TYPES, type CountType } from './count-type.ts';
import { UNIT_FIELDS, unitPlace, type Version } from './version.ts';

/**
 * A record of topic `returns`: accepted versions of one upload, with the `seq` of the first. As a
 * box of votes it carries the hash of the definition, and a hash chained to the record before:
 *
 *   {"seq":0,"upload":1,"definition":"<hex>","returns":[{"location_id":"1","contest_id":"mayor",
 *   "count_type":"total","reported_at":"2026-11-03T20:00:00.000Z","votes":{"Ada":10},
 *   "units_reporting":1,"units_total":3}],"hash":"<hex>"}
 *
 * Each member of `votes` is a version, and so is each number of units. `seq` counts them in this
 * order.
 */

/** A record of this many versions has some 100 KB. */
export const VERSIONS_PER_RECORD_MAX = 2_000;
/** With long ids a record has fewer: Kafka takes 1 MB, and a character may have three bytes. */
const RECORD_LENGTH_MAX = 300_000;

export interface ReturnRecord {
  readonly seq: number;
  readonly upload: number;
  readonly definition: string;
  readonly versions: readonly Version[];
  /** The text that the hash is made of. */
  readonly body: string;
  readonly hash: string;
}

interface Entry {
  readonly location_id: string;
  readonly contest_id: string;
  readonly count_type: CountType;
  readonly reported_at: string;
  readonly votes: Map<string, number>;
  readonly units: { units_reporting?: number; units_total?: number };
}

/** The slot of a version, and what it counts there: a candidate's cell, or a field of the units. */
function partsOf(index: ElectionIndex, place: number): { slot: number; field: number; cell: number } {
  const unit = place - index.cellCount;
  if (unit >= 0) return { slot: Math.floor(unit / UNIT_FIELDS.length), field: unit % UNIT_FIELDS.length, cell: -1 };
  return { slot: slotOfCell(index, place), field: -1, cell: place };
}

/** The slot that a cell belongs to, by halving. */
export function slotOfCell({ firstCell, slotCount }: ElectionIndex, cell: number): number {
  let [low, high] = [0, slotCount - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (firstCell[middle]! <= cell) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The location of each slot, by slot. */
export function locationsOfSlots({ firstSlot, slotCount, election }: ElectionIndex): Int32Array {
  const locations = new Int32Array(slotCount);
  for (let location = 0; location < election.locations.length; location++)
    locations.fill(location, firstSlot[location], firstSlot[location + 1]);
  return locations;
}

export interface ReturnsEnd {
  readonly seq: number;
  /** The hash of the last record; see `chainStart` for the first. */
  readonly hash: string;
}

export interface WrittenReturns {
  /** A line each, as the log takes them. */
  readonly text: string;
  readonly records: number;
  readonly hash: string;
}

/** Writes accepted versions of one upload as records, in this order, chained to those before. */
export function writeReturns(
  index: ElectionIndex,
  { upload, definition }: Pick<ReturnRecord, 'upload' | 'definition'>,
  versions: readonly Version[],
  end: ReturnsEnd,
  sha256: Sha256,
): WrittenReturns {
  const locations = locationsOfSlots(index);
  let text = '';
  let hash = end.hash;
  let records = 0;
  for (let first = 0; first < versions.length; records++) {
    const { part, returns } = nextPart(index, locations, versions, first);
    const body = `{"seq":${end.seq + first},"upload":${upload},"definition":"${definition}","returns":${returns}`;
    hash = sha256(hash + body);
    text += `\t${body},"hash":"${hash}"}\n`;
    first += part;
  }
  return { text, records, hash };
}

/** As many of the next versions as fit into a record, and their text. */
function nextPart(
  index: ElectionIndex,
  locations: Int32Array,
  versions: readonly Version[],
  first: number,
): { part: number; returns: string } {
  for (let part = Math.min(VERSIONS_PER_RECORD_MAX, versions.length - first); ; part = part >> 1) {
    const returns = JSON.stringify(entriesOf(index, locations, versions.slice(first, first + part)));
    if (returns.length <= RECORD_LENGTH_MAX || part === 1) return { part, returns };
  }
}

/** Versions of one place, count type and time that follow each other are one entry. */
function entriesOf(index: ElectionIndex, locations: Int32Array, versions: readonly Version[]): unknown[] {
  const entries: Entry[] = [];
  let before: { slot: number; version: Version; field: number } | null = null;
  for (const version of versions) {
    const { slot, field, cell } = partsOf(index, version.place);
    const id = cell === -1 ? null : cellCandidate(index, slot, cell).id;
    // JSON would move a member that is a number to the front, and `seq` counts in this order.
    const standsAlone = id !== null && /^\d+$/.test(id);
    const goesOn =
      before !== null &&
      before.slot === slot &&
      before.version.count_type === version.count_type &&
      before.version.reported_at === version.reported_at &&
      (id === null ? before.field < field : before.field === -1 && !entries.at(-1)!.votes.has(id));
    if (!goesOn || standsAlone)
      entries.push({
        location_id: index.election.locations[locations[slot]!]!.id,
        contest_id: slotContest(index, slot).id,
        count_type: version.count_type,
        reported_at: new Date(version.reported_at).toISOString(),
        votes: new Map(),
        units: {},
      });
    const { votes, units } = entries.at(-1)!;
    if (id !== null) votes.set(id, version.value);
    else units[UNIT_FIELDS[field]!] = version.value;
    before = standsAlone ? null : { slot, version, field };
  }
  return entries.map(({ votes, units, ...head }) => ({
    ...head,
    ...(votes.size === 0 ? {} : { votes: Object.fromEntries(votes) }),
    ...units,
  }));
}

/** @throws Error that names the fault of a record that is not one */
export function readReturns(index: ElectionIndex, value: string): ReturnRecord {
  const record = parseObject(value);
  const at = value.lastIndexOf(',"hash":"');
  if (record === null || at === -1) throw new Error('a record of returns cannot be read');
  const { seq, upload, definition, returns, hash } = record;
  if (!isCount(seq) || !isCount(upload) || typeof definition !== 'string' || typeof hash !== 'string')
    throw new Error('a record of returns lacks a member');
  if (!Array.isArray(returns) || returns.length === 0) throw new Error('a record of returns is empty');
  const versions = returns.flatMap((entry) => versionsOf(index, entry));
  return { seq, upload, definition, versions, body: value.slice(0, at), hash };
}

function versionsOf(index: ElectionIndex, entry: unknown): Version[] {
  if (!isObject(entry)) throw new Error('a return is not an object');
  const { location_id, contest_id, votes = {} } = entry;
  const location = index.locationNumbers.get(`${location_id}`) ?? -1;
  const contest = index.contestNumbers.get(`${contest_id}`) ?? -1;
  const slot = slotAt(index, location, contest);
  if (slot === -1) throw new Error(`contest "${contest_id}" is not on the ballot of "${location_id}"`);
  const count_type = COUNT_TYPES.find((each) => each === entry.count_type);
  const reported_at = Date.parse(`${entry.reported_at}`);
  if (count_type === undefined || Number.isNaN(reported_at) || !isObject(votes))
    throw new Error('a return has no count type or no time');
  const versions: Version[] = [];
  const add = (place: number, value: unknown): void => {
    if (place === -1 || !isCount(value)) throw new Error('a return names an unknown candidate, or has no whole number');
    versions.push({ count_type, place, value, reported_at });
  };
  for (const [id, count] of Object.entries(votes))
    add(cellAt(index, location, candidateNumber(index, contest, id)), count);
  for (const [field, name] of UNIT_FIELDS.entries())
    if (entry[name] !== undefined) add(unitPlace(index, slot, field), entry[name]);
  return versions;
}
