/** The real elections, read. Their totals are facts. The files are not part of the repository. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { layOutVotes, replayedBallots } from '../../src/domain/ballots/replay.ts';
import { indexElection, onBallot } from '../../src/domain/election/election-index.ts';
import { type OfficialResults, readResults } from '../../src/formats/results/results.ts';

const DATA = [process.env.TALLYROOM_DATA, fileURLToPath(new URL('../../../shared/data', import.meta.url))].find(
  (directory) => directory !== undefined && existsSync(directory),
);
const skip = DATA === undefined && 'the real elections are not here: set TALLYROOM_DATA to their directory';
const file = (name: string): string => join(DATA ?? '', name);

test('the real elections are here if CI requires them', {
  skip: process.env.CI !== 'true' && 'only under CI=true',
}, () => {
  assert.ok(DATA !== undefined, 'set TALLYROOM_DATA to the directory of the real elections');
  assert.ok(readdirSync(DATA).includes('us-mn-2024-president-county-final.csv'));
});

const votesOf = (
  { election, votes }: OfficialResults,
  isCounted: (contest: string, candidate: string) => boolean,
): number =>
  votes.reduce((sum, { candidate, votes: count }) => {
    const { contest_id, id } = election.candidates[candidate]!;
    return isCounted(contest_id, id) ? sum + count : sum;
  }, 0);
const total = (results: OfficialResults): number => votesOf(results, () => true);
const ofCandidate = (results: OfficialResults, name: string): number =>
  votesOf(results, (_, id) => id.startsWith(name));
const registered = ({ election }: OfficialResults): number =>
  election.locations.reduce((sum, { registered_voters }) => sum + registered_voters!, 0);
const shape = ({ election }: OfficialResults): number[] => [
  election.contests.length,
  election.candidates.length,
  election.locations.length,
  election.parents.length,
];
const aggregates = ({ election }: OfficialResults): string[] =>
  election.candidates.filter(({ aggregate }) => aggregate).map(({ id }) => id);

test('Minnesota 2024', { skip }, async () => {
  const results = await readResults(file('us-mn-2024-president-county-final.csv'), {
    electorate: file('us-mn-2024-electorate.csv'),
  });
  assert.deepEqual(shape(results), [1, 10, 87, 1]);
  assert.equal(total(results), 3_253_920);
  assert.equal(ofCandidate(results, 'Kamala D. Harris'), 1_656_979);
  assert.equal(ofCandidate(results, 'Donald J. Trump'), 1_519_032);
  assert.equal(registered(results), 3_686_101);
  assert.equal(results.election.parents[0]!.registered_voters, 3_686_101);
  assert.deepEqual(aggregates(results), ['WRITE-IN']);
  assert.deepEqual(results.notices, []);
  assert.equal(results.election.id, 'us-mn-2024-president-county-final');
});

test('United States 2024', { skip }, async () => {
  const results = await readResults(file('us-2024-president-county.csv'));
  assert.deepEqual(shape(results), [1, 3, 3_154, 51]);
  assert.equal(total(results), 154_961_013);
  assert.equal(ofCandidate(results, 'Donald J. Trump'), 77_303_568);
  assert.equal(ofCandidate(results, 'Kamala D. Harris'), 75_019_230);
  assert.deepEqual(aggregates(results), ['All other candidates']);
  assert.ok(results.election.locations.every(({ registered_voters }) => registered_voters === null));
});

test('Germany 2025', { skip }, async () => {
  const results = await readResults(file('de-2025-bundestag-wahlkreis.csv'), {
    electorate: file('de-2025-bundestag-wahlkreis-electorate.csv'),
  });
  const { election, votes } = results;
  assert.deepEqual(shape(results).toSpliced(1, 1), [300, 299, 16]);
  assert.equal(
    votesOf(results, (contest) => contest === 'de-btw2025-zweitstimme'),
    49_649_512,
  );
  assert.equal(registered(results), 60_510_631);
  assert.ok(aggregates(results).length > 0 && aggregates(results).every((id) => id.startsWith('Übrige')));
  const local = election.contests.filter(({ location_ids }) => location_ids !== null);
  assert.equal(local.length, 299);
  assert.ok(local.every(({ location_ids }) => location_ids!.length === 1));
  const index = indexElection(election);
  assert.ok(votes.every(({ location, candidate }) => onBallot(index, location, candidate)));
  assert.equal(
    replayedBallots(index, layOutVotes(index, votes)).reduce((sum, ballots) => sum + ballots, 0),
    49_649_534,
  );
});

test('France 2022', { skip }, async () => {
  const results = await readResults(file('fr-2022-president-t1-circonscription.csv'), {
    electorate: file('fr-2022-president-t1-circonscription-electorate.csv'),
  });
  assert.deepEqual(shape(results).slice(0, 3), [1, 12, 577]);
  assert.equal(total(results), 35_132_947);
  assert.equal(ofCandidate(results, 'MACRON'), 9_783_058);
});

test('a feed, and a table of another kind, are refused by name', { skip }, async () => {
  await assert.rejects(
    readResults(file('us-mn-2024-president-county-feed.csv')),
    /:1: timestamp: this is a feed of returns/,
  );
  await assert.rejects(
    readResults(file('us-2024-president-state-certified.csv')),
    /:1: contest: the columns .* are missing/,
  );
});
