import type { Progress } from '../../src/cli/progress.ts';

/** Progress that shows nothing. */
export const silent = (): Progress => ({
  registered: 0,
  voted: 0,
  rejected: 0,
  counted: 0,
  results: null,
  gauges: [],
  say: () => {},
  stop: () => {},
});
