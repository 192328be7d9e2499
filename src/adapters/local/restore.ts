import { OperationalError } from '../../base/errors.ts';
import { sha256 } from '../../base/sha256.ts';
import { assert } from '../../domain/assert.ts';
import { BoxCounter } from '../../domain/counting/box-counter.ts';
import type { Election } from '../../domain/election/election.ts';
import { indexElection } from '../../domain/election/election-index.ts';
import { chainStart } from '../../domain/log/box.ts';
import { CHECKPOINT_KEY, type CheckpointRecord, LOCATION_KEY_PREFIX, REMOVED } from '../../domain/log/records.ts';
import { CheckpointResults } from '../../domain/results/checkpoint-results.ts';
import { describeLostVotes, parseObject } from '../../domain/results/published-results.ts';
import { ReturnsCounter } from '../../domain/returns/returns-counter.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import { type Log, type LogRecord, latestRecords, type OutgoingRecord, recordsFrom, seqEnd } from '../../ports/log.ts';
import { damaged } from './damaged.ts';

const RESULT_TOPICS = ['results-by-location', 'votes-per-candidate', 'turnout-by-location'] as const;

/** A count of one of the topics, as the counter drives it. */
export interface Counting {
  readonly topic: 'votes' | 'returns';
  /** The offset of the next record of each partition. */
  readonly offsets: number[];
  readonly covers: readonly number[];
  /** @throws Error that names the fault of the record */
  count(partition: number, value: string): void;
  /** A later revision of the description. */
  describe(election: Election, revision: number): void;
  readonly hasChanges: boolean;
  takeChanges(epoch: number, asOf: string): readonly OutgoingRecord[];
}

/** A counter that goes on where the last one stopped, or begins again. */
export interface Restored {
  readonly count: Counting;
  /** Whether it begins at the first record. Nothing is published before it has reached the end. */
  readonly beginsAnew: boolean;
  /**
   * Why the published results were not gone on with, in a sentence; null where they were, or there
   * were none.
   */
  readonly recounted: string | null;
  /** Takes out the keys of the result topics that no counter of this election writes. */
  readonly removals: readonly OutgoingRecord[];
}

/**
 * Goes on from the compacted results where they are sound: whole, balanced, with the digest that
 * their checkpoint gives, and at a place that the log has. The log is trusted more than they are:
 * otherwise counting begins at its first vote. The time of a sound restart depends on the number of
 * locations, not of votes.
 * @throws OperationalError LOG_DAMAGED where the log has fewer votes than were counted.
 */
export async function restoreVotes(log: Log, entry: ElectionEntry): Promise<Restored> {
  const topics = await readResults(log);
  const locations = topics.get('results-by-location')!;
  const checkpoint = parseObject(locations.get(CHECKPOINT_KEY)?.value ?? '') as CheckpointRecord | null;
  const count = newCount(entry);
  if (RESULT_TOPICS.every((topic) => topics.get(topic)!.size === 0))
    return { count: countingVotes(count), beginsAnew: false, recounted: null, removals: [] };
  const reason = whyUnsound(entry, locations) ?? (await whyElsewhere(log, entry, checkpoint!));
  if (reason === null)
    count.restore(
      checkpoint!,
      [...locations.values()].flatMap(({ key, value }) =>
        key.startsWith(LOCATION_KEY_PREFIX) ? [[key, value] as const] : [],
      ),
    );
  const records = count.everyRecord();
  const removals = removalsOf(topics, records);
  // The other two topics follow from the counts, so they are published again where they differ.
  if (reason === null && (removals.length > 0 || !agrees(records, topics))) count.publishEverything();
  const recounted = reason === null ? null : [reason, ...(await votesLost(log, entry, checkpoint))].join(' ');
  return { count: countingVotes(count), beginsAnew: recounted !== null, recounted, removals };
}

/**
 * Counts the returns from the first record: the newest time of each cell is in the log alone. The
 * published results are replaced as a whole once the count is at the end of the log.
 */
export async function restoreReturns(log: Log, entry: ElectionEntry): Promise<Restored> {
  assert(entry.definition !== null && entry.definition_hash !== null, 'the election is defined');
  const count = new ReturnsCounter(indexElection(entry.definition), entry.definition_hash, sha256, entry);
  const removals = removalsOf(await readResults(log), count.everyRecord());
  return { count: countingReturns(count), beginsAnew: true, recounted: null, removals };
}

type ResultTopics = ReadonlyMap<(typeof RESULT_TOPICS)[number], ReadonlyMap<string, LogRecord>>;

async function readResults(log: Log): Promise<ResultTopics> {
  const topics = new Map<(typeof RESULT_TOPICS)[number], Map<string, LogRecord>>();
  for (const topic of RESULT_TOPICS) topics.set(topic, await latestRecords(log, topic));
  return topics;
}

/** The records that take out the keys which these records do not have. */
function removalsOf(topics: ResultTopics, records: readonly OutgoingRecord[]): OutgoingRecord[] {
  const written = new Set(records.map(({ topic, key }) => `${topic} ${key}`));
  return RESULT_TOPICS.flatMap((topic) =>
    [...topics.get(topic)!.keys()].flatMap((key) =>
      written.has(`${topic} ${key}`) ? [] : [{ topic, key, value: REMOVED }],
    ),
  );
}

const countingVotes = (count: BoxCounter): Counting =>
  counting(count, 'votes', (partition, value) => void count.countBox(partition, value));

const countingReturns = (count: ReturnsCounter): Counting =>
  counting(count, 'returns', (_, value) => void count.countRecord(value));

const counting = (
  counter: BoxCounter | ReturnsCounter,
  topic: Counting['topic'],
  count: Counting['count'],
): Counting => ({
  topic,
  offsets: counter.offsets,
  count,
  get covers() {
    return counter.covers;
  },
  describe: (election, revision) => counter.describe(election, revision),
  get hasChanges() {
    return counter.hasChanges;
  },
  takeChanges: (epoch, asOf) => counter.takeChanges(epoch, asOf),
});

function newCount(entry: ElectionEntry): BoxCounter {
  assert(entry.definition !== null && entry.definition_hash !== null, 'the election is defined');
  return new BoxCounter(indexElection(entry.definition), entry.definition_hash, entry.partitions, sha256, entry);
}

/** @returns why the results are not a sound state of this election, or null. */
function whyUnsound(entry: ElectionEntry, locations: ReadonlyMap<string, LogRecord>): string | null {
  assert(entry.definition !== null && entry.definition_hash !== null, 'the election is defined');
  const shape = { definition: entry.definition_hash, partitions: entry.partitions, sha256 };
  const results = new CheckpointResults({ ...shape, index: indexElection(entry.definition) });
  const records = [...locations.values()];
  // The checkpoint is judged with everything that is in the topic.
  records.sort((left, right) => Number(left.key === CHECKPOINT_KEY) - Number(right.key === CHECKPOINT_KEY));
  for (const { key, damage } of results.take(records))
    if (damage !== null) return `The result record ${key} ${damage}.`;
  const { generation = 1 } = (parseObject(locations.get(CHECKPOINT_KEY)?.value ?? '') ??
    {}) as Partial<CheckpointRecord>;
  if (generation < entry.generation) return 'A recount was ordered.';
  return results.incomplete ?? results.judge().held;
}

/**
 * Compares the place where the checkpoint ends with the log.
 * @returns why it is not a place of this log, or null.
 */
async function whyElsewhere(log: Log, entry: ElectionEntry, checkpoint: CheckpointRecord): Promise<string | null> {
  const { covers, offsets, heads } = checkpoint;
  for (const lists of [covers, offsets, heads])
    if (!Array.isArray(lists) || lists.length !== entry.partitions) return 'The checkpoint is not of these partitions.';
  for (let partition = 0; partition < entry.partitions; partition++) {
    const offset = offsets[partition]!;
    if ((await log.end('votes', partition)) < offset)
      throw damaged(
        'votes',
        partition,
        new Error(`${covers[partition]} of its votes were counted, and it ends before them`),
      );
    const head =
      offset === 0
        ? chainStart(sha256, entry.id, entry.definition_hash!, partition)
        : await hashBefore(log, partition, offset);
    if (head !== null && head !== heads[partition])
      return `The checkpoint of partition ${partition} is not a place in the log's chain of hashes.`;
  }
  return null;
}

/**
 * Sentences about votes that the results covered and the log has no more. A recount cannot find
 * them.
 */
async function votesLost(log: Log, entry: ElectionEntry, checkpoint: CheckpointRecord | null): Promise<string[]> {
  const { covers } = checkpoint ?? {};
  if (!Array.isArray(covers)) return [];
  const lost: string[] = [];
  for (let partition = 0; partition < entry.partitions; partition++) {
    const end = await seqEnd(log, partition);
    if (Number(covers[partition]) > end) lost.push(describeLostVotes(partition, covers[partition]!, end));
  }
  return lost;
}

/** The hash of the last box before an offset; null where the log has it no more. */
async function hashBefore(log: Log, partition: number, offset: number): Promise<string | null> {
  try {
    for await (const record of recordsFrom(log, 'votes', partition, offset - 1)) {
      if (record.offset >= offset) return null;
      const { hash } = parseObject(record.value) ?? {};
      return typeof hash === 'string' ? hash : '';
    }
  } catch (error) {
    // Kafka reports a record that was removed as a gap. A gap after the checkpoint is reported when
    // counting gets there.
    if (!(error instanceof OperationalError && error.code === 'LOG_DAMAGED')) throw error;
  }
  return null;
}

/** Whether the other topics say what the counts say. Their epoch and covers may be older. */
function agrees(
  records: readonly OutgoingRecord[],
  topics: ReadonlyMap<string, ReadonlyMap<string, LogRecord>>,
): boolean {
  return records.every(({ topic, key, value }) => {
    // A location without a ballot may lack its record and change no sum.
    if (topic === 'results-by-location') return topics.get(topic)!.has(key);
    const published = parseObject(topics.get(topic)?.get(key)?.value ?? '') ?? {};
    return Object.entries(parseObject(value)!).every(
      ([name, content]) => name === 'epoch' || name === 'covers' || published[name] === content,
    );
  });
}
