import type { VoteColumns } from './vote-columns.ts';

/**
 * Two 32-bit draws make one number below 1 with 53 bits. The bias of a pick among 20,000 is then
 * below 2^-38.
 */
export const DRAWS_PER_VOTE = 2;

/**
 * Copies votes in a random order, so that the order in which they were cast is lost. Votes and
 * participation share no key and no order, so no place shows whose vote it is.
 * @param accepted positions to take, or null for all.
 * @param draws at least {@link DRAWS_PER_VOTE} uniform 32-bit numbers for each vote, from a
 * cryptographic source.
 */
export function shuffleVotes(
  cast: VoteColumns,
  accepted: ReadonlySet<number> | null,
  draws: Uint32Array,
  order: Uint32Array,
  into: VoteColumns,
): void {
  let count = 0;
  for (let i = 0; i < cast.count; i++) if (accepted === null || accepted.has(i)) order[count++] = i;
  for (let last = count - 1; last > 0; last--) {
    const high = draws[DRAWS_PER_VOTE * last]!;
    const low = draws[DRAWS_PER_VOTE * last + 1]! >>> 11;
    const picked = Math.floor(((high * 0x20_0000 + low) / 0x20_0000_0000_0000) * (last + 1));
    const other = order[picked]!;
    order[picked] = order[last]!;
    order[last] = other;
  }
  let selected = 0;
  for (let i = 0; i < count; i++) {
    const from = order[i]!;
    into.locations[i] = cast.locations[from]!;
    into.starts[i] = selected;
    for (let at = cast.starts[from]!; at < cast.starts[from + 1]!; at++)
      into.selections[selected++] = cast.selections[at]!;
  }
  into.starts[count] = selected;
  into.count = count;
}
