import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { crashPoint } from '../../base/crash-points.ts';
import { OperationalError } from '../../base/errors.ts';
import type { ElectionId } from '../../domain/election/election.ts';
import { COMPACTED_TOPICS, type Topic } from '../../ports/log.ts';
import { type Database, lockOrAbort } from '../postgres/database.ts';
import { LOG_CHANNEL, listen } from '../postgres/notifications.ts';
import { unpack } from '../postgres/payload.ts';
import { topicName } from './client.ts';
import { isFencedOut } from './explain.ts';
import {
  type GroupPosition,
  type OutgoingMessage,
  openTransactionalProducer,
  type TransactionalProducer,
} from './producer.ts';
import { openPartitionReader } from './reader.ts';
import { relayLock, watchClaim } from './relay-claims.ts';
import { ENDS, groupOf, type LogEndRow, positionIn, RELAYED_TOPICS, readPositions, unlike } from './relay-positions.ts';
import type { KafkaSettings } from './settings.ts';

/**
 * One transaction of Kafka publishes at most this many compressed bytes of the table, and at least
 * one batch.
 */
const BYTES_PER_TRANSACTION_MAX = 256 * 1024;
/** Small batches have few compressed bytes, so the number of rows bounds a transaction too. */
const ROWS_PER_TRANSACTION_MAX = 64;
/** Where little is left to publish, the relay is done after one or two of these pauses. */
const DRAIN_POLL_MS = 20;
/**
 * Kafka may give up the transaction of a process that stood still, and the relay begins again at
 * once. From this many times on it is reported, and retried with pauses.
 */
const FENCED_MAX = 3;

export interface RelayOptions {
  readonly settings: KafkaSettings;
  readonly database: Database;
  readonly election_no: number;
  readonly election: ElectionId;
  readonly partitions: number;
  /**
   * The longest time that another process may have the claim on a relay and publish nothing. After
   * that its session is ended.
   */
  readonly stuck_ms_max?: number;
  say(line: string): void;
  /**
   * Runs work again while PostgreSQL or Kafka does not answer. The work calls `succeeded` with each
   * transaction.
   */
  retry(work: (succeeded: () => void) => Promise<void>, signal: AbortSignal): Promise<void>;
}

interface UnitOptions extends RelayOptions {
  /** Called after each transaction. */
  succeeded(): void;
}

/**
 * Publishes the commits of stages, in order and byte for byte. Of all processes that run a relay
 * for an election, one at a time works on each partition. Another takes over when it ends.
 */
export interface Relay {
  /**
   * @throws the error that ended the relay. A caller that waits for its records should stop
   * waiting.
   */
  assertRunning(): void;
  /**
   * Resolves once all commits of all processes are in Kafka, or when the signal aborts.
   * @returns whether they are in Kafka.
   * @throws the error that ended the relay.
   */
  drain(signal: AbortSignal): Promise<boolean>;
  stop(): Promise<void>;
}

export function startRelay(options: RelayOptions): Relay {
  const stopping = new AbortController();
  let failure: unknown = null;
  const units = Array.from({ length: options.partitions }, async (_, partition) => {
    try {
      await options.retry(
        (succeeded) => relayUnlessFenced({ ...options, succeeded }, partition, stopping.signal),
        stopping.signal,
      );
    } catch (error) {
      if (!stopping.signal.aborted) failure ??= error;
    }
  });
  const drain = async (signal: AbortSignal): Promise<boolean> => {
    for (; failure === null; await sleep(DRAIN_POLL_MS)) {
      if ((await waitingBatches(options.database, options.election_no)) === 0) return true;
      if (signal.aborted) return false;
    }
    throw failure;
  };
  return {
    assertRunning() {
      if (failure !== null) throw failure;
    },
    drain,
    async stop() {
      stopping.abort();
      await Promise.all(units);
    },
  };
}

/** The lag of the relay: the number of batches that are committed and not known to be in Kafka. */
export async function waitingBatches(database: Database, electionNo: number): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    'SELECT count(*)::integer AS n FROM log WHERE election_no = $1 AND topic = ANY($2)',
    [electionNo, RELAYED_TOPICS],
    'relay-lag',
  );
  return row!.n;
}

interface LogRow {
  readonly topic: Topic;
  readonly base_offset: string;
  readonly record_count: number;
  readonly payload: Buffer;
}
/** The window bounds the rows of a read without reading the payloads of the other rows. */
const WAITING = `
  SELECT topic, base_offset, record_count, payload FROM (
    SELECT *, sum(octet_length(payload)) OVER (ORDER BY topic, base_offset) - octet_length(payload) AS before
    FROM (
      SELECT topic, base_offset, record_count, payload FROM log
      WHERE election_no = $1 AND partition = $2 AND topic = ANY($3) ORDER BY topic, base_offset LIMIT ${ROWS_PER_TRANSACTION_MAX}
    ) AS rows
  ) AS sized WHERE before <= ${BYTES_PER_TRANSACTION_MAX} ORDER BY topic, base_offset`;

/**
 * A relay that was fenced starts again without a message. It waits for the lock where another relay
 * has it. Where there is no other relay, Kafka gave up a transaction that took too long. Where that
 * happens again and again, the relay reports it and retries at longer intervals.
 */
async function relayUnlessFenced(options: UnitOptions, partition: number, signal: AbortSignal): Promise<void> {
  for (let fenced = 1; ; fenced++) {
    try {
      return await relayPartition(options, partition, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!isFencedOut(error) || fenced === FENCED_MAX) throw error;
    }
  }
}

/**
 * Works on one partition until the signal aborts.
 * @throws errors that can be retried, and LOG_DAMAGED, which cannot.
 */
async function relayPartition(options: UnitOptions, partition: number, signal: AbortSignal): Promise<void> {
  const { database, settings, election, election_no } = options;
  if (signal.aborted) return;
  await using client = await database.connect();
  await claimRelay(options, client, partition, signal);
  // A lost removal does no harm: the relay finds that the batch is already published.
  await client.query('SET synchronous_commit = off');
  const notifications = await listen(client, LOG_CHANNEL);
  using appends = notifications.bell((payload) => {
    const [election, , place] = payload.split('/');
    return Number(election) === election_no && Number(place) === partition;
  });
  await using producer = await openTransactionalProducer(settings, `${election}.relay.${partition}`, groupOf(election));
  const positions = await takeUp(options, client, partition);
  while (!signal.aborted) {
    appends.settle();
    const { rows } = await client.query<LogRow>({
      name: 'relay-read',
      text: WAITING,
      values: [election_no, partition, RELAYED_TOPICS],
    });
    if (rows.length === 0) await appends.rung(signal);
    else {
      await publish(options, client, partition, producer, positions, rows);
      options.succeeded();
    }
  }
}

/**
 * Waits until no other process relays the partition. It ends the claim of a process that is stuck.
 */
async function claimRelay(
  options: RelayOptions,
  client: pg.Client,
  partition: number,
  signal: AbortSignal,
): Promise<void> {
  using _watch = watchClaim(options, partition);
  await lockOrAbort(options.database, client, signal, () =>
    client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [relayLock(options.election_no, partition)]),
  );
}

/**
 * Publishes some batches in one transaction with the new positions, and then removes the batches
 * from the table.
 */
async function publish(
  { election, election_no }: RelayOptions,
  client: pg.Client,
  partition: number,
  producer: TransactionalProducer,
  positions: Map<Topic, number>,
  rows: readonly LogRow[],
): Promise<void> {
  const messages: OutgoingMessage[] = [];
  const moved = new Map<Topic, number>();
  for (const { topic, base_offset, record_count, payload } of rows) {
    const base = Number(base_offset);
    const expected = moved.get(topic) ?? positions.get(topic) ?? 0;
    if (base > expected) throw torn(topicName(election, topic), partition, expected, base);
    if (base < expected) throw unlike(topicName(election, topic), partition, base, expected);
    addMessages(messages, topic, topicName(election, topic), partition, base, unpack(payload));
    moved.set(topic, base + record_count);
  }
  const reached: GroupPosition[] = Array.from(moved, ([topic, position]) => ({
    topic: topicName(election, topic),
    partition,
    position,
  }));
  crashPoint('relay.before-publish');
  await producer.publish(messages, reached, () => crashPoint('relay.before-commit'));
  crashPoint('relay.after-commit');
  for (const [topic, position] of moved) positions.set(topic, position);
  await prune(client, election_no, partition, moved);
  crashPoint('relay.after-prune');
}

/**
 * Cuts the lines `key TAB value NEWLINE` of a batch into messages; in a dense topic the key is the
 * offset.
 */
function addMessages(
  messages: OutgoingMessage[],
  topic: Topic,
  name: string,
  partition: number,
  base: number,
  lines: Buffer,
): void {
  const isDense = !COMPACTED_TOPICS.has(topic);
  let offset = base;
  for (let from = 0; from < lines.length; offset++) {
    const tab = lines.indexOf(0x09, from);
    const end = lines.indexOf(0x0a, tab);
    const key = isDense ? Buffer.from(String(offset), 'latin1') : lines.subarray(from, tab);
    messages.push({ topic: name, partition, key, value: lines.subarray(tab + 1, end) });
    from = end + 1;
  }
}

async function prune(
  client: pg.Client,
  electionNo: number,
  partition: number,
  positions: ReadonlyMap<Topic, number>,
): Promise<void> {
  for (const [topic, position] of positions)
    await client.query({
      name: 'relay-prune',
      // A batch that reaches beyond the position is not fully published, so it stays.
      text: `DELETE FROM log WHERE election_no = $1 AND topic = $2 AND partition = $3
        AND base_offset < $4 AND base_offset + record_count <= $4`,
      values: [electionNo, topic, partition, position],
    });
}

/**
 * Reads the position at which the last relay of this partition stopped, now that it is fenced, and
 * removes the batches that it published. Kafka's position, the end of its topic and the table must
 * fit together.
 * @throws OperationalError LOG_DAMAGED where they do not fit.
 */
async function takeUp(options: RelayOptions, client: pg.Client, partition: number): Promise<Map<Topic, number>> {
  const { settings, election, election_no } = options;
  const { rows: ends } = await client.query<LogEndRow>(ENDS, [election_no, RELAYED_TOPICS, partition]);
  const known = await readPositions(settings, election, ends, { decided: true });
  const positions = new Map<Topic, number>();
  for (const end of ends) {
    const name = topicName(election, end.topic);
    await using reader = openPartitionReader(settings, name, partition);
    positions.set(end.topic, await positionIn(reader, name, end, known.get(`${end.topic}/${partition}`) ?? null));
  }
  await prune(client, election_no, partition, positions);
  return positions;
}

const torn = (topic: string, partition: number, expected: number, found: number): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `table log lacks records of partition ${partition} of topic ${topic}: from ${expected} to ${found}`,
    nextStep:
      'Stop and keep everything as it is, then restore PostgreSQL and Kafka to states that fit (docs/operations.md, "Backup").',
  });
