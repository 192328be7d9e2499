import type { Tally } from '../counting/tally.ts';
import type { ElectionIndex } from '../election/election-index.ts';
import type { CountType } from './count-type.ts';
import { locationsOfSlots, slotOfCell } from './return-record.ts';
import { cellCountOf, UNIT_FIELDS, type Version } from './version.ts';

/** The newest version of each cell of one count type; NaN and -Infinity where there is none. */
interface Layer {
  readonly values: Float64Array;
  readonly times: Float64Array;
}

/** Whether a version holds its cell now, and otherwise why not. */
export type Taken = 'newest' | 'older' | 'same-time';

/**
 * The fold from versions to counts: of each cell the version with the newest `reported_at` holds,
 * so their order, their repetition and their splitting change nothing. A cell without a version is
 * unknown, and counts nothing.
 *
 * The votes of a candidate in a location are the sum over the count types that were reported. Where
 * one of them is `total`, it stands for itself only while no part of it is known: a total is never
 * added to its parts.
 */
export class ReturnsFold {
  readonly tally: Tally;
  readonly #index: ElectionIndex;
  readonly #layers = new Map<CountType, Layer>();
  readonly #locationOfSlot: Int32Array;

  constructor(index: ElectionIndex, tally: Tally) {
    this.#index = index;
    this.tally = tally;
    this.#locationOfSlot = locationsOfSlots(index);
  }

  /** The value that holds in a cell; NaN where there is none. */
  valueOf(countType: CountType, place: number): number {
    return this.#layers.get(countType)?.values[place] ?? Number.NaN;
  }

  /** When that value was reported, in milliseconds; -Infinity where there is none. */
  reportedAt(countType: CountType, place: number): number {
    return this.#layers.get(countType)?.times[place] ?? Number.NEGATIVE_INFINITY;
  }

  /** Takes a version. The tally follows. */
  take({ count_type, place, value, reported_at }: Version): Taken {
    const { values, times } = this.#layer(count_type);
    if (reported_at < times[place]!) return 'older';
    if (reported_at === times[place] && values[place] !== value) return 'same-time';
    values[place] = value;
    times[place] = reported_at;
    this.#count(place);
    return 'newest';
  }

  /** The location that a cell belongs to. */
  locationOf(place: number): number {
    const unit = place - this.#index.cellCount;
    const slot = unit < 0 ? slotOfCell(this.#index, place) : Math.floor(unit / UNIT_FIELDS.length);
    return this.#locationOfSlot[slot]!;
  }

  #layer(countType: CountType): Layer {
    const known = this.#layers.get(countType);
    if (known !== undefined) return known;
    const cells = cellCountOf(this.#index);
    const layer = {
      values: new Float64Array(cells).fill(Number.NaN),
      times: new Float64Array(cells).fill(Number.NEGATIVE_INFINITY),
    };
    this.#layers.set(countType, layer);
    return layer;
  }

  #count(place: number): void {
    const unit = place - this.#index.cellCount;
    if (unit < 0) this.tally.votes[place] = this.#votesAt(place);
    else {
      const units = this.tally.units!;
      const counts = unit % UNIT_FIELDS.length === 0 ? units.reporting : units.total;
      counts[Math.floor(unit / UNIT_FIELDS.length)] = this.valueOf('total', place);
    }
  }

  #votesAt(cell: number): number {
    let parts = 0;
    let hasPart = false;
    for (const [countType, { values }] of this.#layers) {
      const value = values[cell]!;
      if (countType === 'total' || Number.isNaN(value)) continue;
      parts += value;
      hasPart = true;
    }
    return hasPart ? parts : this.valueOf('total', cell) || 0;
  }
}
