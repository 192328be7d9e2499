/**
 * How the votes of a return were cast: the CountItemType of NIST SP 1500-100. `total` stands for
 * all of them together.
 */
export const COUNT_TYPES = [
  'total',
  'absentee',
  'absentee-fwab',
  'absentee-in-person',
  'absentee-mail',
  'early',
  'election-day',
  'provisional',
  'uocava',
  'write-in',
  'other',
] as const;
export type CountType = (typeof COUNT_TYPES)[number];

/** The count type of a return that names none. */
export const COUNT_TYPE_DEFAULT: CountType = 'total';

/** @returns null for text that names no count type. Case and spaces do not matter. */
export function parseCountType(text: string): CountType | null {
  const name = text.trim().toLowerCase().replaceAll(/[ _]+/g, '-');
  return COUNT_TYPES.find((each) => each === name) ?? null;
}
