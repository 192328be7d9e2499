import type { Backend } from './backend.ts';
import type { ElectionEntry } from './elections.ts';
import type { Progress } from './progress.ts';

/** What every stage of a process shares. */
export interface StageContext {
  readonly backend: Backend;
  readonly entry: ElectionEntry;
  readonly progress: Progress;
  /** Ends the stage: it finishes what it holds. */
  readonly signal: AbortSignal;
}
