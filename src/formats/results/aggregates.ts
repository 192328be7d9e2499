/**
 * Lines of official results that sum several people or refuse them all: counted and shown, never
 * leading, never elected. An election file may say otherwise for a candidate. The
 * comparison ignores case, hyphens, spaces and a bracket at the end ("Übrige (Wahlkreis 001)").
 */
export const AGGREGATE_NAMES: readonly string[] = [
  'All other candidates',
  'All others',
  'Other',
  'Others',
  'Other candidates',
  'Write-in',
  'Write-ins',
  'Write-in votes',
  'Total write-ins',
  'Scattering',
  'Scatter',
  'Übrige',
  'Andere',
  'Sonstige',
  'Autres',
  'Otros',
  'None of the above',
  'None of these candidates',
  'NOTA',
];

/** A name as it is compared here: without case, hyphens, spaces and a bracket at the end. */
export const plainName = (name: string): string =>
  name
    .replace(/\s*\([^()]*\)$/, '')
    .toLowerCase()
    .replace(/[\s\p{Dash_Punctuation}]/gu, '');

/**
 * Tells whether a candidate's name stands for several people.
 * @param names the whole list, instead of {@link AGGREGATE_NAMES}
 */
export function createAggregateTest(names: readonly string[] = AGGREGATE_NAMES): (name: string) => boolean {
  const known = new Set(names.map(plainName));
  return (name) => known.has(plainName(name));
}
