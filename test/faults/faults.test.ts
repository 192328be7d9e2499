import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSeed, hashToUnit, type Seed } from '../../src/domain/numbers/random.ts';
import { openStack, type Stack } from '../../src/stack/stack.ts';
import { assertMinnesota, MINNESOTA_VOTES, NEEDS_DATA } from '../support/minnesota.ts';
import { JARS, killServer } from '../support/stack.ts';
import { temporaryDirectory } from '../support/tallyroom.ts';
import { type Night, openNight, STAGES, type StageName } from './night.ts';

/**
 * The seed that decides where and when the kills fall. A failure prints it, and TALLYROOM_SEED
 * repeats it.
 */
const SEED = process.env.TALLYROOM_SEED ?? String(randomInt(1e9));
/** By hand all faults run, with ten kills each. Under CI a sample runs, drawn anew each time. */
const IS_SAMPLE = process.env.CI === 'true' && process.env.TALLYROOM_FAULTS !== 'all';
const KILLS = IS_SAMPLE ? 3 : 10;
const FAULTS_SAMPLED = 2;
/**
 * The longest time between reaching a moment and the kill. Votes come in batches, and kills should
 * not all fall between two batches.
 */
const JITTER_MS_MAX = 500;

interface Fault {
  readonly engine: 'local' | 'spark';
  /** A server of the stack, or a stage. */
  readonly victim: string;
  readonly workers?: number;
}

const FAULTS: readonly Fault[] = [
  ...STAGES.map((victim): Fault => ({ engine: 'local', victim })),
  { engine: 'spark', victim: 'count' },
  { engine: 'local', victim: 'kafka' },
  { engine: 'spark', victim: 'kafka' },
  { engine: 'local', victim: 'postgres' },
  { engine: 'spark', victim: 'postgres' },
  { engine: 'spark', victim: 'spark' },
  { engine: 'spark', victim: 'spark-worker-1', workers: 2 },
];

function chosenFaults(): readonly Fault[] {
  const named = process.env.TALLYROOM_FAULT;
  if (named !== undefined) return FAULTS.filter(({ engine, victim }) => `${engine}:${victim}` === named);
  if (!IS_SAMPLE) return FAULTS;
  const key = createSeed(SEED, 'faults');
  return FAULTS.map((fault, i) => ({ fault, draw: hashToUnit(key, i, 0) }))
    .toSorted((a, b) => a.draw - b.draw)
    .slice(0, FAULTS_SAMPLED)
    .map(({ fault }) => fault);
}

describe(`Minnesota on Kafka, PostgreSQL and Spark, with kill -9 (TALLYROOM_SEED=${SEED})`, NEEDS_DATA, () => {
  const directory = temporaryDirectory();
  let stack: Stack;
  before(async () => {
    stack = openStack({ directory: join(directory.path, 'stack'), jars: JARS });
    await stack.up();
  });
  after(async () => {
    await stack.down();
    directory.remove();
  });

  for (const fault of chosenFaults())
    test(`${fault.victim} killed ${KILLS} times, counted by ${fault.engine}: exact, and no stage needs help`, async (context) => {
      await stack.up({ workers: fault.workers ?? 0 });
      const night = await openNight(context, stack, fault.engine);
      const key = createSeed(SEED, `${fault.engine} ${fault.victim}`);
      for (const [kill, votes] of momentsOf(key).entries()) {
        await night.reached(fault.victim === 'register' ? 'voters' : 'votes', votes);
        await sleep(JITTER_MS_MAX * hashToUnit(key, kill, 1));
        await killOne(stack, night, fault.victim);
      }
      assertMinnesota(await night.complete(MINNESOTA_VOTES));
      await night.end();
    });
});

/**
 * The number of votes (or voters) in the log when each kill falls, in order. At least one, so that
 * `register` and `vote` are at work.
 */
function momentsOf(key: Seed): number[] {
  const most = 0.9 * MINNESOTA_VOTES;
  return Array.from({ length: KILLS }, (_, kill) => 1 + Math.floor(most * hashToUnit(key, kill, 0))).toSorted(
    (a, b) => a - b,
  );
}

async function killOne(stack: Stack, night: Night, victim: string): Promise<void> {
  if (STAGES.includes(victim as StageName)) return night.killAndStart(victim as StageName);
  await killServer(stack, victim);
  assert.deepEqual(await stack.up(), [victim]);
}
