import type { Results } from '../../src/domain/results/results.ts';
import { connection, lastContactAt, now } from '../live/store.ts';
import { formatAgo } from '../text/format.ts';

export function Notes({ state }: { state: Results }) {
  return (
    <div class="notes">
      {state.election.is_test && (
        <p class="note is-test">
          <strong>Test election.</strong> These votes are simulated or a rehearsal. They are not results of a real
          election.
        </p>
      )}
      {state.election.ballots_simulated && (
        <p class="note">
          <strong>Ballots are simulated.</strong> The source of this result states votes and no ballots. Ballots and
          turnout are the fewest that hold these votes.
        </p>
      )}
      {!state.is_counted && (
        <p class="note" role="status">
          <strong>Counting has not begun.</strong> No count is published yet. The numbers appear with the first one.
        </p>
      )}
      {state.held !== null && (
        <p class="note is-warning" role="status">
          <strong>Held.</strong> A newer count is not shown because it failed a check. The last sound count is shown.{' '}
          {state.held}
        </p>
      )}
      <ConnectionNote />
    </div>
  );
}

/** Says how old the numbers are: the last ones stay on the page. */
function ConnectionNote() {
  const state = connection.value;
  if (state === 'live' || state === 'connecting') return null;
  const ago = lastContactAt.value === null ? null : formatAgo(now.value - lastContactAt.value);
  const since = ago === null ? 'No contact yet.' : `Last contact ${ago} ago.`;
  return (
    <p class={state === 'lost' ? 'note is-warning' : 'note'} data-note="connection">
      <strong>{state === 'lost' ? 'Connection lost.' : 'Reconnecting.'}</strong> {since}{' '}
      {state === 'lost' && 'The numbers below are the last received and may be out of date. '}
      This page keeps trying by itself.
    </p>
  );
}
