/**
 * Lines of official results that sum several people: counted, never leading, never elected. The
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
];

const plain = (name: string): string =>
  name
    .replace(/\s*\([^()]*\)$/, '')
    .toLowerCase()
    .replace(/[\s\p{Dash_Punctuation}]/gu, '');

/**
 * Tells whether a candidate's name stands for several people.
 * @param names the whole list, instead of {@link AGGREGATE_NAMES}
 */
export function createAggregateTest(names: readonly string[] = AGGREGATE_NAMES): (name: string) => boolean {
  const known = new Set(names.map(plain));
  return (name) => known.has(plain(name));
}
