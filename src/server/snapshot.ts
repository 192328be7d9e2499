import { sha256 } from '../base/sha256.ts';
import type { LocationResult, Results } from '../domain/results/results.ts';
import { resultsCsv } from '../domain/results/results-csv.ts';
import type { DashboardState } from '../live/state-builder.ts';
import { Body } from './answer.ts';

/** Serialises each state once, as JSON and as CSV, for all requests together. Holds one state. */
export class Snapshots {
  #state: DashboardState | null = null;
  #json: Body | null = null;
  #csv: Body | null = null;
  /** Locations are most of a document and few change at a time; an entry goes with its location. */
  readonly #locations = new WeakMap<LocationResult, string>();

  json(state: DashboardState): Body {
    this.#turnTo(state);
    this.#json ??= new Body('application/json', etagOf(state, 'json'), Buffer.from(this.#stringify(state.results)));
    return this.#json;
  }

  csv(state: DashboardState): Body {
    this.#turnTo(state);
    const text = () => resultsCsv(state.definition.election, state.results);
    this.#csv ??= new Body('text/csv; charset=utf-8; header=present', etagOf(state, 'csv'), Buffer.from(text()));
    return this.#csv;
  }

  #turnTo(state: DashboardState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#json = null;
    this.#csv = null;
  }

  /** The same text as `JSON.stringify(results)`. */
  #stringify({ locations, ...rest }: Results): string {
    const entries = locations.map((location) => {
      const known = this.#locations.get(location);
      if (known !== undefined) return known;
      const text = JSON.stringify(location);
      this.#locations.set(location, text);
      return text;
    });
    return `${JSON.stringify(rest).slice(0, -1)},"locations":[${entries.join(',')}]}`;
  }
}

/** A state may be held, and go on being shown: so the reason is a part of the tag. */
function etagOf({ id, results: { held } }: DashboardState, kind: string): string {
  return `"${id}-${held === null ? 'sound' : sha256(held).slice(0, 12)}-${kind}"`;
}
