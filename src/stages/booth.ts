import { hash, randomFillSync } from 'node:crypto';
import { type BallotIndex, createVoteColumns, indexBallots, type VoteColumns } from '../domain/ballot.ts';
import { chainStart, createBoxWriter } from '../domain/box.ts';
import { assert } from '../domain/result.ts';
import { DRAWS_PER_VOTE, shuffleVotes } from '../domain/shuffle.ts';
import type { ClaimedPartition, ElectionEntry, SealedVotes } from '../ports/store.ts';

export const sha256 = (text: string): string => hash('sha256', text);

/**
 * Where the votes of a batch are gathered, shuffled and sealed into boxes. One booth serves one partition: its columns are
 * filled again for each batch, so memory does not grow with votes.
 */
export interface Booth {
  readonly index: BallotIndex;
  /** The votes of the batch in hand, as they came in. */
  readonly cast: VoteColumns;
  /** Shuffles the votes at the accepted positions, with chance that no seed tells, and chains their boxes to the head. */
  seal(claimed: ClaimedPartition, accepted: ReadonlySet<number> | null): SealedVotes;
}

/** @param selectionsMax the most selections of a batch, all its votes together. */
export function openBooth(entry: ElectionEntry, votesMax: number, selectionsMax: number): Booth {
  assert(entry.definition !== null && entry.definition_hash !== null, 'the election is defined');
  const definition = entry.definition_hash;
  const index = indexBallots(entry.definition);
  const writer = createBoxWriter(index, definition, sha256);
  const cast = createVoteColumns(votesMax, selectionsMax);
  const votes = createVoteColumns(votesMax, selectionsMax);
  const draws = new Uint32Array(DRAWS_PER_VOTE * votesMax);
  const order = new Uint32Array(votesMax);
  return {
    index,
    cast,
    seal(claimed, accepted) {
      randomFillSync(draws, 0, DRAWS_PER_VOTE * cast.count);
      shuffleVotes(cast, accepted, draws, order, votes);
      const { next_seq, hash: head } = claimed.head;
      const previous = head ?? chainStart(sha256, entry.id, definition, claimed.partition);
      return { votes, records: writer.write(votes, next_seq, previous) };
    },
  };
}
