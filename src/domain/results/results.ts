import type { ElectionSource } from '../election/election.ts';

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
    /** Whether ballots are counted, or official returns. */
    readonly source: ElectionSource;
    /** Whether ballots, turnout and undervotes are simulated because the source states none. */
    readonly ballots_simulated: boolean;
  };
  /** ISO 8601: when the counter made this state. */
  readonly as_of: string;
  /** The votes that the counts include, or the versions of returns: the same in every process. */
  readonly sequence: number;
  readonly sequence_of: 'votes' | 'versions';
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
  /** Null where the ballots of a location are unknown. */
  readonly ballots_cast: number | null;
  readonly turnout: number | null;
  /** The candidates listed in all contests, aggregates included. */
  readonly candidates: number;
  readonly locations: number;
  /** Locations with at least one ballot, vote or counted unit. */
  readonly locations_reporting: number;
}

export interface ContestResult {
  readonly id: string;
  readonly name: string;
  /** Votes for candidates; undervotes and overvoted ballots are not among them. */
  readonly votes_counted: number;
  /** Null where they are unknown. */
  readonly undervotes: number | null;
  readonly seats: number;
  /** The units of all its locations; null where one is unknown, or ballots are counted. */
  readonly units: UnitsResult | null;
  /** In the order of the definition. */
  readonly candidates: readonly CandidateResult[];
}

/** How many of the units that a result comes from are counted, such as precincts. */
export interface UnitsResult {
  readonly reporting: number;
  readonly total: number;
}

/** How far a location is counted in a contest, in the words of NIST SP 1500-100. */
export type CountStatus = 'not-processed' | 'in-process' | 'completed' | 'unknown';

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
  readonly ballots_cast: number | null;
  readonly turnout: number | null;
  /** By contest id, then candidate id; only contests on this location's ballot. */
  readonly votes: { readonly [contestId: string]: { readonly [candidateId: string]: number } };
  /** By contest id, for returns; null where ballots are counted, or no unit is known. */
  readonly units: { readonly [contestId: string]: UnitsResult | null } | null;
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
