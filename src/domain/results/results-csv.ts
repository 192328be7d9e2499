import type { Election } from '../election/election.ts';
import type { Results } from './results.ts';

export const RESULTS_CSV_COLUMNS = [
  'contest',
  'location_id',
  'location_name',
  'parent_id',
  'parent_name',
  'candidate',
  'party',
  'votes',
] as const;

/**
 * The uniform results CSV (RFC 4180 with plain newlines and a header): one line a contest, location
 * and candidate, in the order of the definition. `--results` reads it back to the same totals.
 */
export function resultsCsv(election: Election, results: Results): string {
  const parents = new Map<string, string>(election.parents.map((parent) => [parent.id, parent.name]));
  const lines = [RESULTS_CSV_COLUMNS.join(',')];
  for (const contest of results.contests)
    for (const location of results.locations) {
      // An id may be "constructor": only own keys are contests.
      if (!Object.hasOwn(location.votes, contest.id)) continue;
      const votes = location.votes[contest.id]!;
      const parent = location.parent_id ?? '';
      const place = [contest.id, location.id, location.name, parent, parents.get(parent) ?? ''].map(csvField).join(',');
      for (const { id, name, party } of contest.candidates)
        lines.push(`${place},${csvField(name)},${csvField(party ?? '')},${votes[id] ?? 0}`);
    }
  return `${lines.join('\n')}\n`;
}

/**
 * A spreadsheet runs a cell that begins with one of these, also in its full-width form. Such a text
 * gets an apostrophe before it, and so does one that begins with apostrophes before such a sign:
 * then taking one away gives the text again.
 */
const RUN_BY_SPREADSHEETS = /^'*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;

function csvField(text: string): string {
  const safe = RUN_BY_SPREADSHEETS.test(text) ? `'${text}` : text;
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Undoes what the CSV of results does to a text that a spreadsheet would run. */
export const unguarded = (field: string): string =>
  field.startsWith("'") && RUN_BY_SPREADSHEETS.test(field) ? field.slice(1) : field;
