/** The Dockerfile is built and compose.yaml run, on stand-ins for the images that they name. */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Expected, expectElection, releasedLater } from '../support/exactness.ts';
import { freePort } from '../support/ports.ts';
import { completeResults, numbersOf, resultsWhere } from '../support/results.ts';
import type { Outcome } from '../support/tallyroom.ts';
import { type Engine, noContainers, openEngine } from './engine.ts';
import { makeStandIns, qualified, readImages } from './stand-ins.ts';

const VOTERS = 20_000;
const PARTITIONS = 2;
/**
 * At this number of votes a second the election lasts ten minutes: no machine is too slow to stop
 * it in the middle.
 */
const SLOW = '20';
const POLL_MS = 200;
const LOG_LINES_MAX = '40';

const images = readImages();
let engine: Engine;
let expected: Expected;

/** The services of compose.yaml, with an election of their own. */
interface Project {
  readonly address: string;
  /** Starts what is not up, or not as it should be. */
  up(rate: string): Promise<void>;
  compose(...args: string[]): Promise<string>;
  /** A property of a service's container, as podman prints it. */
  inspect(service: string, property: string): Promise<string>;
}

async function openProject(context: TestContext, name: string): Promise<Project> {
  const port = await freePort();
  const environment = {
    POSTGRES_PASSWORD: 'onlyForThisTest',
    TALLYROOM_PUBLISH: `127.0.0.1:${port}`,
    TALLYROOM_VOTERS: String(VOTERS),
    TALLYROOM_SEED: '7',
    TALLYROOM_PARTITIONS: String(PARTITIONS),
  };
  const compose = (...args: string[]): Promise<string> => engine.compose(name, environment, ...args);
  context.after(async () => {
    const { error }: Outcome = context;
    if (error)
      context.diagnostic(await compose('logs', '--no-color', '--tail', LOG_LINES_MAX).catch((error) => String(error)));
    await compose('down', '--volumes', '--timeout', '10');
  });
  const address = `http://127.0.0.1:${port}/`;
  return {
    address,
    async up(rate) {
      await engine.compose(name, { ...environment, TALLYROOM_RATE: rate }, 'up', '--detach', '--no-build');
      while (!(await isReady(address))) await delay(POLL_MS);
    },
    compose,
    async inspect(service, property) {
      // Not by its name, which every version of compose makes another way.
      const labels = Object.entries({ project: name, service, oneoff: 'False' });
      const filters = labels.flatMap(([label, value]) => ['--filter', `label=com.docker.compose.${label}=${value}`]);
      const id = (await engine.podman('ps', '--all', '--quiet', ...filters)).trim();
      return (await engine.podman('inspect', '--format', `{{.${property}}}`, id)).trim();
    },
  };
}

const isReady = (address: string): Promise<boolean> =>
  fetch(`${address}readyz`).then(
    ({ ok }) => ok,
    () => false,
  );

/**
 * The dashboard shows every vote once, and `verify` counts the same, as docs/operations.md has it
 * started.
 */
async function assertExact({ address, compose }: Project): Promise<void> {
  assert.deepEqual(numbersOf(await completeResults(address)), expected.results);
  const verified = JSON.parse(await compose('run', '--rm', 'vote', 'verify', '--json'));
  assert.equal(verified.passed, true);
  assert.equal(verified.votes, expected.ballots);
  assert.deepEqual(verified.rejections, {});
}

async function timed<T>(context: TestContext, what: string, work: Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work;
  context.diagnostic(`${what}: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  return result;
}

describe('containers', { skip: noContainers() }, () => {
  const elections = releasedLater();
  before(async () => {
    engine = await openEngine();
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.on(signal, () => void engine.release().finally(() => process.exit(1)));
    expected = await expectElection(elections.owner, { voters: VOTERS, partitions: PARTITIONS });
  });
  after(async () => {
    await elections.release();
    await engine.release();
  });

  test('every target of the Dockerfile that compose.yaml names is built', async (context) => {
    await timed(context, 'stand-ins', makeStandIns(engine, images.bases));
    for (const { image, target } of images.built)
      await timed(context, target, engine.build('.', target, qualified(image)));
  });

  test('compose.yaml holds an election that Spark counts', async (context) => {
    const project = await openProject(context, 'plain');
    await timed(context, 'up', project.up('max'));
    await timed(context, 'counted and verified', assertExact(project));
    assert.equal(await project.inspect('count', 'RestartCount'), '0');
    const healthOf = (service: string): Promise<string> => project.inspect(service, 'State.Health.Status');
    while ((await healthOf('dashboard')) === 'starting') await delay(POLL_MS);
    for (const service of ['postgres', 'kafka', 'spark', 'dashboard'])
      assert.equal(await healthOf(service), 'healthy', service);
    // docker-compose 1.29 stops all at once, and a count whose servers are gone ends with 130.
    await timed(context, 'stages stopped', project.compose('stop', 'vote', 'count', 'dashboard'));
    await timed(context, 'stopped', project.compose('stop'));
    // 143 is what Java ends with when it was asked to.
    for (const [service, code] of Object.entries({
      count: '0',
      dashboard: '0',
      postgres: '0',
      kafka: '143',
      spark: '143',
    }))
      assert.equal(await project.inspect(service, 'State.ExitCode'), code, service);
  });

  test('a counting container that is killed is started again, and counts each vote once', async (context) => {
    const project = await openProject(context, 'killed');
    await timed(context, 'up', project.up(SLOW));
    await timed(
      context,
      'first votes counted',
      resultsWhere(project.address, ({ totals }) => totals.ballots_cast! > 0),
    );
    process.kill(Number(await project.inspect('count', 'State.Pid')), 'SIGKILL');
    while ((await project.inspect('count', 'RestartCount')) === '0') await delay(POLL_MS);
    const { totals } = await resultsWhere(project.address, () => true);
    assert.ok(totals.ballots_cast! < expected.ballots);
    context.diagnostic(`killed at ${totals.ballots_cast} of ${expected.ballots} ballots`);
    await timed(context, 'up again, faster', project.up('max'));
    await timed(context, 'counted and verified', assertExact(project));
  });
});
