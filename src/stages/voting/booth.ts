import { randomFillSync } from 'node:crypto';
import { sha256 } from '../../base/sha256.ts';
import { assert } from '../../domain/assert.ts';
import { DRAWS_PER_VOTE, shuffleVotes } from '../../domain/ballots/shuffle.ts';
import { createVoteColumns, type VoteColumns } from '../../domain/ballots/vote-columns.ts';
import { type ElectionIndex, indexElection } from '../../domain/election/election-index.ts';
import { BatchText } from '../../domain/log/batch-text.ts';
import { chainStart, createBoxWriter } from '../../domain/log/box.ts';
import type { BatchEnd, SealedVotes } from '../../ports/ballot-batch.ts';
import type { ElectionEntry } from '../../ports/elections.ts';

/**
 * Gathers the votes of a batch, shuffles them and seals them into boxes. One booth serves one
 * partition. Each batch fills the same columns again, so memory does not grow with votes.
 */
export interface Booth {
  readonly index: ElectionIndex;
  /** The votes of the present batch, in the order of casting. `reserve` may replace the object. */
  readonly cast: VoteColumns;
  /** Makes room for a batch of this size, where there is not enough. */
  reserve(votes: number, selections: number): void;
  /**
   * Shuffles the votes at the accepted positions and chains their boxes to the end. The last box
   * carries the digests of the batch. The shuffle uses random numbers without a seed.
   */
  seal(end: BatchEnd, accepted: ReadonlySet<number> | null): SealedVotes;
}

/** @param selections the room for the selections of all votes of a batch together. */
export function openBooth(entry: ElectionEntry, votes: number, selections: number): Booth {
  assert(entry.definition !== null && entry.definition_hash !== null, 'the election is defined');
  const definition = entry.definition_hash;
  const index = indexElection(entry.definition);
  const writer = createBoxWriter(index, definition, sha256);
  const ballots = new BatchText(index.election.locations.length, index.election.candidates.length);
  const makeRoom = (most: number, selected: number) => ({
    cast: createVoteColumns(most, selected),
    shuffled: createVoteColumns(most, selected),
    draws: new Uint32Array(DRAWS_PER_VOTE * most),
    order: new Uint32Array(most),
  });
  let room = makeRoom(votes, selections);
  return {
    index,
    get cast() {
      return room.cast;
    },
    reserve(most, selected) {
      const has = room.cast;
      if (most > has.locations.length || selected > has.selections.length)
        room = makeRoom(Math.max(most, has.locations.length), Math.max(selected, has.selections.length));
    },
    seal(end, accepted) {
      const { cast, shuffled, draws, order } = room;
      randomFillSync(draws, 0, DRAWS_PER_VOTE * cast.count);
      shuffleVotes(cast, accepted, draws, order, shuffled);
      const { next_seq, hash: head } = end.head;
      const previous = head ?? chainStart(sha256, entry.id, definition, end.partition);
      for (let i = 0; i < shuffled.count; i++) ballots.add(shuffled, i);
      const digest = sha256(ballots.take());
      const records = writer.write(shuffled, next_seq, previous, { digest, participation: end.participation });
      return { votes: shuffled, records, digest };
    },
  };
}
