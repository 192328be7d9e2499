import { OperationalError } from '../../base/errors.ts';
import type { ElectionId } from '../../domain/election/election.ts';
import { COMPACTED_TOPICS, type Topic } from '../../ports/log.ts';
import type { Database } from '../postgres/database.ts';
import { topicName } from './client.ts';
import { explained } from './explain.ts';
import { hasRecords, publishedEnd } from './offsets.ts';
import type { PartitionReader } from './reader.ts';
import type { KafkaSettings } from './settings.ts';
import { withAdmin } from './topics.ts';

/**
 * The topics that stages commit to table `log`. The counter writes the result topics to Kafka
 * itself.
 */
export const RELAYED_TOPICS = ['definition', 'voters', 'votes', 'returns'] as const satisfies readonly Topic[];

/**
 * Refuses to go on where Kafka has records that PostgreSQL does not know, as after restoring an
 * older backup of PostgreSQL.
 * @throws OperationalError LOG_DAMAGED naming topic and partition.
 */
export async function assertNotAhead(
  settings: KafkaSettings,
  database: Database,
  electionNo: number,
  election: ElectionId,
): Promise<void> {
  const readEnds = () => database.query<LogEndRow>(ENDS, [electionNo, RELAYED_TOPICS, null]);
  // The open transaction of a process that died is undecided until the next relay starts. That
  // relay checks again.
  const positions = await readPositions(settings, election, await readEnds(), { decided: false });
  // The ends are read after the positions, since other processes append and publish at the same
  // time.
  for (const { topic, partition, next_offset } of await readEnds()) {
    const position = positions.get(`${topic}/${partition}`) ?? 0;
    if (position > Number(next_offset))
      throw ahead(topicName(election, topic), partition, position, Number(next_offset));
  }
}

export interface LogEndRow {
  readonly topic: Topic;
  readonly partition: number;
  readonly next_offset: string;
  /** The relay has published and removed all records before this one. */
  readonly first_offset: string;
}
export const ENDS = `SELECT topic, partition, next_offset, coalesce((
    SELECT min(base_offset) FROM log
    WHERE log.election_no = ends.election_no AND log.topic = ends.topic AND log.partition = ends.partition
  ), next_offset) AS first_offset
  FROM log_ends AS ends WHERE election_no = $1 AND topic = ANY($2) AND ($3::smallint IS NULL OR partition = $3)`;

export const groupOf = (election: ElectionId): string => `${election}.relay`;

/**
 * The position of the relay in a topic. In a dense topic the last record shows the end; a compacted
 * topic only shows whether it is empty. Kafka forgets a position that did not move for a week
 * (offsets.retention.minutes). Then the removed rows of the table show that the records are ours.
 * @param position the position that Kafka has, or null.
 * @throws OperationalError LOG_DAMAGED
 */
export async function positionIn(
  reader: PartitionReader,
  name: string,
  { topic, partition, next_offset, first_offset }: LogEndRow,
  position: number | null,
): Promise<number> {
  const first = Number(first_offset);
  const isDense = !COMPACTED_TOPICS.has(topic);
  const published = isDense
    ? await publishedEnd(reader)
    : (await hasRecords(reader))
      ? Math.max(position ?? first, 1)
      : 0;
  const reached = position ?? (first > 0 ? published : 0);
  if (reached > Number(next_offset)) throw ahead(name, partition, reached, Number(next_offset));
  if (published !== reached || reached < first) throw unlike(name, partition, Math.max(reached, first), published);
  return reached;
}

/**
 * The positions that the relays of an election have reached, by `topic/partition`. A partition
 * without published records has none.
 * @param decided waits for transactions that have ended and are not yet written everywhere; fails
 * where one is open.
 */
export async function readPositions(
  settings: KafkaSettings,
  election: ElectionId,
  wanted: readonly LogEndRow[],
  { decided }: { readonly decided: boolean },
): Promise<Map<string, number>> {
  const topics = Map.groupBy(wanted, ({ topic }) => topic);
  const [group] = await withAdmin(settings, (admin) =>
    explained(
      admin.listConsumerGroupOffsets({
        groups: [
          {
            groupId: groupOf(election),
            topics: Array.from(topics, ([topic, rows]) => ({
              name: topicName(election, topic),
              partitionIndexes: rows.map(({ partition }) => partition),
            })),
          },
        ],
        requireStable: decided,
      }),
      settings,
    ),
  );
  const positions = new Map<string, number>();
  for (const { name, partitions } of group?.topics ?? [])
    for (const { partitionIndex, committedOffset } of partitions)
      if (committedOffset >= 0n)
        positions.set(`${name.slice(election.length + 1)}/${partitionIndex}`, Number(committedOffset));
  return positions;
}

export const ahead = (topic: string, partition: number, position: number, end: number): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `partition ${partition} of topic ${topic} is ahead of PostgreSQL: it has ${position} records, PostgreSQL knows ${end}`,
    nextStep:
      'PostgreSQL was restored from a backup that is older than Kafka. Restore a later one; nothing was changed (docs/operations.md, "Backup").',
  });

export const unlike = (topic: string, partition: number, position: number, found: number): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `partition ${partition} of topic ${topic} is not as the relay left it: ${position} records were published, and ${found === 0 ? 'it has none' : `its records end at ${found}`}`,
    nextStep:
      'Find out who wrote to the topic, removed it, or restored it; restore Kafka and PostgreSQL to states that fit (docs/operations.md, "Backup").',
  });
