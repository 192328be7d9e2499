import { CHECKPOINT_KEY, LOCATION_KEY_PREFIX, parseMicroBatchKey, REMOVED } from '../log/records.ts';
import { CheckpointResults } from './checkpoint-results.ts';
import { MicroBatchResults } from './micro-batch-results.ts';
import type { PublishedRecord, PublishedResults, PublishedShape } from './published-results.ts';

/**
 * The fold for the engine that wrote these records. The first key that only one engine writes
 * decides; null where there is none.
 */
export function createPublishedResults(
  records: readonly PublishedRecord[],
  shape: PublishedShape,
): PublishedResults | null {
  for (const { key, value } of records) {
    if (value === REMOVED) continue;
    if (key === CHECKPOINT_KEY || key.startsWith(LOCATION_KEY_PREFIX)) return new CheckpointResults(shape);
    if (parseMicroBatchKey(key) !== null) return new MicroBatchResults(shape);
  }
  return null;
}
