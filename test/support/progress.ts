import type { Progress } from '../../src/ports/progress.ts';

const ignore = (): void => {};

/** Progress that shows nothing. */
export const silent = (): Progress => ({
  say: ignore,
  registered: ignore,
  cast: ignore,
  counted: ignore,
  shown: ignore,
  measured: ignore,
});
