import { crashPoint } from '../../base/crash-points.ts';
import type { ElectionId } from '../../domain/election/election.ts';
import type { ClosableWriter } from '../../ports/log.ts';
import { assertEpoch } from '../postgres/epochs.ts';
import { topicName } from './client.ts';
import { isFencedOut } from './explain.ts';
import { openTransactionalProducer } from './producer.ts';
import type { KafkaSettings } from './settings.ts';

export interface KafkaWriterOptions {
  readonly settings: KafkaSettings;
  readonly election: ElectionId;
  /** The writer's name, e.g. `count`. */
  readonly name: string;
  /** Raises the epoch of the writers of this name. @returns the new one. */
  raiseEpoch(): Promise<number>;
  /** The current epoch: above ours once a later writer was opened. */
  currentEpoch(): Promise<number>;
}

/**
 * Opens the only writer of the result topics. The epoch in PostgreSQL says which writer came last.
 * Kafka's transactional id keeps the others from committing. Both are needed, because Kafka also
 * fences a writer whose transaction only took too long, and that writer must go on.
 */
export async function openKafkaWriter(options: KafkaWriterOptions): Promise<ClosableWriter> {
  const { settings, election, name } = options;
  const epoch = await options.raiseEpoch();
  const assertLast = async (cause?: unknown): Promise<void> =>
    assertEpoch(name, await options.currentEpoch(), epoch, cause);
  await using opening = new AsyncDisposableStack();
  const producer = opening.use(await openTransactionalProducer(settings, `${election}.${name}`, null));
  // We may have fenced a writer that was opened after our epoch was raised. That writer starts
  // again, and this one must give way.
  await assertLast();
  opening.move();
  return {
    epoch,
    async publish(records) {
      const messages = records.map(({ topic, key, value }) => ({
        topic: topicName(election, topic),
        partition: 0,
        key: Buffer.from(key),
        value: Buffer.from(value),
      }));
      try {
        await producer.publish(messages, [], () => crashPoint('count.before-checkpoint'));
      } catch (error) {
        if (isFencedOut(error)) await assertLast(error);
        throw error;
      }
      crashPoint('count.after-checkpoint');
    },
    close: producer.close,
    [Symbol.asyncDispose]: producer.close,
  };
}
