import type { RejectionReason } from '../domain/ballots/rejection.ts';
import { SELECTIONS_PER_VOTE_MAX } from '../domain/ballots/vote-columns.ts';
import { hasDirectionControl, IdLookup } from '../domain/election/comparison-key.ts';
import { type ElectionIndex, slotAt } from '../domain/election/election-index.ts';
import { err, type Outcome, ok } from '../domain/outcome.ts';
import { findRepeatedKey } from '../files/json-places.ts';
import type { InputProblem } from '../files/problems.ts';

/** Checks cast votes against the definition. Ids are found by their keys. */

/** The reasons why a line is not a vote of this election. */
export type CastVoteReason = Extract<
  RejectionReason,
  | 'malformed'
  | 'unknown-location'
  | 'unknown-contest'
  | 'contest-not-on-ballot'
  | 'unknown-candidate'
  | 'repeated-candidate'
>;

/** One ballot, checked. An overvote is accepted, and counts as an overvote. */
export interface CastVote {
  /**
   * The place in the source: in a file the line where the row begins, from 1; in a topic the offset
   * of the record.
   */
  readonly line: number;
  readonly registration_number: string;
  /** Location number. */
  readonly location: number;
  /** Candidate numbers, ascending, no repeats. */
  readonly selections: readonly number[];
}

export interface RefusedVote {
  readonly line: number;
  readonly reason: CastVoteReason;
  readonly problem: InputProblem;
}

/** The limit of the roll: a longer number is not on it. */
const REGISTRATION_NUMBER_LENGTH_MAX = 100;
/** The selections of a row before the check: contest ids with candidate ids. */
export type Choices = Iterable<readonly [contestId: string, candidateIds: readonly unknown[]]>;

/** The votes of some rows, and the rows that are none. */
export interface CheckedVotes {
  readonly votes: readonly CastVote[];
  readonly refused: readonly RefusedVote[];
}

/** The numbers of ids, as votes may spell them. */
interface VoteIds {
  readonly locations: IdLookup;
  readonly contests: IdLookup;
  /** By contest number. */
  readonly candidates: readonly IdLookup[];
}

const MEMBERS: ReadonlySet<string> = new Set(['registration_number', 'location_id', 'selections']);

/** Blocks of some thousand votes have a checker each; the ids are those of the election. */
const VOTE_IDS = new WeakMap<ElectionIndex, VoteIds>();

function voteIds(index: ElectionIndex): VoteIds {
  let ids = VOTE_IDS.get(index);
  if (ids === undefined) {
    ids = {
      locations: new IdLookup(index.locationNumbers),
      contests: new IdLookup(index.contestNumbers),
      candidates: index.candidateNumbers.map((numbers) => new IdLookup(numbers)),
    };
    VOTE_IDS.set(index, ids);
  }
  return ids;
}

/** Checks the rows of one block against the definition. */
export class VoteChecker {
  readonly #path: string;
  readonly #index: ElectionIndex;
  readonly #ids: VoteIds;
  readonly #votes: CastVote[] = [];
  readonly #refused: RefusedVote[] = [];

  constructor(path: string, index: ElectionIndex) {
    this.#path = path;
    this.#index = index;
    this.#ids = voteIds(index);
  }

  taken(): CheckedVotes {
    return { votes: this.#votes, refused: this.#refused };
  }

  finish(next_line: number): CheckedVotes & { readonly next_line: number } {
    return { next_line, ...this.taken() };
  }

  refuse(line: number, reason: CastVoteReason, problem: InputProblem): void {
    this.#refused.push({ line, reason, problem });
  }

  malformed(line: number, column: string | null, reason: string, nextStep: string): void {
    this.refuse(line, 'malformed', { file: this.#path, line, column, reason, nextStep });
  }

  /** Refuses a vote where an object of the text has two members of one name. @returns whether */
  refuseRepeatedKey(line: number, json: string): boolean {
    const repeated = findRepeatedKey(json);
    if (repeated === null) return false;
    // Another key may be anything, also personal data.
    const isKnown = this.#index.contestNumbers.has(repeated.key) || MEMBERS.has(repeated.key);
    this.malformed(
      line,
      isKnown ? repeated.key : null,
      'the key is there twice, and only one of the two can be meant',
      'write each key once, with all its candidates in one list',
    );
    return true;
  }

  take(line: number, registrationNumber: string, locationId: string, choices: Choices): void {
    const registration_number = registrationNumber.trim();
    if (!isRegistrationNumber(registration_number)) {
      this.malformed(line, 'registration_number', 'is empty, too long or not text', 'write it as it is on the roll');
      return;
    }
    if (hasDirectionControl(registration_number)) {
      this.malformed(
        line,
        'registration_number',
        'contains a character that reverses the direction of writing',
        'remove it',
      );
      return;
    }
    const location = this.#ids.locations.find(locationId.trim());
    const selections = location === -1 ? err('unknown-location' as const) : this.#select(location, choices);
    if (selections.ok) this.#votes.push({ line, registration_number, location, selections: selections.value });
    else {
      const { as, ...problem } = REFUSALS[selections.error];
      this.refuse(line, as, { file: this.#path, line, ...problem });
    }
  }

  #select(location: number, choices: Choices): Outcome<number[], Fault> {
    const selections: number[] = [];
    const contests: number[] = [];
    for (const [contestId, candidateIds] of choices) {
      const contest = this.#ids.contests.find(contestId);
      if (contest === -1) return err('unknown-contest');
      if (contests.includes(contest)) return err('repeated-contest');
      contests.push(contest);
      if (slotAt(this.#index, location, contest) === -1) return err('contest-not-on-ballot');
      if (selections.length + candidateIds.length > SELECTIONS_PER_VOTE_MAX) return err('too-many-selections');
      const ids = this.#ids.candidates[contest]!;
      for (const id of candidateIds) {
        const candidate = typeof id === 'string' ? ids.find(id) : -1;
        if (candidate === -1) return err('unknown-candidate');
        selections.push(candidate);
      }
    }
    selections.sort((a, b) => a - b);
    return selections.some((candidate, i) => candidate === selections[i - 1])
      ? err('repeated-candidate')
      : ok(selections);
  }
}

/** Why the definition refuses a vote. Some reasons have a fault of their own in messages. */
type Fault = Exclude<CastVoteReason, 'malformed'> | 'too-many-selections' | 'repeated-contest';

interface Refusal extends Pick<InputProblem, 'column' | 'reason' | 'nextStep'> {
  /** The reason as `rejections` names it. */
  readonly as: CastVoteReason;
}

/** The message for each fault. */
const REFUSALS: Readonly<Record<Fault, Refusal>> = {
  'repeated-contest': {
    as: 'malformed',
    column: 'selections',
    reason: 'names a contest twice, in two spellings that look the same',
    nextStep: 'name each contest once, with all its candidates in one list',
  },
  'too-many-selections': {
    as: 'malformed',
    column: 'selections',
    reason: `there are more than ${SELECTIONS_PER_VOTE_MAX} selections`,
    nextStep: 'select fewer',
  },
  'unknown-location': {
    as: 'unknown-location',
    column: 'location_id',
    reason: 'is not a location of the election',
    nextStep: 'correct the id',
  },
  'unknown-contest': {
    as: 'unknown-contest',
    column: 'selections',
    reason: 'names a contest that is not in the election',
    nextStep: 'correct the id',
  },
  'contest-not-on-ballot': {
    as: 'contest-not-on-ballot',
    column: 'selections',
    reason: 'names a contest that is not on the ballot of this location',
    nextStep: 'check the location and the contest',
  },
  'unknown-candidate': {
    as: 'unknown-candidate',
    column: 'selections',
    reason: 'names a candidate who does not stand in the contest',
    nextStep: 'correct the id of the candidate',
  },
  'repeated-candidate': {
    as: 'repeated-candidate',
    column: 'selections',
    reason: 'names a candidate twice',
    nextStep: 'name each candidate once',
  },
};

const isRegistrationNumber = (text: string): boolean =>
  text !== '' && text.length <= REGISTRATION_NUMBER_LENGTH_MAX && !text.includes('\0') && text.isWellFormed();
