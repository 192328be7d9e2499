import { keepGoing } from '../base/keep-going.ts';
import type { Progress } from '../ports/progress.ts';
import type { StageContext } from '../ports/stage-context.ts';

/**
 * Runs the work of a stage again while a server cannot be reached. Whatever becomes durable
 * meanwhile begins the patience anew: a stage that gets on now and then is not given up.
 * @throws as {@link keepGoing} does.
 */
export const goOn = <Value>(context: StageContext, work: (context: StageContext) => Promise<Value>): Promise<Value> =>
  keepGoing(
    (succeeded) => work({ ...context, progress: tellingSuccess(context.progress, succeeded) }),
    context.progress.say,
    context.signal,
  );

/** Progress that says so when it grows. A try begins by telling what was there before. */
function tellingSuccess(progress: Progress, succeeded: () => void): Progress {
  let registered = Number.POSITIVE_INFINITY;
  let counted = Number.POSITIVE_INFINITY;
  return {
    ...progress,
    registered(voters) {
      if (voters > registered) succeeded();
      registered = voters;
      progress.registered(voters);
    },
    cast(committed) {
      if (committed.votes + committed.rejected > 0) succeeded();
      progress.cast(committed);
    },
    counted(votes) {
      if (votes > counted) succeeded();
      counted = votes;
      progress.counted(votes);
    },
  };
}
