/**
 * The leaders and the elected of one contest, by plurality.
 * - `leading`: every candidate with the most votes, if that is more than none.
 * - `elected`: only when every vote is counted (`isComplete`): the `seats` candidates with the most
 *   votes. Where a tie goes across the last seat, nobody of that tie is elected: a lot or a recount
 *   decides, not this program.
 *
 * Aggregates ("write-in") are several people. They neither lead nor are elected, and they take no
 * seat from a candidate.
 */
export function rankCandidates(
  votes: readonly number[],
  isAggregate: readonly boolean[],
  seats: number,
  isComplete: boolean,
): { readonly leading: boolean; readonly elected: boolean }[] {
  const standing = votes.filter((count, i) => !isAggregate[i] && count > 0).sort((left, right) => right - left);
  const most = standing[0] ?? Number.POSITIVE_INFINITY;
  // The best count that wins no seat. A candidate with more is elected; one with as much is in a
  // tie across the last seat.
  const firstLosing = standing[seats] ?? 0;
  return votes.map((count, i) => ({
    leading: !isAggregate[i] && count === most,
    elected: isComplete && !isAggregate[i] && count > firstLosing,
  }));
}
