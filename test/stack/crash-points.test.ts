/** Death at every point that a process passes with a named PostgreSQL and a named Kafka. */
import { CRASH_POINTS, type CrashPoint } from '../../src/base/crash-points.ts';
import { type Crash, describeCrashes } from '../support/crashes.ts';
import { NEEDS_STACK } from '../support/stack.ts';
import { openStackElection } from '../support/stack-election.ts';

/**
 * This profile does not use the bundled PostgreSQL, and its brokers compact Kafka's topics. A
 * change of the roll is the same transaction in both profiles.
 */
const EMBEDDED_ONLY = /^(postgres|compact|roll-change|report)\./;

/**
 * A relay publishes at least the voters and, later, the votes of each partition: four passings. The
 * counter publishes zeros first. Points that are the same in both profiles are passed once here, in
 * the middle; test/chaos has the first and later passings.
 */
function crashesAt(point: CrashPoint): Crash[] {
  if (EMBEDDED_ONLY.test(point)) return [];
  const passings = point.startsWith('relay.')
    ? [1, 4]
    : point.startsWith('count.')
      ? [1, 2]
      : [/^(vote|register)\./.test(point) ? 2 : 1];
  return passings.map((passing) => ({ point, passing }));
}

describeCrashes({
  place: 'with PostgreSQL and Kafka',
  skip: NEEDS_STACK,
  concurrency: 2,
  crashes: (Object.keys(CRASH_POINTS) as CrashPoint[]).flatMap(crashesAt),
  open: async (context) => openStackElection(context),
});
