import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';

/** The real elections that tests cast again; they are not part of the project. */
export const DATA = [process.env.TALLYROOM_DATA, fileURLToPath(new URL('../../../shared/data', import.meta.url))].find(
  (directory) => directory !== undefined && existsSync(directory),
);

/** Options of suites that need the real elections. */
export const NEEDS_DATA = {
  skip: DATA === undefined && process.env.CI !== 'true' && 'set TALLYROOM_DATA to the directory of the real elections',
  concurrency: 1,
};

export const dataFile = (name: string): string => join(DATA!, name);

export const MINNESOTA_VOTERS = 3_686_101;
export const MINNESOTA_VOTES = 3_253_920;
const MINNESOTA_RESULTS = 'us-mn-2024-president-county-final.csv';

/** Arguments that make the whole election of Minnesota. */
export const minnesota = (): string[] => [
  '--results',
  dataFile(MINNESOTA_RESULTS),
  '--electorate',
  dataFile('us-mn-2024-electorate.csv'),
];

export interface Document {
  readonly totals: { readonly ballots_cast: number; readonly registered_voters: number | null };
  readonly contests: readonly { id: string; candidates: readonly { id: string; name: string; votes: number }[] }[];
  readonly locations: readonly {
    readonly id: string;
    readonly votes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  }[];
}

/** The rows of a results file, read without the program's own reader. */
export const rowsOf = (name: string): { contest: string; location: string; candidate: string; votes: number }[] =>
  parse<Record<'contest' | 'location_id' | 'candidate' | 'votes', string>>(readFileSync(dataFile(name)), {
    columns: true,
  }).map(({ contest, location_id: location, candidate, votes }) => ({
    contest,
    location,
    candidate,
    votes: Number(votes),
  }));

/** Checks every county and candidate to the vote. */
export function assertMinnesota(document: Document): void {
  const votes = (name: string): number =>
    document.contests[0]!.candidates.filter((candidate) => candidate.name.startsWith(name)).reduce(
      (sum, each) => sum + each.votes,
      0,
    );
  assert.deepEqual(
    [votes('Kamala'), votes('Donald'), document.totals.ballots_cast],
    [1_656_979, 1_519_032, MINNESOTA_VOTES],
  );
  assert.equal(document.totals.registered_voters, MINNESOTA_VOTERS);
  const expected = rowsOf(MINNESOTA_RESULTS);
  assert.equal(expected.length, 870);
  const locations = new Map(document.locations.map((location) => [location.id, location]));
  for (const { contest, location, candidate, votes: wanted } of expected)
    assert.equal(locations.get(location)!.votes[contest]![candidate], wanted, `${location} ${candidate}`);
}
