import type pg from 'pg';
import { OperationalError } from '../../base/errors.ts';

/**
 * The channel that announces appends to table `log` as `election/topic/partition/end`. The word
 * `end` in place of a partition means all partitions.
 */
export const LOG_CHANNEL = 'tallyroom_log';

/** Rings at notifications, including those that come before a caller waits for them. */
export interface Bell extends Disposable {
  /**
   * Forgets the notifications so far. A caller that looks after this and then waits misses none.
   */
  settle(): void;
  /**
   * Resolves once a notification has come since `settle`, once the connection is lost, or when the
   * signal aborts.
   */
  rung(signal: AbortSignal): Promise<void>;
}

/** The notifications of a channel, on a connection that may do other work, too. */
export interface Notifications {
  /** A bell for the notifications with a payload that `concerns` accepts. */
  bell(concerns: (payload: string) => boolean): Bell;
  /** @throws OperationalError DATABASE_UNREACHABLE once notifications can no longer come. */
  assertConnected(): void;
}

/** @param hear is called with each payload, before any bell rings. */
export async function listen(
  client: pg.Client,
  channel: string,
  hear: (payload: string) => void = () => {},
): Promise<Notifications> {
  const ringers = new Set<(payload: string | null) => void>();
  let isConnected = true;
  client.on('notification', ({ payload = '' }) => {
    hear(payload);
    for (const ring of ringers) ring(payload);
  });
  client.on('end', () => {
    isConnected = false;
    for (const ring of ringers) ring(null);
  });
  await client.query(`LISTEN ${channel}`);
  return {
    bell(concerns) {
      let hasRung = false;
      let wake = (): void => {};
      const ring = (payload: string | null): void => {
        if (payload !== null && !concerns(payload)) return;
        hasRung = true;
        wake();
      };
      ringers.add(ring);
      return {
        settle() {
          hasRung = false;
        },
        async rung(signal) {
          if (hasRung || !isConnected || signal.aborted) return;
          const { promise, resolve } = Promise.withResolvers<void>();
          wake = () => resolve();
          const stop = wake;
          signal.addEventListener('abort', stop, { once: true });
          await promise;
          signal.removeEventListener('abort', stop);
        },
        [Symbol.dispose]: () => ringers.delete(ring),
      };
    },
    assertConnected() {
      if (isConnected) return;
      throw new OperationalError('DATABASE_UNREACHABLE', {
        message: 'the connection for notifications is lost',
        nextStep: 'Start again: everything committed stays.',
        canRetry: true,
      });
    },
  };
}
