import type { Election, ElectionId } from '../../domain/election/election.ts';
import type { QueryPlan } from './query.ts';

/**
 * The most boxes of a micro-batch: a million votes, so that a long backlog shows results every few
 * seconds.
 */
const BOXES_PER_BATCH_MAX = 2_000;
/**
 * A state partition costs a task and some files in each micro-batch. One partition is the fastest
 * while it handles its keys in milliseconds.
 */
const CELLS_PER_SHUFFLE_PARTITION = 50_000;
/** A partition is a task in each micro-batch. Tasks beyond the number of cores only wait. */
const SHUFFLE_PARTITIONS_MAX = 16;

const TOPIC_ID_DIGITS = 8;

/**
 * The name of the query of an election and of its checkpoint. The offsets of a checkpoint are wrong
 * in a topic that was made again: the query would wait in silence, or skip votes. So each topic has
 * its own checkpoint. Each generation of the results has its own, too, and begins at the first
 * vote.
 */
export const queryName = (election: ElectionId, votesTopicId: string, generation: number): string =>
  `tallyroom-${election}-${votesTopicId.replaceAll('-', '').slice(0, TOPIC_ID_DIGITS)}-${generation}`;

/** The votes that a query counts. */
export interface Counted {
  readonly election: Election;
  /** The id that Kafka gave topic `votes`. */
  readonly votes_topic_id: string;
  readonly generation: number;
}

export interface PlanOptions {
  /**
   * The brokers as Spark reaches them, and the other settings of Kafka's Java client
   * (`security.protocol`, `sasl.mechanism`...).
   */
  readonly kafka: { readonly brokers: string; readonly properties: Readonly<Record<string, string>> };
  /** The most boxes of a micro-batch. Default {@link BOXES_PER_BATCH_MAX}. */
  readonly boxes_per_batch_max?: number;
}

/** The query that counts an election. */
export function planOf({ kafka, boxes_per_batch_max }: PlanOptions, counted: Counted): QueryPlan {
  const { election, votes_topic_id, generation } = counted;
  const kafkaOptions = {
    'kafka.bootstrap.servers': kafka.brokers,
    ...Object.fromEntries(Object.entries(kafka.properties).map(([name, value]) => [`kafka.${name}`, value])),
  };
  const cells = election.candidates.length * election.locations.length;
  const shufflePartitions = Math.min(SHUFFLE_PARTITIONS_MAX, Math.ceil(cells / CELLS_PER_SHUFFLE_PARTITION));
  return {
    name: queryName(election.id, votes_topic_id, generation),
    configuration: {
      'spark.sql.session.timeZone': 'UTC',
      'spark.sql.shuffle.partitions': String(shufflePartitions),
      // Spark writes the plan of each batch for its own pages. This form takes some milliseconds
      // less.
      'spark.sql.ui.explainMode': 'simple',
    },
    source: {
      ...kafkaOptions,
      subscribe: `${election.id}.votes`,
      startingOffsets: 'earliest',
      failOnDataLoss: 'true',
      maxOffsetsPerTrigger: String(boxes_per_batch_max ?? BOXES_PER_BATCH_MAX),
      'kafka.isolation.level': 'read_committed',
      'kafka.fetch.max.wait.ms': '10',
    },
    sink: { ...kafkaOptions, 'kafka.compression.type': 'zstd' },
  };
}
