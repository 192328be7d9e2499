import { topicName } from '../adapters/kafka/client.ts';
import { openKafkaLog } from '../adapters/kafka/log.ts';
import { type Relay, startRelay, waitingBatches } from '../adapters/kafka/relay.ts';
import { assertNotAhead } from '../adapters/kafka/relay-positions.ts';
import type { KafkaSettings } from '../adapters/kafka/settings.ts';
import { electionsInKafka, ensureTopics, topicId, topicsOf, untilReadable } from '../adapters/kafka/topics.ts';
import { openKafkaWriter } from '../adapters/kafka/writer.ts';
import { currentEpoch, raiseEpoch, readEnd } from '../adapters/postgres/append.ts';
import type { Database } from '../adapters/postgres/database.ts';
import { OperationalError } from '../base/errors.ts';
import { keepGoing } from '../base/keep-going.ts';
import type { ElectionId } from '../domain/election/election.ts';
import { DEFINITION_KEY, type DefinitionRecord } from '../domain/log/records.ts';
import type { ClosableLog } from '../ports/backend.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import { type LogWriter, recordsOf } from '../ports/log.ts';

/** At the end of a process its relay has this long to publish the rest; what is left the next process publishes. */
const DRAIN_MS_MAX = 5_000;
/** And so long what it has published may take to be readable: whoever looks next, as a rule the next command, then sees it. */
const READABLE_MS_MAX = 2_000;
const NOT_DRAINED = 'Not everything committed is in Kafka yet. Nothing is lost: the next command publishes it.';

/** Kafka in place of table `log` for those who read, with a relay that fills it beside the stages of this process. */
export interface KafkaFeed {
  openLog(entry: ElectionEntry): Promise<ClosableLog>;
  openWriter(entry: ElectionEntry): Promise<LogWriter & { close(): Promise<void> }>;
  /** Makes the topics and starts the relay, where this process has not yet. */
  feed(entry: ElectionEntry): Promise<void>;
  /** Feeds the election, and says which topic its votes are in. */
  votesTopicId(entry: ElectionEntry): Promise<string>;
  settle(entry: ElectionEntry, signal: AbortSignal): Promise<void>;
  assertSafe(entry: ElectionEntry): Promise<void>;
  /** Committed batches that are not known to be in Kafka. */
  lag(entry: ElectionEntry): Promise<number>;
  /** @throws OperationalError what ended a relay and does not pass by itself. */
  close(): Promise<void>;
}

export function openKafkaFeed(settings: KafkaSettings, database: Database, say: (line: string) => void): KafkaFeed {
  const relays = new Map<number, { entry: ElectionEntry; relay: Promise<Relay> }>();
  const startFor = async ({ election_no, id, partitions }: ElectionEntry): Promise<Relay> => {
    await ensureTopics(settings, id, partitions);
    // Before anything of this process can move the end of what PostgreSQL knows to where Kafka is.
    await assertNotAhead(settings, database, election_no, id);
    return startRelay({
      settings,
      database,
      election_no,
      election: id,
      partitions,
      say,
      retry: (work, signal) => keepGoing(work, say, signal),
    });
  };
  const relayOf = async (entry: ElectionEntry): Promise<Relay> => {
    const started = relays.get(entry.election_no) ?? { entry, relay: startFor(entry) };
    relays.set(entry.election_no, started);
    try {
      return await started.relay;
    } catch (error) {
      relays.delete(entry.election_no);
      throw error;
    }
  };
  const readable = (entry: ElectionEntry, signal: AbortSignal): Promise<boolean> =>
    untilReadable(settings, topicsOf(entry.id, entry.partitions), signal);
  const feed = async (entry: ElectionEntry): Promise<void> => (await relayOf(entry)).assertRunning();
  return {
    feed,
    async votesTopicId(entry) {
      await feed(entry);
      return topicId(settings, topicName(entry.id, 'votes'));
    },
    async openLog(entry) {
      const relay = await relayOf(entry);
      return openKafkaLog({
        settings,
        election: entry.id,
        committedEnd: (topic, partition) => readEnd(database, entry.election_no, topic, partition),
        assertFed: relay.assertRunning,
        onForeign: (topic, partition, records) =>
          say(
            `Partition ${partition} of topic ${topicName(entry.id, topic)} has ${records} ${records === 1 ? 'record' : 'records'} that Tallyroom did not write; they are not counted.`,
          ),
      });
    },
    openWriter: (entry) =>
      openKafkaWriter({
        settings,
        election: entry.id,
        name: 'count',
        raiseEpoch: () => raiseEpoch(database, entry.election_no, 'count'),
        currentEpoch: () => currentEpoch(database, entry.election_no, 'count'),
      }),
    async settle(entry, signal) {
      if (await (await relayOf(entry)).drain(signal)) await readable(entry, signal);
    },
    assertSafe: ({ election_no, id }) => assertNotAhead(settings, database, election_no, id),
    lag: ({ election_no }) => waitingBatches(database, election_no),
    async close() {
      let failure: unknown = null;
      for (const { entry, relay: starting } of relays.values()) {
        const relay = await starting.catch(() => null);
        if (relay === null) continue;
        try {
          if (!(await relay.drain(AbortSignal.timeout(DRAIN_MS_MAX)))) say(NOT_DRAINED);
          // Kafka has all of it: where it does not answer now, nothing is known that the next command would not find out.
          else await readable(entry, AbortSignal.timeout(READABLE_MS_MAX)).catch(() => false);
        } catch (error) {
          if (error instanceof OperationalError && error.canRetry) say(NOT_DRAINED);
          else failure ??= error;
        }
        await relay.stop();
      }
      relays.clear();
      if (failure !== null) throw failure;
    },
  };
}

/** What a dashboard reads where it has Kafka alone. @param id the election, or null for the one defined last. */
export async function openResults(
  settings: KafkaSettings,
  id: ElectionId | null,
): Promise<{ id: ElectionId; open(): Promise<ClosableLog> }> {
  const openOf = (election: ElectionId): ClosableLog =>
    openKafkaLog({ settings, election, committedEnd: null, assertFed: () => {} });
  const known = await electionsInKafka(settings);
  let latest: { id: ElectionId; defined_at: string } | null = null;
  for (const election of id === null ? known : known.filter((each) => each === id)) {
    const log = openOf(election);
    const { defined_at = '' } = (await readDefinition(log)) ?? {};
    await log.close();
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

async function readDefinition(log: ClosableLog): Promise<DefinitionRecord | null> {
  let definition: DefinitionRecord | null = null;
  for (let from = 0; ; ) {
    const batches = await log.read('definition', 0, from);
    if (batches.length === 0) return definition;
    for (const batch of batches) {
      for (const { key, value } of recordsOf(batch)) if (key === DEFINITION_KEY) definition = JSON.parse(value);
      from = batch.base_offset + batch.count;
    }
  }
}
