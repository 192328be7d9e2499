import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { CrashPoint } from '../../src/base/crash-points.ts';
import type { Ended } from './tallyroom.ts';

/** Somewhere to hold an election: commands there work on one of the test's own. */
export interface CrashPlace {
  run(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended>;
}

/** Death at one passing of a point. */
export interface Crash {
  readonly point: CrashPoint;
  /** From 1. */
  readonly passing: number;
  /** At most as many voters a second; left out: as fast as it goes. */
  readonly rate?: number;
}

export interface CrashOptions {
  readonly place: string;
  readonly skip?: string | false;
  /** So many tests at a time. */
  readonly concurrency?: number;
  readonly crashes: readonly Crash[];
  open(context: TestContext): Promise<CrashPlace>;
}

/** Several batches a partition, so that a point is passed at the first batch, in the middle and at the last. */
const ELECTION = ['run', '--voters', '4000', '--seed', '11', '--port', '0', '--once', '--json'];
const paced = (rate: number | 'max' = 'max'): string[] => [...ELECTION, '--rate', String(rate)];

function totalsOf({ code, stdout, stderr }: Ended): unknown {
  assert.equal(code, 0, stderr);
  const { totals, contests, locations } = JSON.parse(stdout);
  return { totals, contests, locations };
}

/** Dies at each of these points, starts again, and compares with an election that nothing happened to. */
export function describeCrashes({ place, skip = false, concurrency = 1, crashes, open }: CrashOptions): void {
  describe(`death at every named point, ${place}`, { skip, concurrency }, () => {
    let undisturbed: Promise<unknown> | null = null;
    for (const { point, passing, rate } of crashes)
      test(`${point}, passing ${passing}`, async (context) => {
        undisturbed ??= open(context).then(async (other) => totalsOf(await other.run(paced())));
        const expected = await undisturbed;
        const { run } = await open(context);
        const died = await run(paced(rate), { TALLYROOM_CRASH_AT: `${point}#${passing}` });
        assert.equal(died.signal, 'SIGKILL', `the point was not passed: ${died.stderr}`);
        assert.deepEqual(totalsOf(await run(paced())), expected);
        const verified = await run(['verify', '--json']);
        assert.equal(verified.code, 0, verified.stdout + verified.stderr);
        assert.equal(JSON.parse(verified.stdout).passed, true);
      });
  });
}
