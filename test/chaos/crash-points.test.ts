import { CRASH_POINTS, type CrashPoint } from '../../src/base/crash-points.ts';
import { type Crash, describeCrashes } from '../support/crashes.ts';
import { openWorkspace } from '../support/workspace.ts';

/**
 * Slow enough for plenty of flushes: a topic is compacted after some thirty. The process dies long
 * before the last vote.
 */
const SLOW_RATE = 150;

function crashesAt(point: CrashPoint): Crash[] {
  // A relay needs Kafka. test/e2e has the crash points of a changed roll and of official returns.
  if (/^(relay|roll-change|report)\./.test(point)) return [];
  if (point.startsWith('compact.')) return [{ point, passing: 1, rate: SLOW_RATE }];
  if (point.startsWith('count.')) return [1, 2].map((passing) => ({ point, passing, rate: SLOW_RATE }));
  const passings = /^(vote|register)\./.test(point) ? [1, 3] : [1];
  return passings.map((passing) => ({ point, passing }));
}

describeCrashes({
  place: 'embedded',
  crashes: (Object.keys(CRASH_POINTS) as CrashPoint[]).flatMap(crashesAt),
  open: async (context) => openWorkspace(context),
});
