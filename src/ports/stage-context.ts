import type { Backend } from './backend.ts';
import type { ElectionEntry } from './elections.ts';
import type { Progress } from './progress.ts';

/** The objects that all stages of a process share. */
export interface StageContext {
  readonly backend: Backend;
  readonly entry: ElectionEntry;
  readonly progress: Progress;
  /** Ends the stage, after the stage has finished the work in hand. */
  readonly signal: AbortSignal;
}
