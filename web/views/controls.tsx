import {
  type Connection,
  connection,
  isPaused,
  lastContactAt,
  now,
  RATES,
  rate_ms,
  setPaused,
  setRate,
  updatesWaiting,
} from '../live/store.ts';
import { formatAgo, formatCount } from '../text/format.ts';

const CONNECTION_NAMES: Readonly<Record<Connection, string>> = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  lost: 'Connection lost',
};

export function Controls() {
  const paused = isPaused.value;
  const state = connection.value;
  const isShownPaused = paused && state === 'live';
  return (
    <div class="controls" data-waiting={updatesWaiting.value}>
      <p class={`connection is-${isShownPaused ? 'paused' : state}`} role="status" data-connection={state}>
        <span class="dot" aria-hidden="true" />
        {isShownPaused ? 'Paused' : CONNECTION_NAMES[state]}
      </p>
      <label class="rate">
        <span class="unseen">Update the page</span>
        <select value={rate_ms.value} onChange={(event) => setRate(Number(event.currentTarget.value))}>
          {RATES.map(({ ms, name }) => (
            <option key={ms} value={ms}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button type="button" class="pause" aria-pressed={paused} onClick={() => setPaused(!paused)}>
        {paused ? 'Resume' : 'Pause'}
        {paused && updatesWaiting.value > 0 && (
          <span class="waiting-count">{formatCount(updatesWaiting.value)} new</span>
        )}
      </button>
    </div>
  );
}

/** The last numbers stay; this says how old they are. */
export function ConnectionNote() {
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
