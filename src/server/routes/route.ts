import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ResultsFeed } from '../../live/results-feed.ts';
import type { Gauge } from '../../ports/counter.ts';
import type { Answer } from '../answer.ts';
import type { Hub } from '../hub.ts';
import type { Snapshots } from '../snapshot.ts';

/** The sources that the routes of one server answer from. */
export interface Context {
  readonly feed: ResultsFeed;
  readonly hub: Hub;
  readonly snapshots: Snapshots;
  readonly gauges: () => readonly Gauge[];
}

/** One address of the API. Everything is GET, public and read-only. */
export interface Route {
  readonly path: string;
  readonly summary: string;
  readonly type: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: 'query' | 'header';
    readonly description: string;
  }[];
  /** Null where the route writes the response itself, as the event stream does. */
  answer(context: Context, url: URL, request: IncomingMessage, response: ServerResponse): Answer | null;
}
