import type { DefinitionFormat } from '../election/definition.ts';
import type { Election } from '../election/election.ts';
import type { RemovalReason } from '../election/voter.ts';

/**
 * The records of the compacted topics. Values are JSON; the key is listed with each. Totals are
 * absolute: a record replaces the last one of its key, and the value {@link REMOVED} takes the key
 * out. `covers` is the next `seq` of each partition
 * of `votes` that the record's totals include.
 *
 * Topic `results-by-location` has one of two sets of keys, by the engine that counts the election.
 * The in-process counter writes `location:` and `checkpoint`. Spark, whose rows are groups, writes
 * `ballots:`, `cell:`, `overvotes:`, `progress:` and `totals`, and its counter `recount`. The
 * records of the other two topics differ only in the field that names their state.
 */

/**
 * The value of a key of a result topic that stands for nothing any more. A recount takes out keys
 * that it does not write.
 */
export const REMOVED = 'null';

/** Topic `definition`, key `definition`. It is never replaced. */
export interface DefinitionRecord {
  /** Absent in elections of format 1. */
  readonly format?: DefinitionFormat;
  readonly election: Election;
  /** SHA-256 of the counting definition, hex; of the whole definition in format 1. */
  readonly hash: string;
  /** The number of partitions of `voters` and of `votes`. */
  readonly partitions: number;
  /** ISO 8601, when the election was defined. */
  readonly defined_at: string;
  /** 32 hex digits, drawn when the election was made. Absent in elections of earlier versions. */
  readonly instance?: string;
}
export const DEFINITION_KEY = 'definition';

/**
 * Topic `definition`, key `revision:<n>`. The description that holds from now on. Its counting
 * definition is that of the definition record. Revisions are numbered from 1 without gaps; 0 is the
 * definition record itself.
 */
export interface RevisionRecord {
  readonly revision: number;
  readonly election: Election;
  /** SHA-256 of the whole canonical definition, hex. */
  readonly description_hash: string;
  /** ISO 8601, when the revision was made. */
  readonly made_at: string;
  readonly reason: RevisionReason;
}
export type RevisionReason = 'description' | 'voters-added' | 'voters-removed';
export const REVISION_KEY_PREFIX = 'revision:';

/**
 * Topic `definition`, key `removal:<voter id>`. The voter is on the roll no more; the voter's
 * record stays in topic `voters`.
 */
export interface RemovalRecord {
  readonly voter_id: number;
  readonly reason: RemovalReason;
  /** The revision that counts the voter no more. */
  readonly revision: number;
}
export const REMOVAL_KEY_PREFIX = 'removal:';

/**
 * Topic `definition`, key {@link rollKey}: the root of the roll. It binds every voter's
 * registration number and location, and shows none of them. Elections made before have none.
 */
export interface RollRecord {
  /** 0 when registration ended; otherwise the revision that changed the roll. */
  readonly revision: number;
  /** SHA-256 of {@link rollRootText}, hex. */
  readonly root: string;
}
export const rollKey = (revision: number): string => (revision === 0 ? 'roll' : `roll:${revision}`);
export const ROLL_KEY = /^roll(?::(\d+))?$/;

/**
 * Topic `definition`, key `votes-end:<partition>`. Every voter of the partition has been asked, and
 * its votes end before `seq_end`.
 */
export interface VotesEndRecord {
  readonly partition: number;
  /** Null where votes followed later: the end is open again. */
  readonly seq_end: number | null;
}
export const VOTES_END_KEY_PREFIX = 'votes-end:';

/** Topic `results-by-location`, key `location:<location id>`. */
export interface LocationResultRecord {
  readonly location_id: string;
  readonly epoch: number;
  readonly covers: readonly number[];
  /** Null where returns do not state them. */
  readonly ballots_cast: number | null;
  readonly contests: { readonly [contestId: string]: SlotResult };
}
export interface SlotResult {
  readonly votes: { readonly [candidateId: string]: number };
  /** Null where returns do not state them. */
  readonly undervotes: number | null;
  readonly overvoted_ballots: number | null;
  /** For returns: the units counted, and all; null where they are unknown. */
  readonly units?: readonly [reporting: number | null, total: number | null];
}
export const LOCATION_KEY_PREFIX = 'location:';

/**
 * Topic `results-by-location`, key `checkpoint`: the last record of every flush. A reader shows a
 * state only when it holds all records up to a checkpoint, so that the state balances.
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
  /** The revision of the description. Absent in results of earlier versions. */
  readonly revision?: number;
  /** The generation of the results; 1 where it is absent. */
  readonly generation?: number;
  /**
   * The digest of the records of all locations as they stand: the sum modulo 2^256 of the SHA-256
   * of each, over key, tab and value; hex. Absent in results of earlier versions.
   */
  readonly digest?: string;
}
export const CHECKPOINT_KEY = 'checkpoint';

/**
 * The fields that every row of the Spark engine carries. They are the same in all rows of one
 * micro-batch.
 */
export interface MicroBatchStamp {
  /** The generation of the query that counts. */
  readonly epoch: number;
  /**
   * ISO 8601 in UTC with milliseconds, always of the same length: when the micro-batch was planned.
   */
  readonly as_of: string;
}

/** Topic `results-by-location`, key {@link ballotsKey}: the ballots of a location. */
export interface LocationBallotsRecord extends MicroBatchStamp {
  readonly location_id: string;
  readonly ballots_cast: number;
}

/** Topic `results-by-location`, key {@link cellKey}: the votes for a candidate in a location. */
export interface CellRecord extends MicroBatchStamp {
  readonly location_id: string;
  readonly contest_id: string;
  readonly candidate_id: string;
  readonly votes: number;
}

/** Topic `results-by-location`, key {@link overvotesKey}. */
export interface OvervotesRecord extends MicroBatchStamp {
  readonly location_id: string;
  readonly contest_id: string;
  readonly overvoted_ballots: number;
}

/**
 * Topic `results-by-location`, key {@link progressKey}: how far a partition of `votes` is counted.
 */
export interface ProgressRecord extends MicroBatchStamp {
  readonly partition: number;
  readonly votes: number;
  /** One past the greatest `seq` counted. */
  readonly seq_end: number;
  /** Whether each seq below `seq_end` was counted once. */
  readonly is_dense: boolean;
}

/**
 * Topic `results-by-location`, key {@link TOTALS_KEY}: the sums over all other rows. They tell a
 * reader whether it has all rows.
 */
export interface TotalsRecord extends MicroBatchStamp {
  /** Of all `ballots:` rows, and of all votes in `progress:` rows. */
  readonly ballots: number;
  /** The selections that count: of all `cell:` rows. */
  readonly marks: number;
  /** Of all `overvotes:` rows. */
  readonly overvotes: number;
  /** Records of topic `votes` that are not boxes. They are not counted. */
  readonly malformed: number;
  /** Boxes cast under another definition. They are not counted. */
  readonly other_definition: number;
  /** Hash of the definition that Spark counts by. */
  readonly definition: string;
  /** The revision of the description that Spark counts under. Absent in earlier versions. */
  readonly revision?: number;
}
export const TOTALS_KEY = 'totals';

/**
 * Topic `results-by-location`, key {@link RECOUNT_KEY}: the first record of a generation that a
 * person ordered. Its counts are a state once they cover these votes.
 */
export interface RecountRecord extends MicroBatchStamp {
  /** The end of each partition of `votes`, as a `seq`, when the recount began. */
  readonly until: readonly number[];
}
export const RECOUNT_KEY = 'recount';

const BALLOTS_KEY_PREFIX = 'ballots:';
const CELL_KEY_PREFIX = 'cell:';
const OVERVOTES_KEY_PREFIX = 'overvotes:';
const PROGRESS_KEY_PREFIX = 'progress:';

export const ballotsKey = (locationId: string): string => BALLOTS_KEY_PREFIX + locationId;
export const cellKey = (locationId: string, contestId: string, candidateId: string): string =>
  CELL_KEY_PREFIX + JSON.stringify([locationId, contestId, candidateId]);
export const overvotesKey = (locationId: string, contestId: string): string =>
  OVERVOTES_KEY_PREFIX + JSON.stringify([locationId, contestId]);
export const progressKey = (partition: number): string => PROGRESS_KEY_PREFIX + partition;

/** A key of the Spark engine in `results-by-location`, taken apart. */
export type MicroBatchKey =
  | { readonly kind: 'ballots'; readonly location_id: string }
  | { readonly kind: 'cell'; readonly location_id: string; readonly contest_id: string; readonly candidate_id: string }
  | { readonly kind: 'overvotes'; readonly location_id: string; readonly contest_id: string }
  | { readonly kind: 'progress'; readonly partition: number }
  | { readonly kind: 'totals' }
  | { readonly kind: 'recount' };

/**
 * Undoes {@link ballotsKey}, {@link cellKey}, {@link overvotesKey} and {@link progressKey}; null
 * for any other key.
 */
export function parseMicroBatchKey(key: string): MicroBatchKey | null {
  if (key.startsWith(CELL_KEY_PREFIX)) {
    const ids = parseIds(key.slice(CELL_KEY_PREFIX.length), 3);
    return ids && { kind: 'cell', location_id: ids[0]!, contest_id: ids[1]!, candidate_id: ids[2]! };
  }
  if (key.startsWith(BALLOTS_KEY_PREFIX)) return { kind: 'ballots', location_id: key.slice(BALLOTS_KEY_PREFIX.length) };
  if (key.startsWith(OVERVOTES_KEY_PREFIX)) {
    const ids = parseIds(key.slice(OVERVOTES_KEY_PREFIX.length), 2);
    return ids && { kind: 'overvotes', location_id: ids[0]!, contest_id: ids[1]! };
  }
  if (key.startsWith(PROGRESS_KEY_PREFIX)) {
    const partition = key.slice(PROGRESS_KEY_PREFIX.length);
    return /^(0|[1-9]\d{0,5})$/.test(partition) ? { kind: 'progress', partition: Number(partition) } : null;
  }
  if (key === RECOUNT_KEY) return { kind: 'recount' };
  return key === TOTALS_KEY ? { kind: 'totals' } : null;
}

/** A JSON array of `count` texts, however its writer spaces and escapes it. */
function parseIds(text: string, count: number): readonly string[] | null {
  try {
    const ids: unknown = JSON.parse(text);
    return Array.isArray(ids) && ids.length === count && ids.every((id) => typeof id === 'string') ? ids : null;
  } catch {
    return null;
  }
}

/**
 * Topic `votes-per-candidate`, key `candidateKey` of the candidate. The in-process counter gives
 * `covers`, Spark `as_of`.
 */
export interface CandidateResultRecord {
  readonly contest_id: string;
  readonly candidate_id: string;
  readonly name: string;
  readonly party: string | null;
  readonly votes: number;
  readonly epoch: number;
  readonly covers?: readonly number[];
  readonly as_of?: string;
  /** The revision of the description that names the candidate. */
  readonly revision?: number;
}

/**
 * Topic `turnout-by-location`, key `<location id>`. The in-process counter gives `covers`, Spark
 * `as_of`.
 */
export interface TurnoutRecord {
  readonly location_id: string;
  readonly name: string;
  readonly registered_voters: number | null;
  /** Null where returns do not state them. */
  readonly ballots_cast: number | null;
  /** Null where registered voters are unknown or none, or ballots are unknown. */
  readonly turnout: number | null;
  readonly epoch: number;
  readonly covers?: readonly number[];
  readonly as_of?: string;
  /** The revision of the description that gives name and electorate. */
  readonly revision?: number;
}

/**
 * Topic `voters`: one registered voter, no personal data. `place` is the voter's fixed place on the
 * election's roll.
 */
export interface VoterRecord {
  readonly seq: number;
  readonly voter_id: number;
  readonly location_id: string;
  readonly place: number;
}
