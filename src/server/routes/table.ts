import { EVENTS } from './events.ts';
import { ALIVE, READY } from './health.ts';
import { METRICS } from './metrics.ts';
import { openApiRoute } from './openapi.ts';
import { PHOTO } from './photo.ts';
import { RESULTS_CSV, RESULTS_JSON } from './results.ts';
import type { Route } from './route.ts';

/** Every address of the API, in the order of its description. */
export const ROUTES: readonly Route[] = [
  RESULTS_JSON,
  EVENTS,
  RESULTS_CSV,
  PHOTO,
  ALIVE,
  READY,
  METRICS,
  openApiRoute(() => ROUTES),
];
