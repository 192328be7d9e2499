import type { Log, LogBatch, OutgoingRecord, Topic } from '../../src/ports/log.ts';

/**
 * The number of batches that one `read` returns, so that readers are tested with more than one
 * round.
 */
const BATCHES_READ_MAX = 4;

/**
 * A log in memory for tests: appends are at once visible, readers are woken, nothing is compacted.
 */
export class MemoryLog implements Log {
  readonly #batches = new Map<string, LogBatch[]>();
  readonly #waiting = new Set<() => void>();

  /** Appends the records of each topic to partition 0 as one batch a topic. */
  append(records: readonly OutgoingRecord[], partition = 0): void {
    for (const topic of new Set(records.map((record) => record.topic))) {
      const lines = records.filter((record) => record.topic === topic);
      const batches = this.#partition(topic, partition);
      batches.push({
        base_offset: endOf(batches),
        count: lines.length,
        text: lines.map(({ key, value }) => `${key}\t${value}\n`).join(''),
      });
    }
    const woken = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of woken) wake();
  }

  async read(topic: Topic, partition: number, from: number): Promise<readonly LogBatch[]> {
    return this.#partition(topic, partition)
      .filter((batch) => batch.base_offset + batch.count > from)
      .slice(0, BATCHES_READ_MAX);
  }

  async end(topic: Topic, partition: number): Promise<number> {
    return endOf(this.#partition(topic, partition));
  }

  async wait(topic: Topic, partition: number, from: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && endOf(this.#partition(topic, partition)) <= from) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  #partition(topic: Topic, partition: number): LogBatch[] {
    const key = `${topic}:${partition}`;
    const batches = this.#batches.get(key) ?? [];
    this.#batches.set(key, batches);
    return batches;
  }
}

const endOf = (batches: readonly LogBatch[]): number => {
  const last = batches.at(-1);
  return last === undefined ? 0 : last.base_offset + last.count;
};
