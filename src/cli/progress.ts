import { isolate } from '../domain/isolate.ts';
import type { Results } from '../domain/results/results.ts';
import type { Gauge } from '../ports/counter.ts';
import type { Progress } from '../ports/progress.ts';

/** The sums of what the stages of this process have told. */
export interface ProgressSums {
  readonly registered: number;
  readonly voted: number;
  readonly rejected: number;
  readonly counted: number;
  readonly gauges: readonly Gauge[];
}

/**
 * Progress as a terminal shows it, on standard error: one live line on a terminal, a line every few
 * seconds in a file. The same line said again within {@link SAME_LINE_MS} is shown once, as when
 * several stages meet one thing.
 */
export interface ShownProgress extends Progress, Disposable {
  readonly sums: ProgressSums;
}

/** Four times a second looks live on a terminal. */
const REFRESH_MS = 250;
/** A file gets a line this often: enough to follow, few enough to read. */
const LINE_MS = 5_000;
/** Several stages meet the same event within this time. */
const SAME_LINE_MS = 5_000;
/** Votes per second are averaged over this time. */
const RATE_WINDOW_MS = 2_000;

const whole = new Intl.NumberFormat('en-GB');
const percent = new Intl.NumberFormat('en-GB', {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

/** @param out usually process.stderr. */
export function showProgress(out: NodeJS.WriteStream): ShownProgress {
  // A dumb terminal shows codes as letters: it gets lines, as a file does.
  const live = out.isTTY === true && process.env.TERM !== 'dumb';
  const clear = live ? '\r\x1b[2K' : '';
  const sums = { registered: 0, voted: 0, rejected: 0, counted: 0, gauges: [] as readonly Gauge[] };
  const said = { line: '', at: 0 };
  const rate = createRate();
  let results: Results | null = null;
  let last = '';

  const show = (): void => {
    const line = lineOf(sums, rate(sums.counted, performance.now()), results);
    if (live) out.write(`${clear}${line.slice(0, (out.columns ?? 80) - 1)}`);
    else if (line !== last && sums.registered > 0) out.write(`${line}\n`);
    last = line;
  };
  const timer = setInterval(show, live ? REFRESH_MS : LINE_MS);
  timer.unref();

  return {
    sums,
    say(line) {
      const now = performance.now();
      if (line === said.line && now - said.at < SAME_LINE_MS) return;
      Object.assign(said, { line, at: now });
      out.write(`${clear}${line}\n`);
    },
    registered(voters) {
      sums.registered = voters;
    },
    cast({ votes, rejected }) {
      sums.voted += votes;
      sums.rejected += rejected;
    },
    counted(votes) {
      sums.counted = votes;
    },
    shown(newest) {
      results = newest;
    },
    measured(gauges) {
      sums.gauges = gauges;
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      if (live && last !== '') out.write(clear);
    },
  };
}

/** @returns a function that is told how many votes are counted, and gives votes per second. */
function createRate(): (counted: number, now: number) => number {
  const samples: { at: number; counted: number }[] = [];
  return (counted, now) => {
    samples.push({ at: now, counted });
    while (samples.length > 2 && now - samples[0]!.at > RATE_WINDOW_MS) samples.shift();
    const first = samples[0]!;
    return now === first.at ? 0 : Math.max(0, ((counted - first.counted) * 1000) / (now - first.at));
  };
}

function lineOf({ registered, voted, rejected, counted }: ProgressSums, rate: number, results: Results | null): string {
  const refused = rejected > 0 ? `  refused ${whole.format(rejected)}` : '';
  return (
    `registered ${whole.format(registered)}  voted ${whole.format(voted)}  counted ${whole.format(counted)}  ` +
    `${whole.format(Math.round(rate))} votes/s${refused}${leaderText(results)}`
  );
}

/** The leader of the first contest, as a person would say it; empty before the first vote. */
export function leaderText(results: Results | null): string {
  const contest = results?.contests[0];
  const leaders = contest?.candidates.filter((candidate) => candidate.leading) ?? [];
  const [leader] = leaders;
  if (leader === undefined) return '';
  const share = leader.share === null ? '' : ` with ${percent.format(leader.share)}`;
  // A name may be of two people, so no verb follows it.
  return leaders.length === 1
    ? `  Leading: ${isolate(leader.name)}${share}`
    : `  ${leaders.length} candidates tie${share}`;
}
