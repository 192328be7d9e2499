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
  const last = new Map(records.map(({ key, value }) => [key, value]));
  for (const { key } of records) {
    // A foreign record that a recount has taken out decides nothing.
    if (last.get(key) === REMOVED) continue;
    if (key === CHECKPOINT_KEY || key.startsWith(LOCATION_KEY_PREFIX)) return new CheckpointResults(shape);
    if (parseMicroBatchKey(key) !== null) return new MicroBatchResults(shape);
  }
  return null;
}
