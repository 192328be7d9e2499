import type { Results } from '../domain/results/results.ts';
import type { Gauge } from '../ports/counter.ts';

/** What a run tells its terminal, on standard error: one live line on a terminal, a line every few seconds in a file. */
export interface Progress {
  registered: number;
  voted: number;
  rejected: number;
  counted: number;
  results: Results | null;
  /** What the stages of this process measure, for its metrics. */
  gauges: readonly Gauge[];
  /** A line of its own; the same line again within {@link SAME_LINE_MS} is said once, as when several stages meet one thing. */
  say(line: string): void;
  stop(): void;
}

/** Four times a second looks live on a terminal. */
const REFRESH_MS = 250;
/** A file gets a line this often: enough to follow, few enough to read. */
const LINE_MS = 5_000;
/** Several stages meet the same event within this time. */
const SAME_LINE_MS = 5_000;
/** Votes a second are averaged over this long. */
const RATE_WINDOW_MS = 2_000;

const whole = new Intl.NumberFormat('en-GB');
const percent = new Intl.NumberFormat('en-GB', {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

/** @param out usually process.stderr. */
export function showProgress(out: NodeJS.WriteStream): Progress {
  const live = out.isTTY === true;
  const samples: { at: number; counted: number }[] = [];
  let last = '';
  const said = { line: '', at: 0 };
  const clear = live ? '\r\x1b[2K' : '';

  const rate = (now: number): number => {
    samples.push({ at: now, counted: progress.counted });
    while (samples.length > 2 && now - samples[0]!.at > RATE_WINDOW_MS) samples.shift();
    const first = samples[0]!;
    return now === first.at ? 0 : Math.max(0, ((progress.counted - first.counted) * 1000) / (now - first.at));
  };
  const show = (): void => {
    const line =
      `registered ${whole.format(progress.registered)}  voted ${whole.format(progress.voted)}  ` +
      `counted ${whole.format(progress.counted)}  ${whole.format(Math.round(rate(performance.now())))} votes/s` +
      `${progress.rejected > 0 ? `  refused ${whole.format(progress.rejected)}` : ''}${leaderText(progress.results)}`;
    if (live) out.write(`${clear}${line.slice(0, (out.columns ?? 80) - 1)}`);
    else if (line !== last && progress.registered > 0) out.write(`${line}\n`);
    last = line;
  };
  const timer = setInterval(show, live ? REFRESH_MS : LINE_MS);
  timer.unref();

  const progress: Progress = {
    registered: 0,
    voted: 0,
    rejected: 0,
    counted: 0,
    results: null,
    gauges: [],
    say(line) {
      const now = performance.now();
      if (line === said.line && now - said.at < SAME_LINE_MS) return;
      Object.assign(said, { line, at: now });
      out.write(`${clear}${line}\n`);
    },
    stop() {
      clearInterval(timer);
      if (live && last !== '') out.write(clear);
    },
  };
  return progress;
}

/** Who leads in the first contest, as a person would say it; empty before the first vote. */
export function leaderText(results: Results | null): string {
  const contest = results?.contests[0];
  const leaders = contest?.candidates.filter((candidate) => candidate.leading) ?? [];
  const [leader] = leaders;
  if (leader === undefined) return '';
  const share = leader.share === null ? '' : ` with ${percent.format(leader.share)}`;
  return leaders.length === 1 ? `  ${leader.name} leads${share}` : `  ${leaders.length} candidates tie${share}`;
}
