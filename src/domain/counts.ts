/** True for a whole number from 0 that a double holds exactly. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

export function sumOf(counts: Iterable<number>): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}

/**
 * A part of a whole, null where the whole is unknown or 0. A value above 1 is a fact to show, so it
 * is not clamped.
 */
export function fractionOf(part: number, whole: number | null): number | null {
  return whole === null || whole === 0 ? null : part / whole;
}
