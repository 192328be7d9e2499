import { OperationalError } from '../../base/errors.ts';

/** The alarm of a counter that must not go on. */
export const damaged = (topic: string, partition: number, cause: unknown): OperationalError =>
  new OperationalError('LOG_DAMAGED', {
    message: `partition ${partition} of topic ${topic} is damaged: ${cause instanceof Error ? cause.message : cause}`,
    nextStep:
      'Counting has stopped so that no wrong number is published; run `tallyroom verify`, then restore the log from a backup.',
    cause,
  });
