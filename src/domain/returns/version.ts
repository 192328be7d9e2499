import type { ElectionIndex } from '../election/election-index.ts';
import type { CountType } from './count-type.ts';

/**
 * The unit of a return is the cell: the votes of a candidate, or the units counted, of a contest in
 * a location, by count type. Each number that is reported for a cell is a version of it. The newest
 * `reported_at` holds.
 */
export interface Version {
  readonly count_type: CountType;
  /** The place of the cell: see {@link cellCountOf}. */
  readonly place: number;
  readonly value: number;
  /** When the source reported it, in milliseconds. */
  readonly reported_at: number;
}

/** The counts beside the votes of a contest in a location. */
export const UNIT_FIELDS = ['units_reporting', 'units_total'] as const;

/**
 * The number of cells of one count type: the cells of the tally, and then {@link UNIT_FIELDS} of
 * each slot. Units have the count type `total`: they are counted for all votes together.
 */
export const cellCountOf = ({ cellCount, slotCount }: ElectionIndex): number =>
  cellCount + slotCount * UNIT_FIELDS.length;

export const unitPlace = ({ cellCount }: ElectionIndex, slot: number, field: number): number =>
  cellCount + slot * UNIT_FIELDS.length + field;
