import { Consumer, type Message, Producer } from '@platformatic/kafka';
import { clientOptions, hearErrors } from './client.ts';
import { explain } from './explain.ts';
import type { KafkaSettings } from './settings.ts';

export interface OutgoingMessage {
  readonly topic: string;
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

/** The progress of a partition of a topic, as a position of our own choice. */
export interface GroupPosition {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
}

/**
 * A producer that runs one transaction at a time. After any error, close it and open another one.
 */
export interface TransactionalProducer extends AsyncDisposable {
  /** Publishes all messages in order, and the positions, in one transaction. */
  publish(
    messages: readonly OutgoingMessage[],
    positions?: readonly GroupPosition[],
    beforeCommit?: () => void,
  ): Promise<void>;
  /** Never throws. */
  close(): Promise<void>;
}

/**
 * The most bytes of a request before compression. A batch of the table goes into one request, so
 * readers get it whole. Our topics accept up to 64 MB, and a broker 100 MB a request.
 */
const SEND_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Opens the only producer under this transactional id. Before it resolves, an earlier producer is
 * fenced and its open transaction is aborted. So later reads (of a position, of the end of a topic)
 * show exactly the commits of the earlier producer.
 * @param group the group whose offsets hold the positions.
 */
export async function openTransactionalProducer(
  settings: KafkaSettings,
  transactionalId: string,
  group: string | null,
): Promise<TransactionalProducer> {
  // Without id and epoch of -1 the library asks to go on as producer 0. A broker that knows the
  // transactional id refuses that.
  const producer = hearErrors(
    new Producer({
      ...clientOptions(settings),
      idempotent: true,
      transactionalId,
      producerId: -1n,
      producerEpoch: -1,
      compression: 'zstd',
      autocreateTopics: false,
    }),
  );
  const consumer = group === null ? null : hearErrors(new Consumer({ ...clientOptions(settings), groupId: group }));
  const close = async (): Promise<void> => {
    await producer.close().catch(() => {});
    await consumer?.close(true).catch(() => {});
  };
  let coordinator = 0;
  let transaction: Awaited<ReturnType<typeof producer.beginTransaction>> | null = null;
  try {
    transaction = await producer.beginTransaction();
    if (consumer !== null) coordinator = await consumer.findGroupCoordinator();
  } catch (error) {
    await close();
    throw explain(error, settings);
  }

  return {
    async publish(messages, positions = [], beforeCommit = () => {}) {
      try {
        transaction ??= await producer.beginTransaction();
        // One call at a time: the library may lose one of several parallel calls in a transaction.
        for (const part of sendsOf(messages)) await transaction.send({ messages: part });
        if (consumer !== null && positions.length > 0) {
          await transaction.addConsumer(consumer);
          for (const position of positions) await transaction.addOffset(consumed(position, group, coordinator));
        }
        beforeCommit();
        await transaction.commit();
        transaction = null;
      } catch (error) {
        throw explain(error, settings);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * The library moves the offset of a group past a message that was consumed. Our positions are made
 * to look like such messages.
 */
function consumed({ topic, partition, position }: GroupPosition, group: string | null, coordinator: number): Message {
  const message: Partial<Message> = {
    topic,
    partition,
    offset: BigInt(position - 1),
    metadata: { consumer: { groupId: group, generationId: -1, memberId: '', coordinatorId: coordinator } },
  };
  return message as Message;
}

/** Cuts the messages into parts of one request each. */
function* sendsOf(messages: readonly OutgoingMessage[]): Generator<OutgoingMessage[]> {
  let part: OutgoingMessage[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (bytes + message.value.length > SEND_BYTES_MAX && part.length > 0) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(message);
    bytes += message.value.length;
  }
  if (part.length > 0) yield part;
}
