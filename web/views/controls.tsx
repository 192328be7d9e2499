import type { Connection } from '../live/connection.ts';
import { connection, isPaused, RATES, rate_ms, setPaused, setRate, updatesWaiting } from '../live/store.ts';
import { formatCount } from '../text/format.ts';

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
