import type { ResultsFeed } from '../../live/results-feed.ts';
import { type Answer, errorAnswer } from '../answer.ts';

/** The answer of every address that needs a state, where there is none. */
export function noState(feed: ResultsFeed): Answer {
  const trouble = feed.trouble();
  if (trouble === null)
    return errorAnswer(
      503,
      'WAITING',
      'The election is not defined yet.',
      'Try again shortly; the page does so by itself.',
    );
  return errorAnswer(
    503,
    'NO_SOUND_STATE',
    `There are results, and they are not a sound count. ${trouble}`,
    'Run `tallyroom count`, which counts again from the log, and `tallyroom verify`.',
  );
}
