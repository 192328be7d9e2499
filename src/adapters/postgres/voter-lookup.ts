import type pg from 'pg';
import { comparisonKey } from '../../domain/election/comparison-key.ts';
import type { KnownVoter } from '../../ports/ballot-box.ts';

/**
 * Finds voters by registration number. Table `voters` holds the key of a number, so two spellings
 * that look the same are one voter. Elections made before numbers had keys hold them as they were
 * spelled; their voters are found by that spelling.
 */

export type Query = <Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[]) => Promise<readonly Row[]>;

interface Row {
  readonly registration_number: string;
  readonly voter_id: string;
  readonly location_no: number;
  readonly has_voted: boolean;
}

/** @returns the voters by the numbers as they were asked for; unknown numbers are missing. */
export async function findVoters(
  query: Query,
  electionNo: number,
  numbers: readonly string[],
): Promise<Map<string, KnownVoter>> {
  const otherwise = numbers.filter((number) => comparisonKey(number) !== number);
  const asked = otherwise.length === 0 ? numbers : [...numbers, ...otherwise.map(comparisonKey)];
  const known = votersOf(
    await query<Row>(votersWhere(electionNo, 'registration_number = ANY($2)'), [electionNo, asked]),
  );
  for (const number of otherwise) {
    const voter = known.get(number) ?? known.get(comparisonKey(number));
    if (voter !== undefined) known.set(number, voter);
  }
  return known;
}

const votersWhere = (electionNo: number, condition: string): string =>
  `SELECT registration_number, v.voter_id, location_no, p.voter_id IS NOT NULL AS has_voted
   FROM voters v LEFT JOIN participation_${electionNo} p ON p.voter_id = v.voter_id
   WHERE v.election_no = $1 AND removed_in IS NULL AND ${condition}`;

/**
 * The voters whose number is stored as it was spelled, and not as its key, by key. Only elections
 * made before numbers had keys have such voters.
 */
export async function votersOfOldSpelling(query: Query, electionNo: number): Promise<Map<string, KnownVoter>> {
  const rows = await query<Row>(
    votersWhere(electionNo, '(registration_number IS NOT NFKC NORMALIZED OR registration_number ~ $2)'),
    [electionNo, FOLDED],
  );
  return votersOf(rows.map((row) => ({ ...row, registration_number: comparisonKey(row.registration_number) })));
}

/** Dashes, white space and hidden characters, which a key does not have. */
const FOLDED =
  '[\\u00a0\\u00ad\\u034f\\u058a\\u05be\\u061c\\u115f\\u1160\\u1400\\u1680\\u17b4\\u17b5\\u1806\\u180b-\\u180f\\u2000-\\u2015' +
  '\\u2028-\\u202f\\u205f-\\u206f\\u2212\\u2e17\\u2e1a\\u2e3a\\u2e3b\\u2e40\\u2e5d\\u3000\\u301c\\u3030\\u30a0\\u3164' +
  '\\ufe00-\\ufe0f\\ufe31\\ufe32\\ufe58\\ufe63\\ufeff\\uff0d\\uffa0\\ufff9-\\ufffb]|  ';

const votersOf = (rows: readonly Row[]): Map<string, KnownVoter> =>
  new Map(
    rows.map(({ registration_number, voter_id, location_no, has_voted }) => [
      registration_number,
      { voter_id: Number(voter_id), location: location_no, has_voted },
    ]),
  );
