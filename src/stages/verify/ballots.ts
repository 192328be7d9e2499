import { OperationalError } from '../../base/errors.ts';
import { sha256 } from '../../base/sha256.ts';
import { createVoteColumns, SELECTIONS_PER_VOTE_MAX, type VoteColumns } from '../../domain/ballots/vote-columns.ts';
import { countVote, createTally, type Tally } from '../../domain/counting/tally.ts';
import { selectionsMax } from '../../domain/election/election-index.ts';
import { BatchText } from '../../domain/log/batch-text.ts';
import {
  type BatchSeal,
  type BoxReader,
  chainStart,
  createBoxReader,
  VOTES_PER_BOX_MAX,
} from '../../domain/log/box.ts';
import type { LogRecord } from '../../ports/log.ts';
import type { BatchEntries, BatchEntry, LogEndEntry } from '../../ports/recount.ts';
import { BatchDigests } from './batch-digests.ts';
import { type Check, CLOCKS_MS_MAX, check, noneOf, type Verification } from './check.ts';
import { recordsTo } from './records.ts';

/** Topic `votes`, counted again. */
export interface LogCount {
  /** The votes that the published results cover. */
  readonly counted: Tally;
  /** The votes behind them. */
  readonly behind: Tally;
  /** By partition: the votes in the log. */
  readonly covers: readonly number[];
  /** By partition: the place where the published results end. */
  readonly published: readonly Place[];
  /** The latest minute in which a batch was cast that the published results cover; 0 without. */
  readonly last_cast_at: number;
  /** The votes in the log by source. */
  readonly by_source: ReadonlyMap<string, number>;
  readonly checks: readonly Check[];
  /** Batches without digests: they were cast before there were any. */
  readonly not_covered: number;
}

/** A place between two boxes of a partition. */
export interface Place {
  readonly seq: number;
  readonly offset: number;
  readonly hash: string;
}

/**
 * Folds topic `votes` from nothing to the ends that it had at the moment. Beside it, the function
 * compares each batch with the rows of PostgreSQL.
 * @param covers the votes that the published results cover, by partition.
 */
export async function recountLog(verification: Verification, covers: readonly number[]): Promise<LogCount> {
  const { entry, recount, signal } = verification;
  await using batches = await recount.openBatches(entry, signal);
  const fold = new LogFold(verification, covers);
  for (let partition = 0; partition < entry.partitions; partition++) await fold.partition(partition, batches);
  const strays = await batches.strays();
  fold.batchDifferences.push(...strays.map((batch) => `votes name batch ${batch}, which is not in table batches`));
  return {
    counted: fold.counted,
    behind: fold.behind,
    covers: fold.places.map(({ seq }) => seq),
    published: fold.published,
    last_cast_at: fold.lastCastAt,
    by_source: fold.bySource,
    checks: [
      noneOf('every seq and every link of the chain of hashes in the log', fold.damage),
      noneOf('table log_ends = the ends of topic votes', fold.endDifferences),
      noneOf('batches in PostgreSQL = batches in the chain', fold.batchDifferences),
      check(
        'ballots of each batch in the log = in PostgreSQL',
        0,
        fold.ballotDifferences.length,
        fold.ballotDifferences,
      ),
      fold.digests.check(),
    ],
    not_covered: fold.digests.notCovered,
  };
}

class LogFold {
  readonly counted: Tally;
  readonly behind: Tally;
  readonly places: Place[] = [];
  readonly published: Place[] = [];
  readonly damage: string[] = [];
  readonly endDifferences: string[] = [];
  readonly batchDifferences: string[] = [];
  readonly ballotDifferences: string[] = [];
  readonly bySource = new Map<string, number>();
  readonly digests = new BatchDigests();
  lastCastAt = 0;
  /** The digests in the last box that was read. */
  #seal: BatchSeal | null = null;
  readonly #verification: Verification;
  readonly #covers: readonly number[];
  readonly #reader: BoxReader;
  readonly #box: VoteColumns;
  readonly #text: BatchText;

  constructor(verification: Verification, covers: readonly number[]) {
    const { index } = verification;
    this.#verification = verification;
    this.#covers = covers;
    this.counted = createTally(index);
    this.behind = createTally(index);
    this.#reader = createBoxReader(index);
    const selections = Math.max(SELECTIONS_PER_VOTE_MAX, selectionsMax(index));
    this.#box = createVoteColumns(VOTES_PER_BOX_MAX, VOTES_PER_BOX_MAX * selections);
    this.#text = new BatchText(index.election.locations.length, index.election.candidates.length);
  }

  async partition(partition: number, batches: BatchEntries): Promise<void> {
    const { entry, log, moment, signal } = this.#verification;
    const end = moment.log_ends.find((row) => row.topic === 'votes' && row.partition === partition);
    const start = chainStart(sha256, entry.id, entry.definition_hash!, partition);
    this.places[partition] = { seq: 0, offset: 0, hash: start };
    if (this.#covers[partition] === 0) this.published[partition] = this.places[partition];
    const rows = new BatchRows(this, partition, batches, end?.next_seq ?? 0);
    await rows.next();
    try {
      for await (const record of recordsTo(log, 'votes', partition, end?.next_offset ?? 0, signal)) {
        this.#fold(partition, record);
        const { seq } = this.places[partition];
        // A box belongs to one batch, so a batch ends with a box.
        if (rows.current !== null && seq >= rows.current.first_seq + rows.current.votes) await this.#closeBatch(rows);
      }
    } catch (cause) {
      signal.throwIfAborted();
      // A server that does not answer says nothing about the log.
      if (cause instanceof OperationalError && cause.canRetry) throw cause;
      this.damage.push(`partition ${partition}: ${cause instanceof Error ? cause.message : cause}`);
    }
    this.#text.take();
    this.#compareEnd(partition, end, rows);
    await rows.finish();
  }

  /** Counts one record of the topic, and moves the place behind it. */
  #fold(partition: number, record: LogRecord): void {
    const { index, entry } = this.#verification;
    const place = this.places[partition]!;
    const box = this.#reader.read(record.value, this.#box);
    const offset = record.offset + 1;
    if (box.seq !== place.seq) throw new Error(`expected seq ${place.seq} and got ${box.seq}`);
    if (box.definition !== entry.definition_hash)
      throw new Error(`seq ${box.seq} was cast under another definition (${box.definition})`);
    if (sha256(place.hash + box.body) !== box.hash) throw new Error(`the chain of hashes breaks at seq ${box.seq}`);
    const tally = box.seq < (this.#covers[partition] ?? 0) ? this.counted : this.behind;
    for (let i = 0; i < box.count; i++) {
      countVote(index, tally, this.#box, i);
      this.#text.add(this.#box, i);
    }
    this.#seal = box.seal;
    this.places[partition] = { seq: box.seq + box.count, offset, hash: box.hash };
    if (this.places[partition].seq === this.#covers[partition]) this.published[partition] = this.places[partition];
  }

  async #closeBatch(rows: BatchRows): Promise<void> {
    const batch = rows.current!;
    this.bySource.set(batch.source, (this.bySource.get(batch.source) ?? 0) + batch.votes);
    const ballots = sha256(this.#text.take());
    if (batch.ballots !== ballots)
      this.ballotDifferences.push(`batch ${batch.batch_no} has other ballots in table votes than in the log`);
    this.digests.compare(rows.partition, batch, this.#seal, ballots);
    rows.compare(this.places[rows.partition]!);
    rows.participation = batch.participation;
    if (batch.first_seq < (this.#covers[rows.partition] ?? 0))
      this.lastCastAt = Math.max(this.lastCastAt, batch.cast_at);
    await rows.next();
  }

  #compareEnd(partition: number, end: LogEndEntry | undefined, rows: BatchRows): void {
    const place = this.places[partition]!;
    if (end === undefined) this.endDifferences.push(`partition ${partition} of topic votes is not in table log_ends`);
    else {
      const compare = (what: string, left: unknown, right: unknown): void => {
        if (left !== right)
          this.endDifferences.push(`votes/${partition}: ${what} is ${right}, and the log ends at ${left}`);
      };
      compare('next_offset', place.offset, end.next_offset);
      compare('next_seq', place.seq, end.next_seq);
      compare('next_batch', rows.compared, end.next_batch);
      compare('participation', rows.participation, end.participation);
      compare('hash', place.offset === 0 ? null : place.hash, end.hash);
      if (end.stored_end !== null) compare('next_offset', end.stored_end, end.next_offset);
    }
  }

  /** @returns what is wrong with a batch, its numbers aside. */
  describe(batch: BatchEntry, partition: number, number: number): string[] {
    const { entry, moment } = this.#verification;
    const faults: string[] = [];
    const name = `batch ${batch.batch_no}`;
    if (batch.batch_no !== number * entry.partitions + partition)
      faults.push(`${name} stands where batch ${number * entry.partitions + partition} must be`);
    if (batch.definition_hash !== entry.definition_hash) faults.push(`${name} was cast under another definition`);
    if (!moment.sources.some(({ source }) => source === batch.source))
      faults.push(`${name} is of source ${batch.source}, which is not in table source_offsets`);
    const made = Math.floor(Date.parse(`${moment.election.created_at}`) / MINUTE_MS) * MINUTE_MS;
    if (batch.cast_at < made - CLOCKS_MS_MAX || batch.cast_at > Date.parse(moment.now) + CLOCKS_MS_MAX)
      faults.push(`${name} was cast at ${new Date(batch.cast_at).toISOString()}, outside the time of the election`);
    return faults;
  }
}

const MINUTE_MS = 60_000;

/** The rows of table `batches` of one partition, in the order of their chain. */
class BatchRows {
  readonly partition: number;
  /** The batch that the fold is in; null where no row is left that begins before the end. */
  current: BatchEntry | null = null;
  compared = 0;
  /** The digest of participants that the last batch carries. */
  participation: string | null = null;
  readonly #fold: LogFold;
  readonly #rows: AsyncIterator<BatchEntry>;
  readonly #end: number;
  /** The seq at which the next batch must begin. A missing row leaves a hole. */
  #expected = 0;

  constructor(fold: LogFold, partition: number, batches: BatchEntries, end: number) {
    this.#fold = fold;
    this.partition = partition;
    this.#rows = batches.of(partition)[Symbol.asyncIterator]();
    this.#end = end;
  }

  async next(): Promise<void> {
    const row = await this.#rows.next();
    // Batches from the end on were committed after the moment.
    this.current = row.done || row.value.first_seq >= this.#end ? null : row.value;
  }

  compare(place: Place): void {
    const batch = this.current!;
    const { batchDifferences } = this.#fold;
    const { first_seq, votes, hash, batch_no } = batch;
    if (first_seq !== this.#expected) batchDifferences.push(this.#hole(first_seq));
    if (place.seq !== first_seq + votes || place.hash !== hash)
      batchDifferences.push(
        `batch ${batch_no} ends at seq ${first_seq + votes} with hash ${hash}, the log's chain does not`,
      );
    batchDifferences.push(...this.#fold.describe(batch, this.partition, this.compared));
    this.compared++;
    this.#expected = first_seq + votes;
  }

  async finish(): Promise<void> {
    const { batchDifferences, places, damage } = this.#fold;
    if (this.current !== null) batchDifferences.push(`batch ${this.current.batch_no} is not in the log`);
    else if (damage.length === 0 && this.#expected !== places[this.partition]!.seq)
      batchDifferences.push(this.#hole(places[this.partition]!.seq));
  }

  #hole(to: number): string {
    return `partition ${this.partition} has no batch from seq ${this.#expected} to ${to}`;
  }
}
