import { CRASH_POINTS, type CrashPoint } from '../../src/crash-points.ts';
import { type Crash, describeCrashes } from '../support/crashes.ts';
import { openWorkspace } from '../support/workspace.ts';

/** A topic is compacted after many flushes, which take some seconds of voting. */
const COMPACTING_RATE = 500;

function crashesAt(point: CrashPoint): Crash[] {
  // Without Kafka there is no relay.
  if (point.startsWith('relay.')) return [];
  if (point.startsWith('compact.')) return [{ point, passing: 1, rate: COMPACTING_RATE }];
  const passings = point.startsWith('count.') ? [1, 2] : /^(vote|register)\./.test(point) ? [1, 3] : [1];
  return passings.map((passing) => ({ point, passing }));
}

describeCrashes({
  place: 'embedded',
  crashes: (Object.keys(CRASH_POINTS) as CrashPoint[]).flatMap(crashesAt),
  open: async (context) => openWorkspace(context),
});
