import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { CrashPoint } from '../../src/base/crash-points.ts';
import type { Ended } from './tallyroom.ts';

/** A place to hold an election: commands there work on an election of the test's own. */
export interface CrashPlace {
  run(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<Ended>;
}

/** Death at one passing of a point. */
export interface Crash {
  readonly point: CrashPoint;
  /** Counted from 1. */
  readonly passing: number;
  /** Voters a second at most; without it as fast as possible. */
  readonly rate?: number;
}

export interface CrashOptions {
  readonly place: string;
  readonly skip?: string | false;
  /** The number of tests that run at the same time. */
  readonly concurrency?: number;
  readonly crashes: readonly Crash[];
  open(context: TestContext): Promise<CrashPlace>;
}

/**
 * An election of several batches a partition, so that a point is passed at the first, at a middle
 * and at the last batch.
 */
const ELECTION = ['run', '--voters', '4000', '--seed', '11', '--port', '0', '--once', '--json'];
const paced = (rate: number | 'max' = 'max'): string[] => [...ELECTION, '--rate', String(rate)];

function totalsOf({ code, stdout, stderr }: Ended): unknown {
  assert.equal(code, 0, stderr);
  const { totals, contests, locations } = JSON.parse(stdout);
  return { totals, contests, locations };
}

/**
 * Dies at each of these points, starts again, and compares with an election that was not disturbed.
 */
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
