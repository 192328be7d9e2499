import type { VoteColumns } from '../ballots/vote-columns.ts';

/**
 * The ballots of one batch as text that does not depend on their order: a line for each distinct
 * ballot, `location candidate,candidate,... ballots`, all of them numbers, in ascending order of
 * the characters. `recount-batches.sql` makes the same text from table `votes`.
 */
export class BatchText {
  /** Ballots with at most one selection, by a number made of location and candidate. */
  readonly #common = new Map<number, number>();
  readonly #others = new Map<string, number>();
  readonly #candidates: number;

  constructor(candidates: number) {
    this.#candidates = candidates;
  }

  /** Adds vote `i` of the columns. */
  add(votes: VoteColumns, i: number): void {
    const [from, to] = [votes.starts[i]!, votes.starts[i + 1]!];
    if (to - from > 1) {
      const ballot = `${votes.locations[i]} ${votes.selections.subarray(from, to).join(',')}`;
      this.#others.set(ballot, (this.#others.get(ballot) ?? 0) + 1);
      return;
    }
    const candidate = from === to ? this.#candidates : votes.selections[from]!;
    const ballot = votes.locations[i]! * (this.#candidates + 1) + candidate;
    this.#common.set(ballot, (this.#common.get(ballot) ?? 0) + 1);
  }

  /** @returns the text of the ballots added since the last call. */
  take(): string {
    const lines = Array.from(this.#others, ([ballot, n]) => `${ballot} ${n}`);
    const width = this.#candidates + 1;
    for (const [ballot, n] of this.#common) {
      const candidate = ballot % width;
      lines.push(`${Math.floor(ballot / width)} ${candidate === this.#candidates ? '' : candidate} ${n}`);
    }
    this.#others.clear();
    this.#common.clear();
    return lines.sort().join('\n');
  }
}
