import { spawn } from 'node:child_process';
import { Session } from 'node:inspector/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Backend } from '../src/ports/backend.ts';
import type { Engine } from '../src/ports/counter.ts';
import type { ElectionEntry } from '../src/ports/elections.ts';
import type { Progress } from '../src/ports/progress.ts';
import { chooserOf } from '../src/registration/voters.ts';
import { count } from '../src/stages/count.ts';
import { registerElection } from '../src/stages/register.ts';
import { verify } from '../src/stages/verify.ts';
import { voteFromRoll } from '../src/stages/vote.ts';
import { paceOf } from '../src/stages/voting/pace.ts';
import { silent } from '../test/support/progress.ts';
import { conditions, makeReplay, median, print, withFreshBackend } from './support.ts';
import { measureUsualDemo } from './usual-demo.ts';

/**
 * Votes a second from a voter's record in the log to a published, durable, recountable result, on
 * the embedded profile. Each voter is read from topic `voters`, known and not yet voted (unique
 * index). The vote is stored with fsync on, chained, appended to topic `votes`, counted and
 * published. Registration is a figure of its own. `verify` runs afterwards, untimed.
 *
 * Without options: 1 and 10 million votes, each in a process of its own so that their peak memory
 * can be compared, the shares of the steps, and the pipeline of the usual demonstration on the same
 * server.
 */
export async function bench(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      votes: { type: 'string' },
      profile: { type: 'boolean' },
      demo: { type: 'boolean' },
      repeat: { type: 'string', default: '3' },
    },
  });
  if (values.demo === true) return measureUsualDemo();
  if (values.votes !== undefined) return measure(Number(values.votes), values.profile === true);
  const rates: number[] = [];
  const memory: number[] = [];
  for (let run = 0; run < Number(values.repeat); run++) {
    const { votes_per_s, rss_mb } = await inChild(['--votes', '1000000']);
    rates.push(votes_per_s);
    memory.push(rss_mb);
  }
  const large = await inChild(['--votes', '10000000']);
  await inChild(['--votes', '1000000', '--profile']);
  const demo = await inChild(['--demo']);
  print({
    name: 'throughput',
    votes_per_s: median(rates),
    votes_per_s_10m: large.votes_per_s,
    limit: VOTES_PER_SECOND_TARGET,
    ratio: Number((median(rates) / VOTES_PER_SECOND_TARGET).toFixed(2)),
    rss_mb: median(memory),
    rss_mb_10m: large.rss_mb,
    usual_demo_votes_per_s: demo.votes_per_s,
    ratio_to_usual_demo: Math.round(median(rates) / demo.votes_per_s),
    ...conditions(),
  });
}

/**
 * Runs one measurement in a process of its own. Its lines are passed to standard output.
 * @returns its last line
 */
async function inChild(args: readonly string[]): Promise<{ votes_per_s: number; rss_mb: number }> {
  const child = spawn(
    process.execPath,
    [...process.execArgv, fileURLToPath(new URL('main.ts', import.meta.url)), 'throughput', ...args],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  process.stdout.write(output);
  return JSON.parse(output.trimEnd().split('\n').at(-1)!);
}

async function measure(votes: number, profile: boolean): Promise<void> {
  await withFreshBackend(async (backend) => {
    const entry = await makeReplay(backend, votes);
    const signal = new AbortController().signal;
    const begun = performance.now();
    await registerElection({ backend, entry, progress: silent(), signal });
    print({ name: 'registration', voters: votes, voters_per_s: perSecond(votes, begun), ...conditions() });
    const profiler = profile ? await startProfile() : null;
    const figures = await voteAndCount(backend, entry, votes);
    const shares = await profiler?.();
    await using log = await backend.openLog(entry);
    const { passed } = await verify(entry, log, backend, signal);
    if (!passed) throw new Error('verify disagrees: the figure does not count');
    print({
      name: profile ? 'throughput-profiled' : 'throughput-once',
      votes,
      ...figures,
      rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
      ...(shares === undefined ? {} : { share_of_node_cpu: shares }),
      ...conditions(),
    });
  });
}

const perSecond = (n: number, begun: number): number => Math.round((n * 1000) / (performance.now() - begun));

/** The aim on two cores. */
const VOTES_PER_SECOND_TARGET = 250_000;

/**
 * The seconds that all cores of the machine have worked. On a quiet machine the part that is not
 * this process's is PostgreSQL's.
 */
const machineSeconds = (): number =>
  cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0) / 1000;

/** Votes and counts at the same time until all votes are counted. */
export async function voteAndCount(
  backend: Backend,
  entry: ElectionEntry,
  votes: number,
  engine: Engine = 'local',
): Promise<{ votes_per_s: number; node_cores: number; postgresql_cores: number }> {
  const counted = new AbortController();
  const progress: Progress = {
    ...silent(),
    counted(total) {
      if (total === votes) counted.abort();
    },
  };
  const chooser = chooserOf(entry, await backend.elections.replayed(entry));
  const before = process.cpuUsage();
  const machineBefore = machineSeconds();
  const begun = performance.now();
  const context = { backend, entry, progress, signal: new AbortController().signal };
  await Promise.all([
    voteFromRoll(context, chooser, paceOf('max', votes)),
    count({ ...context, signal: counted.signal }, engine),
  ]);
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(before);
  const node = (user + system) / 1e6 / seconds;
  const machine = (machineSeconds() - machineBefore) / seconds;
  return {
    votes_per_s: Math.round(votes / seconds),
    node_cores: Number(node.toFixed(2)),
    postgresql_cores: Number((machine - node).toFixed(2)),
  };
}

/** The step of the loop that a function belongs to, by its file. The first match decides. */
const STEPS: readonly (readonly [string, RegExp])[] = [
  ['idle', /^\(idle\)/],
  ['collect garbage', /^\(garbage/],
  ['count', /box-counter\.ts|tally\.ts|adapters\/local\/counter\.ts|^read(Fast|Slowly)? .*box\.ts/],
  ['hash', /crypto\/hash|^hash |oneShotDigest/],
  ['compress', /zlib|processChunkSync|^writeSync/],
  ['make boxes', /box\.ts/],
  ['shuffle', /shuffle\.ts|random(Fill)?/],
  ['make COPY rows', /copy\.ts/],
  ['choose', /replay\.ts|simulate\.ts|permutation\.ts|random\.ts|stages\/vote\.ts/],
  ['read voters', /voter-records\.ts/],
  ['talk to PostgreSQL', /\/pg|net:|stream_base|streams\/|writev|writeBuffer|buffer/],
];

async function startProfile(): Promise<() => Promise<Record<string, string>>> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    const nodes = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
    const times = new Map<string, number>();
    for (const [i, id] of (profile.samples ?? []).entries()) {
      const { functionName, url } = nodes.get(id)!;
      const name = `${functionName} ${url}`;
      const step = STEPS.find(([, pattern]) => pattern.test(name))?.[0] ?? 'other';
      times.set(step, (times.get(step) ?? 0) + (profile.timeDeltas?.[i] ?? 0));
    }
    times.delete('idle');
    const total = [...times.values()].reduce((sum, time) => sum + time, 0);
    return Object.fromEntries(
      [...times]
        .toSorted(([, a], [, b]) => b - a)
        .map(([step, time]) => [step, `${((100 * time) / total).toFixed(1)} %`]),
    );
  };
}
