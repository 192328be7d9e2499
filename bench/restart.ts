import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { conditions, median, print } from './support.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** Counted before the kill, so that a restart that reads the log again would show. */
const VOTES_BEFORE = 1_000_000;
const LOCATIONS = 87;
const CANDIDATES = 9;
/** 15 million in all: more than are counted before the last kill. */
const VOTES_PER_CELL = 20_000;
const ROUNDS = 5;
/** What is asked of it. */
const MS_TARGET = 3_000;
const LOOK_MS = 10;

/**
 * From the start of the process to the first newly counted vote, after `kill -9` in the middle of
 * counting at full speed: of the process alone, and of the process and PostgreSQL together.
 */
export async function bench(): Promise<void> {
  for (const withPostgres of [false, true]) {
    const times: number[] = [];
    const directory = mkdtempSync(join(tmpdir(), 'tallyroom-restart-'));
    chmodSync(directory, 0o755);
    writeFileSync(resultsPath(directory), resultsFile());
    try {
      let counted = VOTES_BEFORE;
      let running = await startRun(directory);
      for (let round = 0; round < ROUNDS; round++) {
        counted = await waitBeyond(running.url, counted);
        running.child.kill('SIGKILL');
        if (withPostgres) process.kill(postmasterOf(join(directory, 'data')), 'SIGKILL');
        const begun = performance.now();
        running = await startRun(directory);
        counted = await waitBeyond(running.url, counted);
        times.push(performance.now() - begun);
        counted += 200_000;
      }
      running.child.kill('SIGINT');
      await running.ended;
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    print({
      name: withPostgres ? 'restart-with-postgresql' : 'restart',
      median_ms: Math.round(median(times)),
      max_ms: Math.round(Math.max(...times)),
      limit: MS_TARGET,
      ratio: Number((median(times) / MS_TARGET).toFixed(2)),
      rounds: ROUNDS,
      votes_before: VOTES_BEFORE,
      ...conditions(),
    });
  }
}

const resultsPath = (directory: string): string => join(directory, 'results.csv');

function resultsFile(): string {
  let text = 'contest,location_id,location_name,parent_id,parent_name,candidate,party,votes\n';
  for (let location = 0; location < LOCATIONS; location++)
    for (let candidate = 0; candidate < CANDIDATES; candidate++)
      text += `president,L${location},County ${location},,,Candidate ${candidate},,${VOTES_PER_CELL}\n`;
  return text;
}

async function startRun(
  directory: string,
): Promise<{ child: ReturnType<typeof spawn>; url: string; ended: Promise<unknown> }> {
  const options = [
    '--results',
    resultsPath(directory),
    '--rate',
    'max',
    '--port',
    '0',
    '--data-dir',
    join(directory, 'data'),
  ];
  const child = spawn(process.execPath, [MAIN, 'run', ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => child.on('close', resolve));
  let said = '';
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on('data', (chunk) => {
      said += chunk;
      const found = /Results: (\S+)/.exec(said);
      if (found !== null) resolve(found[1]!);
    });
    void ended.then(() => reject(new Error(said)));
  });
  return { child, url, ended };
}

/** @returns the votes counted, once they are more than `counted`. */
async function waitBeyond(url: string, counted: number): Promise<number> {
  for (;;) {
    const response = await fetch(new URL('/metrics', url)).catch(() => null);
    const votes = Number(/^tallyroom_sequence\S* (\d+)/m.exec((await response?.text()) ?? '')?.[1] ?? 0);
    if (votes > counted) return votes;
    await sleep(LOOK_MS);
  }
}

function postmasterOf(directory: string): number {
  const pointer = join(directory, 'postgres.location');
  const home = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : join(directory, 'postgres');
  return Number(readFileSync(join(home, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[0]);
}
