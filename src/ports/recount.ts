import type { Tally } from '../domain/counting/tally.ts';
import type { RollRecord } from '../domain/log/records.ts';
import type { RemovedVoter, RollBlock } from '../domain/log/roll-root.ts';
import type { ElectionEntry } from './elections.ts';
import type { Topic } from './log.ts';

/**
 * What `verify` asks of PostgreSQL. Each method reads one moment, so the parts of its answer fit
 * together while others register, vote and count. A query is cancelled when the signal aborts.
 */
export interface Recount {
  /** The ends of the log and the small tables, all of one moment. */
  moment(entry: ElectionEntry, signal: AbortSignal): Promise<Moment>;
  /**
   * The votes of the batches that the log held at a moment, counted by SQL alone. `offBallot`
   * counts votes that no ballot of the election can hold: their location is not in the election, or
   * their choice is not on the ballot there.
   */
  tally(entry: ElectionEntry, ends: VoteEnds, signal: AbortSignal): Promise<{ tally: Tally; offBallot: number }>;
  /** The participants beside the votes. */
  turnout(entry: ElectionEntry, signal: AbortSignal): Promise<Turnout>;
  /** The digest of the participants. */
  participation(entry: ElectionEntry, signal: AbortSignal): Promise<Participation>;
  /** The roll. */
  electorate(entry: ElectionEntry, signal: AbortSignal): Promise<Electorate>;
  /**
   * The blocks of the roll with these numbers, in this order, made again from table `voters`. An
   * election without a nonce gives none.
   */
  rollBlocks(entry: ElectionEntry, blocks: readonly number[], signal: AbortSignal): AsyncIterable<RollBlockCount>;
  /** All batches, by partition and in the order of their chain. Closing releases them. */
  openBatches(entry: ElectionEntry, signal: AbortSignal): Promise<BatchEntries>;
  /**
   * Compares voters of consecutive ids with table `voters`.
   * @returns the first few differences.
   */
  compareVoters(entry: ElectionEntry, voters: VoterRange, signal: AbortSignal): Promise<string[]>;
  /** The refused votes by reason. */
  rejections(entry: ElectionEntry): Promise<ReadonlyMap<string, number>>;
}

/** The voters of a block, and their digest; null where there are none. */
export interface RollBlockCount {
  readonly voters: number;
  readonly digest: string | null;
}

/** The batches that each partition of topic `votes` holds: a part of {@link Moment}. */
export type VoteEnds = readonly Pick<LogEndEntry, 'next_batch'>[];

export interface LogEndEntry {
  readonly topic: Topic;
  readonly partition: number;
  readonly next_offset: number;
  readonly next_seq: number;
  readonly next_batch: number;
  readonly hash: string | null;
  readonly participation: string | null;
  /** One past the last record in table `log`; null where the table has none. */
  readonly stored_end: number | null;
}

export interface SourceEntry {
  readonly source: string;
  readonly partition: number;
  readonly next_offset: number;
}

export interface RejectionEntry {
  readonly source: string;
  readonly partition: number;
  readonly reason: string;
  readonly last_offset: number;
  readonly first_at: string;
  readonly last_at: string;
  readonly votes: number;
}

/** Rows of the small tables, with the columns as they are named there. */
export type Rows = readonly Readonly<Record<string, unknown>>[];

export interface Moment {
  /** The clock of PostgreSQL, ISO 8601. */
  readonly now: string;
  /** The whole row of table `elections`, by column. */
  readonly election: Readonly<Record<string, unknown>> &
    Pick<ElectionEntry, 'definition' | 'definition_hash' | 'revision' | 'voters_total'>;
  readonly log_ends: readonly LogEndEntry[];
  readonly sources: readonly SourceEntry[];
  readonly rejections: readonly RejectionEntry[];
  readonly writers: readonly { readonly name: string; readonly epoch: number }[];
  /** All rows of table `batches`, and the votes in them. */
  readonly batches: { readonly rows: number; readonly votes: number };
  readonly revisions: Rows;
  readonly removals: readonly RemovedVoter[];
  /** Whether the election has the nonce that its digests of voters are made with. */
  readonly has_nonce: boolean;
  readonly roll_blocks: readonly RollBlock[];
  readonly roll_roots: readonly RollRecord[];
  readonly contests: Rows;
  readonly parties: Rows;
  readonly candidates: Rows;
  readonly locations: Rows;
}

export interface Turnout {
  /** Participants, and votes in table `batches` at the same moment. */
  readonly participants: number;
  readonly batched: number;
  /** Participants who are not voters of the election, or were removed from its roll. */
  readonly strangers: number;
  readonly removed: number;
  /** Places where not as many voters took part as ballots were cast, the first few. */
  readonly differing: readonly {
    readonly location: number | null;
    readonly participants: number;
    readonly ballots: number;
  }[];
}

/** The digest of the participants and the last batch of each partition, of one moment. */
export interface Participation {
  /** Over table `participation`, made again. Null in an election made before digests. */
  readonly sum: string | null;
  /** The digest that the batch carries. Partitions without a batch are left out. */
  readonly batches: readonly { readonly partition: number; readonly participation: string | null }[];
}

export interface Electorate {
  readonly revision: number;
  readonly voters_total: number | null;
  /** Rows of the table, also of voters who were removed. */
  readonly voters: number;
  readonly removed: number;
  /** The voters in the log, by `log_ends`. */
  readonly published: number;
  /** Voters on the roll, by location number. */
  readonly by_location: ReadonlyMap<number, number>;
}

/** One row of table `batches`, with the votes of table `votes` that name it. */
export interface BatchEntry {
  readonly batch_no: number;
  readonly source: string;
  readonly first_seq: number;
  readonly votes: number;
  readonly definition_hash: string;
  readonly hash: string;
  /** Milliseconds. */
  readonly cast_at: number;
  /** The digests that the last box of the batch carries, too; null in batches before digests. */
  readonly digest: string | null;
  readonly participation: string | null;
  /** SHA-256 of the ballots in table `votes`, as {@link batchText} writes them. */
  readonly ballots: string | null;
}

export interface BatchEntries extends AsyncDisposable {
  /** Call it with ascending partitions. */
  of(partition: number): AsyncIterable<BatchEntry>;
  /** The numbers that votes name and table `batches` lacks, once all partitions are read. */
  strays(): Promise<readonly number[]>;
}

/** Voters of one partition of topic `voters`, with ascending ids. */
export interface VoterRange {
  readonly ids: Float64Array;
  readonly locations: Int32Array;
}
