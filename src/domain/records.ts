import type { BallotIndex } from './ballot.ts';
import type { Election } from './election.ts';
import type { Tally } from './tally.ts';

/**
 * The records of the compacted topics. Values are JSON; keys are listed with each. Totals are absolute: a record replaces the
 * last one of its key. `covers` is the next `seq` of each partition of `votes` that the record's totals include.
 */

/** Topic `definition`, key `definition`. */
export interface DefinitionRecord {
  readonly election: Election;
  /** SHA-256 of the canonical definition, hex. */
  readonly hash: string;
  /** The number of partitions of `voters` and of `votes`. */
  readonly partitions: number;
  /** ISO 8601, when the election was defined. */
  readonly defined_at: string;
}
export const DEFINITION_KEY = 'definition';

/** Topic `definition`, key `votes-end:<partition>`: every voter of the partition has been asked; its votes end before `seq_end`. */
export interface VotesEndRecord {
  readonly partition: number;
  readonly seq_end: number;
}
export const VOTES_END_KEY_PREFIX = 'votes-end:';

/** Topic `results-by-location`, key `location:<location id>`. */
export interface LocationResultRecord {
  readonly location_id: string;
  readonly epoch: number;
  readonly covers: readonly number[];
  readonly ballots_cast: number;
  readonly contests: { readonly [contestId: string]: SlotResult };
}
export interface SlotResult {
  readonly votes: { readonly [candidateId: string]: number };
  readonly undervotes: number;
  readonly overvoted_ballots: number;
}
export const LOCATION_KEY_PREFIX = 'location:';

/**
 * Topic `results-by-location`, key `checkpoint`: the last record of every flush. A reader shows a state only when it holds all
 * records up to a checkpoint, so that what it shows balances.
 */
export interface CheckpointRecord {
  readonly epoch: number;
  readonly covers: readonly number[];
  /** ISO 8601, when the counter made this state. */
  readonly as_of: string;
  /** The offset of the next box of each partition of `votes`. */
  readonly offsets: readonly number[];
  /** The hash of the last counted box of each partition of `votes`. */
  readonly heads: readonly string[];
  /** Hash of the definition the counter counts by. */
  readonly definition: string;
}
export const CHECKPOINT_KEY = 'checkpoint';

/** Topic `votes-per-candidate`, key `["contest id","candidate id"]`. */
export interface CandidateResultRecord {
  readonly contest_id: string;
  readonly candidate_id: string;
  readonly name: string;
  readonly party: string | null;
  readonly votes: number;
  readonly epoch: number;
  readonly covers: readonly number[];
}

/** Topic `turnout-by-location`, key `<location id>`. */
export interface TurnoutRecord {
  readonly location_id: string;
  readonly name: string;
  readonly registered_voters: number | null;
  readonly ballots_cast: number;
  /** Null where registered voters are unknown or none. */
  readonly turnout: number | null;
  readonly epoch: number;
  readonly covers: readonly number[];
}

/** Topic `voters`: one registered voter, no personal data. `place` is the voter's fixed place in the election's roll. */
export interface VoterRecord {
  readonly seq: number;
  readonly voter_id: number;
  readonly location_id: string;
  readonly place: number;
}

/** The result of one location as the topic carries it. */
export function locationResult(
  index: BallotIndex,
  tally: Tally,
  location: number,
  epoch: number,
  covers: readonly number[],
): LocationResultRecord {
  const { contests, candidates, locations } = index.election;
  const slots: [string, SlotResult][] = [];
  for (let slot = index.first_slot[location]!; slot < index.first_slot[location + 1]!; slot++) {
    const contest = index.contest_of_slot[slot]!;
    const votes: [string, number][] = [];
    for (let cell = index.first_cell[slot]!; cell < index.first_cell[slot + 1]!; cell++) {
      const candidate = index.first_candidate[contest]! + cell - index.first_cell[slot]!;
      votes.push([candidates[candidate]!.id, tally.votes[cell]!]);
    }
    slots.push([
      contests[contest]!.id,
      {
        votes: Object.fromEntries(votes),
        undervotes: tally.undervotes[slot]!,
        overvoted_ballots: tally.overvoted[slot]!,
      },
    ]);
  }
  return {
    location_id: locations[location]!.id,
    epoch,
    covers,
    ballots_cast: tally.ballots[location]!,
    contests: Object.fromEntries(slots),
  };
}

/**
 * Puts a location's absolute result into the tally, in place of what it held.
 * @returns the location's number, or -1 for a record of a location, contest or candidate that the definition lacks (nothing is changed then).
 */
export function applyLocationResult(index: BallotIndex, tally: Tally, record: LocationResultRecord): number {
  const location = index.location_numbers.get(record.location_id) ?? -1;
  if (location === -1) return -1;
  const cells: [number, number][] = [];
  const slots: [number, SlotResult][] = [];
  for (const [contestId, result] of Object.entries(record.contests)) {
    const contest = index.contest_numbers.get(contestId) ?? -1;
    const slot = contest === -1 ? -1 : index.slot_of[location * index.vote_for.length + contest]!;
    if (slot === -1) return -1;
    slots.push([slot, result]);
    for (const [candidateId, votes] of Object.entries(result.votes)) {
      const candidate = index.candidate_numbers[contest]!.get(candidateId);
      if (candidate === undefined) return -1;
      cells.push([index.first_cell[slot]! + candidate - index.first_candidate[contest]!, votes]);
    }
  }
  tally.ballots[location] = record.ballots_cast;
  for (const [cell, votes] of cells) tally.votes[cell] = votes;
  for (const [slot, result] of slots) {
    tally.undervotes[slot] = result.undervotes;
    tally.overvoted[slot] = result.overvoted_ballots;
  }
  return location;
}
