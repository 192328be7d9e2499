/**
 * How far a result has come, in the words of NIST SP 1500-100 where it has one. Later ones follow
 * in the order of an election.
 */
export type ResultStatus =
  | 'pre-election'
  | 'unofficial-partial'
  | 'unofficial-complete'
  | 'certified'
  | 'correction'
  | 'recount';

/**
 * The document of `GET /api/results` and of `--json`. All counts are absolute. A share or turnout
 * is a fraction, never clamped.
 */
export interface Results {
  readonly election: {
    readonly id: string;
    readonly name: string;
    readonly date: string | null;
    readonly status: ResultStatus;
    readonly is_test: boolean;
    /** Whether ballots, turnout and undervotes are simulated because the source states none. */
    readonly ballots_simulated: boolean;
  };
  /** ISO 8601: when the counter made this state. */
  readonly as_of: string;
  /** The votes that the counts include, over all partitions: the same in every process. */
  readonly sequence: number;
  /** False before an engine has published a count: zeros then stand for nothing. */
  readonly is_counted: boolean;
  /** Why a newer count is not shown, in a sentence; null where the newest one is. */
  readonly held: string | null;
  readonly totals: ResultTotals;
  /** In the order of the definition. */
  readonly contests: readonly ContestResult[];
  /** The reporting units of the input in its order, without the units above them. */
  readonly locations: readonly LocationResult[];
}

export interface ResultTotals {
  /** Null where one location's electorate is unknown: a part of it would be a wrong denominator. */
  readonly registered_voters: number | null;
  readonly ballots_cast: number;
  readonly turnout: number | null;
  /** The candidates listed in all contests, aggregates included. */
  readonly candidates: number;
  readonly locations: number;
  /** Locations with at least one ballot. */
  readonly locations_reporting: number;
}

export interface ContestResult {
  readonly id: string;
  readonly name: string;
  /** Votes for candidates; undervotes and overvoted ballots are not among them. */
  readonly votes_counted: number;
  readonly undervotes: number;
  readonly seats: number;
  /** In the order of the definition. */
  readonly candidates: readonly CandidateResult[];
}

export interface CandidateResult {
  readonly id: string;
  readonly name: string;
  /** The party's name. */
  readonly party: string | null;
  readonly votes: number;
  /** Of `votes_counted`; null while that is 0. */
  readonly share: number | null;
  /**
   * True for each candidate with the most votes, so for all of a tie. Nobody leads without votes.
   */
  readonly leading: boolean;
  readonly elected: boolean;
}

export interface LocationResult {
  readonly id: string;
  readonly name: string;
  readonly parent_id: string | null;
  readonly type: string;
  readonly registered_voters: number | null;
  readonly ballots_cast: number;
  readonly turnout: number | null;
  /** By contest id, then candidate id; only contests on this location's ballot. */
  readonly votes: { readonly [contestId: string]: { readonly [candidateId: string]: number } };
}

/** The facts of a state beside its counts. */
export interface ResultMoment {
  readonly status: ResultStatus;
  readonly as_of: string;
  readonly sequence: number;
  /** True where it is not given. */
  readonly is_counted?: boolean;
  /** Null where it is not given. */
  readonly held?: string | null;
}

/** True once all votes are counted: from `unofficial-complete` on. */
export const isCompleteStatus = (status: ResultStatus): boolean =>
  status !== 'pre-election' && status !== 'unofficial-partial';
