import { once } from 'node:events';
import { OperationalError } from '../base/errors.ts';
import type { Log, Topic } from '../ports/log.ts';
import { batchesFrom, COMPACTED_TOPICS, recordsOf, TOPICS } from '../ports/log.ts';
import { type Command, EXIT, findElection, type Terminal, withBackend } from './shared.ts';

export const command: Command = (config, terminal, { positional }) => {
  const topic =
    positional === null
      ? null
      : (TOPICS.find((each) => each === positional || positional.endsWith(`.${each}`)) ?? unknownTopic(positional));
  return withBackend(config, terminal, async (backend) => {
    const entry = await findElection(backend, config.id);
    const partitionsOf = (each: Topic): number => (COMPACTED_TOPICS.has(each) ? 1 : entry.partitions);
    await using log = await backend.openLog(entry);
    if (topic !== null) await printTopic(log, topic, partitionsOf(topic), terminal);
    else
      for (const each of TOPICS) {
        let records = 0;
        for (let partition = 0; partition < partitionsOf(each); partition++) records += await log.end(each, partition);
        terminal.stdout.write(`${entry.id}.${each}\t${records}\n`);
      }
    return EXIT.done;
  });
};

const unknownTopic = (name: string): never => {
  throw new OperationalError('USAGE', {
    message: `there is no topic "${name}"`,
    nextStep: `The topics are ${TOPICS.join(', ')}.`,
  });
};

/**
 * Prints a line per record, `key TAB value`, as the log holds it. Stops early at Ctrl-C, or when
 * the output cannot be written.
 */
async function printTopic(log: Log, topic: Topic, partitions: number, terminal: Terminal): Promise<void> {
  const { stdout } = terminal;
  const signal = AbortSignal.any([terminal.signal, terminal.unwritten]);
  for (let partition = 0; partition < partitions; partition++)
    for await (const batch of batchesFrom(log, topic, partition, 0))
      for (const { key, value } of recordsOf(batch)) {
        if (signal.aborted) return;
        if (!stdout.write(`${key === '' ? '' : `${key}\t`}${value}\n`))
          await once(stdout, 'drain', { signal }).catch(() => {});
      }
}
