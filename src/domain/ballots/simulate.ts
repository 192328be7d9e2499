import {
  candidateAt,
  cellsOf,
  type ElectionIndex,
  selectionsMax,
  slotsOf,
  sumCells,
} from '../election/election-index.ts';
import { apportion } from '../numbers/apportion.ts';
import { permutationWidth, permute } from '../numbers/permutation.ts';
import { createSeed, hashToUnit, mix, toUnit } from '../numbers/random.ts';
import { type Chooser, slotKeys } from './chooser.ts';

/**
 * The share of selections left empty. It is invented, and large enough that even a small run has
 * undervotes.
 */
const UNDERVOTE_SHARE = 0.015;

/** A line such as "write-in" sums many names, and each of them gets few votes. */
const AGGREGATE_WEIGHT = 0.02;

/** Any odd constant. Successive draws of one ballot in one contest differ by it. */
const DRAW_STEP = 0x632be59b;

/**
 * The voters of each location that cast a ballot: `turnout` (0 to 1) of all voters, rounded once
 * and split over the locations by largest remainder. A turnout of 1 is therefore every voter.
 */
export function simulatedBallots(voters: ArrayLike<number>, turnout: number): Float64Array {
  let total = 0;
  for (let location = 0; location < voters.length; location++) total += voters[location]!;
  return apportion(voters, Math.round(total * turnout));
}

/**
 * The weight of each candidate in each location (by cell, above 0). A party has one strength
 * everywhere and a lean that differs from location to location; a candidate does better or worse
 * than the party.
 */
function candidateWeights(index: ElectionIndex, seed: string): Float64Array {
  const { candidates, locations } = index.election;
  const standing = candidates.map(({ party_id, id, contest_id, aggregate }) => {
    const party = party_id === null ? ['candidate', contest_id, id] : ['party', party_id];
    const strength = 0.7 + 0.6 * hashToUnit(createSeed(seed, ...party), 0, 0);
    const personal = 0.9 + 0.2 * hashToUnit(createSeed(seed, 'personal', contest_id, id), 0, 0);
    return {
      lean: createSeed(seed, 'lean', ...party),
      weight: strength * personal * (aggregate ? AGGREGATE_WEIGHT : 1),
    };
  });
  const weights = new Float64Array(index.cellCount);
  for (const [location, { id }] of locations.entries()) {
    const place = createSeed(id)[0]!;
    for (const slot of slotsOf(index, location))
      for (const cell of cellsOf(index, slot)) {
        const { lean, weight } = standing[candidateAt(index, slot, cell)]!;
        weights[cell] = weight * (0.6 + 0.8 * hashToUnit(lean, place, 0));
      }
  }
  return weights;
}

/**
 * Choices of an invented election. The number of ballots is exact by location
 * ({@link simulatedBallots}), and a permutation of its voters says which of them vote. Each
 * selection is drawn by the weights of the candidates not yet selected, or left empty.
 *
 * 100 ns a call with one contest and 3 candidates at turnout 0.7 (node 24, 3 million calls in a
 * loop on a two-core VM).
 * @param voters registered voters by location; a place at or beyond them does not vote
 */
export function createSimulation(
  index: ElectionIndex,
  voters: ArrayLike<number>,
  turnout: number,
  seed: string,
): Chooser {
  const { firstSlot, contestOfSlot, firstCell, firstCandidate, voteFor } = index;
  const ballots = simulatedBallots(voters, turnout);
  const sizes = Float64Array.from(voters);
  const widths = sizes.map(permutationWidth);
  const attendance = index.election.locations.map(({ id }) => createSeed(seed, 'attendance', id));
  const keys = slotKeys(index, seed, 'choice');
  const weights = candidateWeights(index, seed);
  const totals = Float64Array.from(contestOfSlot, (_, slot) => sumCells(index, weights, slot));

  const votes = (location: number, place: number): boolean => {
    const size = sizes[location]!;
    if (ballots[location] === size || place >= size) return place < size;
    const key = attendance[location]!;
    return permute(place, size, widths[location]!, key[0]!, key[1]!) < ballots[location]!;
  };

  return {
    selectionsMax: selectionsMax(index),
    choose(location, place, out, at) {
      if (!votes(location, place)) return -1;
      let end = at;
      const slotEnd = firstSlot[location + 1]!;
      for (let slot = firstSlot[location]!; slot < slotEnd; slot++) {
        const contest = contestOfSlot[slot]!;
        const cellStart = firstCell[slot]!;
        const cellEnd = firstCell[slot + 1]!;
        const offset = firstCandidate[contest]! - cellStart;
        const first = end;
        const draws = Math.min(voteFor[contest]!, cellEnd - cellStart);
        let state = mix(mix(place ^ keys[2 * slot]!) ^ keys[2 * slot + 1]!);
        let remaining = totals[slot]!;
        for (let draw = 0; draw < draws; draw++) {
          state = mix(state + DRAW_STEP);
          const unit = toUnit(state);
          if (unit < UNDERVOTE_SHARE) continue;
          const target = ((unit - UNDERVOTE_SHARE) / (1 - UNDERVOTE_SHARE)) * remaining;
          const cell = pickCell(weights, cellStart, cellEnd, target, out, first, end, offset);
          remaining -= weights[cell]!;
          let gap = end++;
          for (; gap > first && out[gap - 1]! > offset + cell; gap--) out[gap] = out[gap - 1]!;
          out[gap] = offset + cell;
        }
      }
      return end - at;
    },
  };
}

/**
 * The cell in which `target` falls when the weights of the cells not yet selected are laid end to
 * end. The cells selected are `out[first]` to `out[end - 1]`, ascending, as candidate numbers that
 * lie `offset` above their cells.
 */
function pickCell(
  weights: Float64Array,
  cellStart: number,
  cellEnd: number,
  target: number,
  out: Int32Array,
  first: number,
  end: number,
  offset: number,
): number {
  let selected = first;
  let picked = cellStart;
  let sum = 0;
  for (let cell = cellStart; cell < cellEnd; cell++) {
    if (selected < end && out[selected] === offset + cell) {
      selected++;
      continue;
    }
    picked = cell;
    sum += weights[cell]!;
    // The last cell left also takes the remainder of rounding.
    if (target < sum) break;
  }
  return picked;
}
