import type { Results } from '../../src/domain/results/results.ts';
import { contest, isPaused } from '../live/store.ts';
import { countOf } from '../text/format.ts';
import { leaderSentence } from '../text/leader.ts';

/** People that listen to the page hear the state from time to time, not at every vote. */
const ANNOUNCE_MS = 20_000;
let announcedAt = Number.NEGATIVE_INFINITY;
let announced = '';

/** The state in words, for screen readers. */
export function Announcer({ state }: { state: Results }) {
  const chosen = contest.value;
  if (chosen !== null && !isPaused.value && performance.now() - announcedAt > ANNOUNCE_MS) {
    announcedAt = performance.now();
    const { ballots_cast } = state.totals;
    const counted = ballots_cast === null ? countOf(chosen.votes_counted, 'vote') : countOf(ballots_cast, 'ballot');
    announced = `${counted} counted. ${leaderSentence(chosen)}`;
  }
  return (
    <p class="unseen" aria-live="polite">
      {announced}
    </p>
  );
}
