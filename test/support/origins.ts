import type { OriginOptions } from '../../src/registration/origin.ts';

/** The options of an election's origin where a user gives none of them. */
export const NO_ORIGIN_OPTIONS: OriginOptions = {
  election: null,
  candidates: null,
  roll: null,
  api: null,
  results: null,
  electorate: null,
  scale: null,
  readings: null,
  voters: null,
  turnout: null,
  seed: null,
};
