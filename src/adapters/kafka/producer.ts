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

/** How far a partition of a topic is done, as a position of our own choosing. */
export interface GroupPosition {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
}

/**
 * A producer of transactions, one at a time. After any error it must be closed and another opened,
 * never used again.
 */
export interface TransactionalProducer extends AsyncDisposable {
  /** All messages in order, and the positions, in one transaction. */
  publish(
    messages: readonly OutgoingMessage[],
    positions?: readonly GroupPosition[],
    beforeCommit?: () => void,
  ): Promise<void>;
  /** Never throws. */
  close(): Promise<void>;
}

/**
 * One request holds at most this many bytes before compression. A batch of the table is in one, so
 * readers get it whole. Our topics take up to 64 MB, and a broker 100 MB a request.
 */
const SEND_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Opens the only producer under this transactional id: an earlier one is fenced, its open
 * transaction aborted, before this resolves. So what is read afterwards (a position, the end of a
 * topic) is what the earlier one committed.
 * @param group the group whose offsets hold the positions.
 */
export async function openTransactionalProducer(
  settings: KafkaSettings,
  transactionalId: string,
  group: string | null,
): Promise<TransactionalProducer> {
  // Without id and epoch of -1 the library asks to go on as producer 0, which a broker that knows
  // the transactional id refuses.
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
    throw explain(error);
  }

  return {
    async publish(messages, positions = [], beforeCommit = () => {}) {
      try {
        transaction ??= await producer.beginTransaction();
        // One call at a time: of several at once in a transaction the library may lose one.
        for (const part of sendsOf(messages)) await transaction.send({ messages: part });
        if (consumer !== null && positions.length > 0) {
          await transaction.addConsumer(consumer);
          for (const position of positions) await transaction.addOffset(consumed(position, group, coordinator));
        }
        beforeCommit();
        await transaction.commit();
        transaction = null;
      } catch (error) {
        throw explain(error);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The library moves a group's offset past a message that was consumed; ours was never one. */
function consumed({ topic, partition, position }: GroupPosition, group: string | null, coordinator: number): Message {
  const message: Partial<Message> = {
    topic,
    partition,
    offset: BigInt(position - 1),
    metadata: { consumer: { groupId: group, generationId: -1, memberId: '', coordinatorId: coordinator } },
  };
  return message as Message;
}

/** The messages in parts of one request each. */
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
