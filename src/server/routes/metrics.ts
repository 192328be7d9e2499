import { memoryUsage } from 'node:process';
import { NEVER_STORE, textBody } from '../answer.ts';
import type { Context, Route } from './route.ts';

export const METRICS: Route = {
  path: '/metrics',
  summary: 'Metrics in the Prometheus text format.',
  type: 'text/plain',
  answer: (context) => ({
    status: 200,
    body: textBody('text/plain; version=0.0.4; charset=utf-8', metricsText(context)),
    headers: NEVER_STORE,
  }),
};

type Metric = [name: string, type: 'gauge' | 'counter', help: string, value: number, reason?: string];

function metricsText({ hub, feed, gauges }: Context): string {
  const state = feed.state();
  const metrics: Metric[] = [
    ['tallyroom_viewers', 'gauge', 'Viewers connected to the event stream.', hub.viewers],
    ['tallyroom_frames_skipped_total', 'counter', 'Times a slow viewer was skipped.', hub.framesSkipped],
    ['tallyroom_viewers_dropped_total', 'counter', 'Viewers dropped because they read nothing.', hub.viewersDropped],
    ['tallyroom_resident_memory_bytes', 'gauge', 'Memory of this process.', memoryUsage.rss()],
    ['tallyroom_ready', 'gauge', '1 when there is a state to show.', Number(state !== null)],
  ];
  if (state !== null) {
    const { results, epoch } = state;
    const { held } = results;
    const votes = results.contests.reduce((sum, { votes_counted }) => sum + votes_counted, 0);
    const { ballots_cast } = results.totals;
    if (ballots_cast !== null)
      metrics.push(['tallyroom_ballots_cast', 'gauge', 'Ballots counted in the state on show.', ballots_cast]);
    const changedAt_s = Date.parse(results.as_of) / 1000;
    metrics.push(
      ['tallyroom_votes_counted', 'gauge', 'Votes for candidates, all contests.', votes],
      ['tallyroom_sequence', 'gauge', 'Sequence of the state on show.', results.sequence],
      ['tallyroom_epoch', 'gauge', "The counter's epoch.", epoch],
      ['tallyroom_last_change_timestamp_seconds', 'gauge', 'When the state was counted, Unix time.', changedAt_s],
      ['tallyroom_held', 'gauge', '1 when a newer state is held back.', Number(held !== null), held ?? ''],
    );
  }
  for (const { name, help, value } of gauges()) metrics.push([name, 'gauge', help, value]);
  return metrics.map(expose).join('');
}

function expose([name, type, help, value, reason]: Metric): string {
  const labels = reason ? `{reason="${escapeLabel(reason)}"}` : '';
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name}${labels} ${value}\n`;
}

/** The exposition format escapes backslash, quote and newline in label values. */
const escapeLabel = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
