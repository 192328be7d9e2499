import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import { createSeed, hashToUnit } from '../../src/domain/random.ts';
import { type Started, start, tallyroom, temporaryDirectory } from '../support/tallyroom.ts';

const DATA = [process.env.TALLYROOM_DATA, fileURLToPath(new URL('../../../shared/data', import.meta.url))].find(
  (directory) => directory !== undefined && existsSync(directory),
);
/** Where the kills fall is drawn from this; a failure prints it, and TALLYROOM_SEED repeats it. */
const SEED = process.env.TALLYROOM_SEED ?? String(process.pid);
const KILLS = 10;

const file = (name: string): string => join(DATA!, name);
const options = {
  skip: DATA === undefined && process.env.CI !== 'true' && 'set TALLYROOM_DATA to the directory of the real elections',
  concurrency: 1,
};

const MINNESOTA = (): string[] => [
  '--results',
  file('us-mn-2024-president-county-final.csv'),
  '--electorate',
  file('us-mn-2024-electorate.csv'),
];
const FULL_SPEED = ['--rate', 'max', '--once', '--json', '--port', '0'];

interface Document {
  readonly totals: { readonly ballots_cast: number; readonly registered_voters: number; readonly locations: number };
  readonly contests: { id: string; candidates: { id: string; name: string; votes: number }[] }[];
  readonly locations: { id: string; votes: Record<string, Record<string, number>> }[];
}

/** The rows of a results file, read without the program's own reader. */
const rowsOf = (name: string): { contest: string; location: string; candidate: string; votes: number }[] =>
  parse<Record<'contest' | 'location_id' | 'candidate' | 'votes', string>>(readFileSync(file(name)), {
    columns: true,
  }).map(({ contest, location_id: location, candidate, votes }) => ({
    contest,
    location,
    candidate,
    votes: Number(votes),
  }));

function assertMinnesota(json: string): void {
  const document: Document = JSON.parse(json);
  const votes = (name: string): number =>
    document.contests[0]!.candidates.filter((candidate) => candidate.name.startsWith(name)).reduce(
      (sum, each) => sum + each.votes,
      0,
    );
  assert.deepEqual([votes('Kamala'), votes('Donald'), document.totals.ballots_cast], [1_656_979, 1_519_032, 3_253_920]);
  assert.equal(document.totals.registered_voters, 3_686_101);
  assertCells(document, 'us-mn-2024-president-county-final.csv', 870);
}

function assertCells(document: Document, name: string, rows: number): void {
  const expected = rowsOf(name);
  assert.equal(expected.length, rows);
  const locations = new Map(document.locations.map((location) => [location.id, location]));
  for (const { contest, location, candidate, votes } of expected)
    assert.equal(locations.get(location)!.votes[contest]![candidate], votes, `${location} ${candidate}`);
}

async function verified(directory: string): Promise<void> {
  const { code, stdout, stderr } = await tallyroom(['verify', '--json', '--data-dir', directory]);
  assert.equal(code, 0, stdout + stderr);
}

/** Runs until the process ends by itself, and kills it before at moments drawn from the seed. @returns how often it was killed. */
async function runKilled(
  directory: string,
  kills: number,
  kill: (started: Started) => void,
): Promise<{ stdout: string; killed: number }> {
  const key = createSeed(SEED, 'kills');
  for (let killed = 0; ; ) {
    const started = start(['run', ...MINNESOTA(), ...FULL_SPEED, '--data-dir', directory]);
    if (killed < kills) {
      await sleep(300 + 1_700 * hashToUnit(key, killed, 0));
      kill(started);
    }
    const { code, signal, stdout, stderr } = await started.ended;
    if (signal === 'SIGKILL') killed++;
    else {
      assert.equal(code, 0, stderr);
      return { stdout, killed };
    }
  }
}

describe(`real elections, cast again (TALLYROOM_SEED=${SEED})`, options, () => {
  test('Minnesota 2024 whole: every county exact', async () => {
    const directory = temporaryDirectory();
    after(directory.remove);
    const { code, stdout, stderr } = await tallyroom([
      'run',
      ...MINNESOTA(),
      ...FULL_SPEED,
      '--data-dir',
      directory.path,
    ]);
    assert.equal(code, 0, stderr);
    assertMinnesota(stdout);
    await verified(directory.path);
  });

  test(`Minnesota, the process killed ${KILLS} times at random moments`, async () => {
    const directory = temporaryDirectory();
    after(directory.remove);
    const { stdout, killed } = await runKilled(directory.path, KILLS, ({ child }) => child.kill('SIGKILL'));
    assert.equal(killed, KILLS);
    assertMinnesota(stdout);
    await verified(directory.path);
  });

  test('Minnesota, PostgreSQL killed at random moments under a process that goes on by itself', async () => {
    const directory = temporaryDirectory();
    after(directory.remove);
    const started = start(['run', ...MINNESOTA(), ...FULL_SPEED, '--data-dir', directory.path]);
    await started.says(/Results: http/);
    const key = createSeed(SEED, 'postmaster');
    let killed = 0;
    while (killed < KILLS && started.child.exitCode === null) {
      await sleep(500 + 1_500 * hashToUnit(key, killed, 0));
      const pid = postmasterOf(directory.path);
      if (pid === null || started.child.exitCode !== null) continue;
      // The file may still name the server of the last kill, until the next one starts.
      if (!existsSync(`/proc/${pid}/cwd`)) continue;
      process.kill(pid, 'SIGKILL');
      killed++;
    }
    const { code, stdout, stderr } = await started.ended;
    assert.equal(code, 0, stderr);
    assert.equal(killed, KILLS, stderr);
    assertMinnesota(stdout);
    await verified(directory.path);
  });

  for (const [name, electorate, scale, contests] of [
    ['us-2024-president-county.csv', null, '0.005', 1],
    ['fr-2022-president-t1-circonscription.csv', 'fr-2022-president-t1-circonscription-electorate.csv', '0.02', 1],
    ['de-2025-bundestag-wahlkreis.csv', 'de-2025-bundestag-wahlkreis-electorate.csv', '0.01', 300],
  ] as const)
    test(`${name} at --scale ${scale}: the shares to the vote`, async () => {
      const directory = temporaryDirectory();
      after(directory.remove);
      const given = [
        '--results',
        file(name),
        ...(electorate === null ? [] : ['--electorate', file(electorate)]),
        '--scale',
        scale,
      ];
      const { code, stdout, stderr } = await tallyroom(['run', ...given, ...FULL_SPEED, '--data-dir', directory.path]);
      assert.equal(code, 0, stderr);
      const document: Document = JSON.parse(stdout);
      assert.equal(document.contests.length, contests);
      const real = Map.groupBy(rowsOf(name), (row) => row.contest);
      for (const contest of document.contests) {
        const total = real.get(contest.id)!.reduce((sum, row) => sum + row.votes, 0);
        const counted = contest.candidates.reduce((sum, candidate) => sum + candidate.votes, 0);
        assert.equal(counted, Math.round(total * Number(scale)), contest.id);
      }
      await verified(directory.path);
    });
});

/** Where the server of a data directory keeps its pid, wherever its home is. */
function postmasterOf(directory: string): number | null {
  const pointer = join(directory, 'postgres.location');
  const home = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : join(directory, 'postgres');
  const path = join(home, 'cluster', 'postmaster.pid');
  if (!existsSync(path)) return null;
  const pid = Number(readFileSync(path, 'utf8').split('\n')[0]);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}
