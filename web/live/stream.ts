import type { Results } from '../../src/domain/results/results.ts';
import {
  applyDelta,
  type ResultPlaces,
  type ResultsDelta,
  resultPlaces,
} from '../../src/domain/results/results-delta.ts';
import { isOlderState } from '../../src/domain/results/state-id.ts';

/** The server sends something at least every 5 s; after this silence the connection is broken. */
const SILENCE_MS_MAX = 12_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 10_000;
/** No event comes near this length. A stream that exceeds it is not from this server. */
const EVENT_LENGTH_MAX = 32_000_000;

export interface StreamListener {
  /** A newer state, complete, with its id and the tag of its definition. */
  onResults(results: Results, id: string, definition: string): void;
  /** The server is there and has nothing to show: why, in its words. */
  onWaiting(reason: string): void;
  /** Something arrived. */
  onContact(): void;
  /** This try ended or could not begin; another follows by itself. */
  onBroken(): void;
}

/**
 * Follows the results: the snapshot once, then the event stream. After a break it retries. The
 * pauses grow and are random, so that the pages of many viewers do not come back at the same
 * moment. Never ends. It reads the stream itself: EventSource hides the comments that show that the
 * connection lives, and retries at fixed times.
 */
export async function followStream(listener: StreamListener): Promise<never> {
  const reader = new StreamReader(listener);
  for (let failures = 0; ; failures++) {
    try {
      await reader.read(() => {
        failures = 0;
      });
    } catch {
      // Every failure has the same answer: note the break and retry.
    }
    listener.onBroken();
    const pause_ms = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** failures) * (0.5 + Math.random() / 2);
    await pauseUntilOnline(pause_ms);
  }
}

/** Waits for the pause to end, or for the browser to be online again. */
function pauseUntilOnline(pause_ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      window.removeEventListener('online', end);
      resolve();
    };
    const timer = setTimeout(end, pause_ms);
    window.addEventListener('online', end);
  });
}

class StreamReader {
  readonly #listener: StreamListener;
  #results: Results | null = null;
  #places: ResultPlaces | null = null;
  #definition = '';
  #lastId = '';

  constructor(listener: StreamListener) {
    this.#listener = listener;
  }

  async read(onOpen: () => void): Promise<void> {
    if (this.#results === null) await this.#fetchSnapshot();
    const silence = new AbortController();
    const headers: HeadersInit = this.#lastId === '' ? {} : { 'last-event-id': this.#lastId };
    let timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
    try {
      const response = await fetch('./api/events', { headers, signal: silence.signal, cache: 'no-store' });
      if (!response.ok || response.body === null) throw new Error(`events: ${response.status}`);
      onOpen();
      let rest = '';
      const decoder = new TextDecoder();
      const chunks = response.body.getReader();
      for (;;) {
        const { done, value } = await chunks.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
        this.#listener.onContact();
        const events = (rest + decoder.decode(value, { stream: true })).split('\n\n');
        rest = events.pop() ?? '';
        if (rest.length > EVENT_LENGTH_MAX) throw new Error('events: an event without an end');
        for (const event of events) await this.#take(event);
      }
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  async #take(text: string): Promise<void> {
    const fields = new Map<string, string>();
    for (const line of text.split('\n')) {
      const colon = line.indexOf(': ');
      if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
    }
    const event = fields.get('event');
    if (event === 'resync') await this.#fetchSnapshot();
    if (event !== 'update') return;
    const delta: ResultsDelta = JSON.parse(fields.get('data') ?? '');
    if (this.#results === null || this.#places === null || delta.definition !== this.#definition) {
      await this.#fetchSnapshot();
      return;
    }
    const id = fields.get('id') ?? '';
    // Events older than the snapshot may have queued up while it was on its way.
    if (isOlderState(id, this.#lastId)) return;
    this.#results = applyDelta(this.#results, this.#places, delta);
    this.#lastId = id;
    this.#listener.onResults(this.#results, id, this.#definition);
  }

  async #fetchSnapshot(): Promise<void> {
    const response = await fetch('./api/results', { signal: AbortSignal.timeout(SILENCE_MS_MAX), cache: 'no-cache' });
    this.#listener.onContact();
    if (response.status === 503) {
      this.#results = null;
      this.#lastId = '';
      return this.#listener.onWaiting(await reasonIn(response));
    }
    if (!response.ok) throw new Error(`results: ${response.status}`);
    const id = response.headers.get('tallyroom-event-id') ?? '';
    const results: Results = await response.json();
    this.#results = results;
    this.#places = resultPlaces(results);
    this.#lastId = id;
    this.#definition = response.headers.get('tallyroom-definition') ?? '';
    this.#listener.onResults(results, id, this.#definition);
  }
}

/** The sentence of an error of the API; empty where something else answered. */
async function reasonIn(response: Response): Promise<string> {
  try {
    const { error }: { readonly error?: { readonly message?: string } } = await response.json();
    return error?.message ?? '';
  } catch {
    return '';
  }
}
