import { batch, computed, signal } from '@preact/signals';
import type { ContestResult, Results } from '../../src/domain/results/results.ts';
import { type Connection, type ConnectionEvent, LOST_AFTER_MS, nextConnection } from './connection.ts';
import { followStream } from './stream.ts';

/** The state on show: older than the newest one while the page is paused or at a slower rate. */
export const results = signal<Results | null>(null);
export const definition = signal('');
/** Why the server has nothing to show, in its words; null where it has, or was not asked yet. */
export const waitingFor = signal<string | null>(null);

export const connection = signal<Connection>('connecting');
export const lastContactAt = signal<number | null>(null);
/** The clock of texts such as "3 s ago"; it stands still while the connection is live. */
export const now = signal(Date.now());

export const isPaused = signal(false);
/** Updates that arrived and are not shown yet, because of a pause or a slower rate. */
export const updatesWaiting = signal(0);
export const RATES = [
  { ms: 0, name: 'Every update' },
  { ms: 1_000, name: 'Every second' },
  { ms: 5_000, name: 'Every 5 seconds' },
  { ms: 15_000, name: 'Every 15 seconds' },
] as const;
export const rate_ms = signal(0);

const contestId = signal<string | null>(null);
export const contest = computed<ContestResult | null>(() => {
  const contests = results.value?.contests ?? [];
  return contests.find(({ id }) => id === contestId.value) ?? contests[0] ?? null;
});
export const chooseContest = (id: string): void => {
  contestId.value = id;
};

let newest: { results: Results; id: string; definition: string } | null = null;
let shownAt = 0;
let isScheduled = false;

/** A pause holds the page at what it shows; the first state is shown in any case. */
const isStill = (): boolean => isPaused.value && results.value !== null;

/** Shows the newest state at the next frame that the pause and the chosen rate allow. */
function schedule(): void {
  if (isScheduled || newest === null || isStill()) return;
  isScheduled = true;
  const wait_ms = results.value === null ? 0 : rate_ms.value - (performance.now() - shownAt);
  if (wait_ms > 0) setTimeout(() => requestAnimationFrame(show), wait_ms);
  else requestAnimationFrame(show);
}

function show(): void {
  isScheduled = false;
  if (newest === null || isStill()) return;
  shownAt = performance.now();
  performance.clearMarks('tallyroom-show');
  performance.mark('tallyroom-show');
  const next = newest;
  batch(() => {
    results.value = next.results;
    definition.value = next.definition;
    waitingFor.value = null;
    updatesWaiting.value = 0;
  });
}

export function setPaused(paused: boolean): void {
  isPaused.value = paused;
  if (!paused) schedule();
}

export function setRate(ms: number): void {
  rate_ms.value = ms;
  schedule();
}

const startedAt = Date.now();

function take(event: ConnectionEvent): void {
  connection.value = nextConnection(connection.value, event);
}

/** Looks at the clock: for the age of the last contact, and for a silence. */
function tick(): void {
  now.value = Date.now();
  if (now.value - (lastContactAt.value ?? startedAt) > LOST_AFTER_MS) take('silence');
}

export function startStore(): void {
  void followStream({
    onResults(state, id, tag) {
      // For measurements: the time from an update's arrival to the frame that shows it.
      performance.clearMarks('tallyroom-update');
      performance.mark('tallyroom-update');
      // A new connection begins with the current state, which may be on show already.
      const isNew = newest === null || newest.id !== id || newest.results.held !== state.held;
      newest = { results: state, id, definition: tag };
      if (isNew && (isPaused.value || rate_ms.value > 0)) updatesWaiting.value++;
      schedule();
    },
    onWaiting(reason) {
      waitingFor.value = reason;
      // A count stays on show. Without one there is nothing to keep.
      if (newest?.results.is_counted) return;
      newest = null;
      results.value = null;
    },
    onContact() {
      lastContactAt.value = Date.now();
      take('contact');
    },
    onBroken() {
      take('break');
      tick();
    },
  });
  setInterval(() => {
    if (connection.value !== 'live') tick();
  }, 1_000);
}
