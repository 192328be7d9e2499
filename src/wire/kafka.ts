import { topicName } from '../adapters/kafka/client.ts';
import { openKafkaLog } from '../adapters/kafka/log.ts';
import { type Relay, startRelay, waitingBatches } from '../adapters/kafka/relay.ts';
import { assertNotAhead } from '../adapters/kafka/relay-positions.ts';
import type { KafkaSettings } from '../adapters/kafka/settings.ts';
import { electionsInKafka, ensureTopics, topicId, topicsOf, untilReadable } from '../adapters/kafka/topics.ts';
import { openKafkaWriter } from '../adapters/kafka/writer.ts';
import { readEnd } from '../adapters/postgres/append.ts';
import type { Database } from '../adapters/postgres/database.ts';
import { currentEpoch, raiseEpoch } from '../adapters/postgres/epochs.ts';
import { OperationalError } from '../base/errors.ts';
import { keepGoing } from '../base/keep-going.ts';
import type { ElectionId } from '../domain/election/election.ts';
import { DEFINITION_KEY, type DefinitionRecord } from '../domain/log/records.ts';
import type { ClosableLog } from '../ports/backend.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import { type ClosableWriter, latestRecords } from '../ports/log.ts';

/**
 * At the end of a process its relay has this long to publish the rest. The next process publishes
 * anything that is left.
 */
const DRAIN_MS_MAX = 5_000;
/**
 * The records that the relay has published have this long to become readable. The next command,
 * which is often the next reader, then sees them.
 */
const READABLE_MS_MAX = 2_000;
const NOT_DRAINED = 'Not everything committed is in Kafka yet. Nothing is lost: the next command publishes it.';

interface FedElection {
  readonly entry: ElectionEntry;
  readonly relay: Promise<Relay>;
}

/**
 * Kafka in place of table `log` for readers. A relay for each election fills it, beside the stages
 * of this process.
 */
export class KafkaFeed {
  readonly #settings: KafkaSettings;
  readonly #database: Database;
  readonly #say: (line: string) => void;
  readonly #fed = new Map<number, FedElection>();

  constructor(settings: KafkaSettings, database: Database, say: (line: string) => void) {
    this.#settings = settings;
    this.#database = database;
    this.#say = say;
  }

  /** Makes the topics and starts the relay, where this process has not done so yet. */
  async feed(entry: ElectionEntry): Promise<void> {
    (await this.#relayOf(entry)).assertRunning();
  }

  /** Feeds the election. @returns the id of its topic of votes. */
  async votesTopicId(entry: ElectionEntry): Promise<string> {
    await this.feed(entry);
    return topicId(this.#settings, topicName(entry.id, 'votes'));
  }

  async openLog(entry: ElectionEntry): Promise<ClosableLog> {
    const { election_no, id } = entry;
    const relay = await this.#relayOf(entry);
    return openKafkaLog({
      settings: this.#settings,
      election: id,
      committedEnd: (topic, partition) => readEnd(this.#database, election_no, topic, partition),
      assertFed: relay.assertRunning,
      onForeign: (topic, partition, records) =>
        this.#say(
          `Partition ${partition} of topic ${topicName(id, topic)} has ${records} ${records === 1 ? 'record' : 'records'} that Tallyroom did not write; they are not counted.`,
        ),
    });
  }

  openWriter({ election_no, id }: ElectionEntry): Promise<ClosableWriter> {
    return openKafkaWriter({
      settings: this.#settings,
      election: id,
      name: 'count',
      raiseEpoch: () => raiseEpoch(this.#database, election_no, 'count'),
      currentEpoch: () => currentEpoch(this.#database, election_no, 'count'),
    });
  }

  async settle(entry: ElectionEntry, signal: AbortSignal): Promise<void> {
    const relay = await this.#relayOf(entry);
    if (await relay.drain(signal)) await this.#untilReadable(entry, signal);
  }

  assertSafe({ election_no, id }: ElectionEntry): Promise<void> {
    return assertNotAhead(this.#settings, this.#database, election_no, id);
  }

  /** The number of committed batches that are not known to be in Kafka. */
  lag({ election_no }: ElectionEntry): Promise<number> {
    return waitingBatches(this.#database, election_no);
  }

  /** @throws OperationalError where a relay ended with an error that a retry cannot help. */
  async close(): Promise<void> {
    let failure: unknown = null;
    for (const { entry, relay: starting } of this.#fed.values()) {
      const relay = await starting.catch(() => null);
      if (relay === null) continue;
      try {
        if (!(await relay.drain(AbortSignal.timeout(DRAIN_MS_MAX)))) this.#say(NOT_DRAINED);
        // All records are in Kafka. If Kafka does not answer now, the next command will find out by
        // itself.
        else await this.#untilReadable(entry, AbortSignal.timeout(READABLE_MS_MAX)).catch(() => false);
      } catch (error) {
        if (error instanceof OperationalError && error.canRetry) this.#say(NOT_DRAINED);
        else failure ??= error;
      }
      await relay.stop();
    }
    this.#fed.clear();
    if (failure !== null) throw failure;
  }

  /** Where a relay cannot be started now, the next call tries again. */
  async #relayOf(entry: ElectionEntry): Promise<Relay> {
    const fed = this.#fed.get(entry.election_no) ?? { entry, relay: this.#start(entry) };
    this.#fed.set(entry.election_no, fed);
    try {
      return await fed.relay;
    } catch (error) {
      this.#fed.delete(entry.election_no);
      throw error;
    }
  }

  async #start(entry: ElectionEntry): Promise<Relay> {
    const { election_no, id, partitions } = entry;
    await ensureTopics(this.#settings, id, partitions);
    // The check comes before this process appends: new records could move the end in PostgreSQL up
    // to the end in Kafka, and hide that Kafka was ahead.
    await this.assertSafe(entry);
    return startRelay({
      settings: this.#settings,
      database: this.#database,
      election_no,
      election: id,
      partitions,
      say: this.#say,
      retry: (work, signal) => keepGoing(work, this.#say, signal),
    });
  }

  #untilReadable({ id, partitions }: ElectionEntry, signal: AbortSignal): Promise<boolean> {
    return untilReadable(this.#settings, topicsOf(id, partitions), signal);
  }
}

/**
 * The election and the log of a dashboard that has Kafka alone.
 * @param id the election, or null for the last one defined.
 */
export async function openResults(
  settings: KafkaSettings,
  id: ElectionId | null,
): Promise<{ id: ElectionId; open(): Promise<ClosableLog> }> {
  const openOf = (election: ElectionId): ClosableLog =>
    openKafkaLog({ settings, election, committedEnd: null, assertFed: () => {} });
  const known = await electionsInKafka(settings);
  let latest: { id: ElectionId; defined_at: string } | null = null;
  for (const election of id === null ? known : known.filter((each) => each === id)) {
    await using log = openOf(election);
    // Another system's topic may have a name like ours: its records have no such moment.
    const record = (await latestRecords(log, 'definition')).get(DEFINITION_KEY);
    const definition: Partial<DefinitionRecord> | null = record === undefined ? null : JSON.parse(record.value);
    const defined_at = definition?.defined_at ?? '';
    if (latest === null || defined_at > latest.defined_at) latest = { id: election, defined_at };
  }
  if (latest === null)
    throw new OperationalError('NO_ELECTION', {
      message: id === null ? 'there is no election in Kafka yet' : `there is no election ${id} in Kafka`,
      nextStep: 'Make one with `npm run tallyroom -- register`, with the same KAFKA_BROKERS.',
    });
  const { id: found } = latest;
  return { id: found, open: async () => openOf(found) };
}
