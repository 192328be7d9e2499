import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSeed, hashToUnit, type Seed } from '../../src/domain/numbers/random.ts';
import {
  assertMinnesota,
  type Document,
  dataFile,
  MINNESOTA_VOTES,
  minnesota,
  NEEDS_DATA,
  rowsOf,
} from '../support/minnesota.ts';
import { addressOf, resultsWhere } from '../support/results.ts';
import { type Started, start, tallyroom, tellOfFailure, temporaryDirectory } from '../support/tallyroom.ts';

/**
 * The seed that decides where the kills fall. A failure prints it, and TALLYROOM_SEED repeats it.
 */
const SEED = process.env.TALLYROOM_SEED ?? String(process.pid);
const KILLS = 10;
/** A kill should fall anywhere between two states, not just after one. */
const JITTER_MS_MAX = 300;
/** About the time that a process takes until it votes. */
const START_MS_MAX = 1_000;
const POLL_MS = 20;

const FULL_SPEED = ['--rate', 'max', '--once', '--json', '--port', '0'];

async function verified(directory: string): Promise<void> {
  const { code, stdout, stderr } = await tallyroom(['verify', '--json', '--data-dir', directory]);
  assert.equal(code, 0, stdout + stderr);
}

/**
 * Waits until this number of votes is counted, and then for a moment drawn from the seed.
 * @throws the output of the process if it ends before
 */
async function untilCounted(started: Started, votes: number, jitter: number): Promise<void> {
  try {
    await resultsWhere(await addressOf(started), ({ sequence }) => sequence >= votes);
  } catch {
    const { code, signal, stderr } = await started.ended;
    throw new Error(`ended with ${code ?? signal} before ${votes} votes were counted:\n${stderr}`);
  }
  await sleep(JITTER_MS_MAX * jitter);
}

describe(`real elections, cast again (TALLYROOM_SEED=${SEED})`, NEEDS_DATA, () => {
  test('Minnesota 2024 whole: every county exact', async () => {
    const directory = temporaryDirectory();
    after(directory.remove);
    const { code, stdout, stderr } = await tallyroom([
      'run',
      ...minnesota(),
      ...FULL_SPEED,
      '--data-dir',
      directory.path,
    ]);
    assert.equal(code, 0, stderr);
    assertMinnesota(JSON.parse(stdout));
    await verified(directory.path);
  });

  test(`Minnesota, the process killed ${KILLS} times at random moments`, async (context) => {
    const directory = temporaryDirectory();
    after(directory.remove);
    const run = (): Started => start(['run', ...minnesota(), ...FULL_SPEED, '--data-dir', directory.path]);
    const key = createSeed(SEED, 'kills');
    for (const [kill, votes] of momentsOf(key).entries()) {
      const started = run();
      context.after(() => tellOfFailure(context, [started]));
      // Every other kill falls while the process starts, or soon after.
      if (kill % 2 === 0) await untilCounted(started, votes, hashToUnit(key, kill, 1));
      else await sleep(START_MS_MAX * hashToUnit(key, kill, 1));
      started.child.kill('SIGKILL');
      const { code, signal, stderr } = await started.ended;
      assert.equal(signal, 'SIGKILL', `ended with ${code} before it was killed:\n${stderr}`);
    }
    const { code, stdout, stderr } = await run().ended;
    assert.equal(code, 0, stderr);
    assertMinnesota(JSON.parse(stdout));
    await verified(directory.path);
  });

  test(`Minnesota, PostgreSQL killed ${KILLS} times at random moments: the process goes on by itself`, async (context) => {
    const directory = temporaryDirectory();
    after(directory.remove);
    const started = start(['run', ...minnesota(), ...FULL_SPEED, '--data-dir', directory.path]);
    context.after(() => tellOfFailure(context, [started]));
    const key = createSeed(SEED, 'postmaster');
    for (const [kill, votes] of momentsOf(key).entries()) {
      await untilCounted(started, votes, hashToUnit(key, kill, 1));
      await killPostmaster(directory.path, started);
    }
    const { code, stdout, stderr } = await started.ended;
    assert.equal(code, 0, stderr);
    assertMinnesota(JSON.parse(stdout));
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
        dataFile(name),
        ...(electorate === null ? [] : ['--electorate', dataFile(electorate)]),
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

/**
 * The number of votes counted when each kill falls, in order. On a machine of any speed, votes are
 * left when they fall.
 */
function momentsOf(key: Seed): number[] {
  const most = 0.5 * MINNESOTA_VOTES;
  return Array.from({ length: KILLS }, (_, kill) => most * hashToUnit(key, kill, 0)).toSorted((a, b) => a - b);
}

/**
 * Kills the current server of the data directory. If it is just starting again, waits until it is
 * there.
 */
async function killPostmaster(directory: string, { child }: Started): Promise<void> {
  for (;;) {
    assert.equal(child.exitCode ?? child.signalCode, null, 'the election has ended before the kill');
    const pid = postmasterOf(directory);
    // The file may still name the server of the last kill, until the next one starts.
    if (pid !== null && existsSync(`/proc/${pid}/cwd`)) {
      process.kill(pid, 'SIGKILL');
      return;
    }
    await sleep(POLL_MS);
  }
}

/** The pid of the server of a data directory, wherever its home is; null where none is running. */
function postmasterOf(directory: string): number | null {
  const pointer = join(directory, 'postgres.location');
  const home = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : join(directory, 'postgres');
  const path = join(home, 'cluster', 'postmaster.pid');
  if (!existsSync(path)) return null;
  const pid = Number(readFileSync(path, 'utf8').split('\n')[0]);
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}
