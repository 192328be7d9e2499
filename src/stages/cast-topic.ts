import { OperationalError } from '../base/errors.ts';
import { createTurns, type Turns } from '../base/turns.ts';
import { type ElectionIndex, indexElection } from '../domain/election/election-index.ts';
import { createProblemReporter, type ProblemReporter } from '../files/problems.ts';
import { type CastVotes, checkCastVotes } from '../formats/cast-votes.ts';
import { definitionOf } from '../ports/elections.ts';
import type { ForeignRecords, ForeignTopic } from '../ports/foreign-topic.ts';
import type { ClaimedSource } from '../ports/intake.ts';
import { TOPICS } from '../ports/log.ts';
import type { StageContext } from '../ports/stage-context.ts';
import { castBlock } from './cast-file.ts';
import { goOn } from './go-on.ts';
import { type Booth, openBooth } from './voting/booth.ts';
import { type PartitionWork, workShare } from './voting/share.ts';

/**
 * A commit takes at most this many records, and at most {@link BYTES_PER_BATCH_MAX} bytes of them,
 * so that no batch of the log is too large for readers.
 */
const RECORDS_PER_BATCH_MAX = 20_000;
/** Records of 400 bytes on average reach both limits at the same time. */
const BYTES_PER_BATCH_MAX = 8 * 1024 * 1024;

/**
 * Casts real votes from a topic of another system until the signal aborts, or with `once` up to the
 * present end of the topic. The offset of each of its partitions is committed with the votes, so a
 * second start repeats nothing. Processes that read the same topic at the same time share its
 * partitions.
 * @throws OperationalError INPUT_REFUSED where there is no such topic, or where records were
 * removed before they were read.
 */
export async function castTopic(context: StageContext, name: string, once: boolean): Promise<void> {
  const { backend, entry, progress } = context;
  if (TOPICS.some((topic) => name === `${entry.id}.${topic}`))
    throw new OperationalError('USAGE', {
      message: `topic ${name} is one of election ${entry.id} itself`,
      nextStep: 'Name the topic that the other system writes its votes to.',
    });
  const booth = openBooth(entry, 0, 0);
  const reporter = createProblemReporter(progress.say);
  let ends: readonly number[] | null = null;
  await goOn(context, async (going) => {
    await backend.assertSafe(entry);
    await using topic = await backend.openForeignTopic(name);
    if (once) ends ??= await topic.ends();
    await takeVotes({ ...going, topic, ends, booth, reporter, index: indexElection(definitionOf(entry)) });
  });
  reporter.end();
}

interface TopicContext extends StageContext {
  readonly topic: ForeignTopic;
  /** The offset to stop at, by partition; null to follow the topic. */
  readonly ends: readonly number[] | null;
  readonly booth: Booth;
  readonly reporter: ProblemReporter;
  readonly index: ElectionIndex;
}

async function takeVotes(context: TopicContext): Promise<void> {
  const { backend, entry, topic, ends, progress, signal } = context;
  const source = { name: `topic:${topic.name}`, identity: topic.identity };
  progress.cast(await backend.ballotBox.recovered());
  await using sharing = await backend.ballotBox.share(entry, source.name);
  await using intake = await backend.ballotBox.openIntake(entry, source);
  const all = await topic.partitions();
  progress.say(
    `Taking votes from topic ${topic.name} (${all} ${all === 1 ? 'partition' : 'partitions'})${ends === null ? ', until Ctrl-C' : ''}.`,
  );
  // All partitions share one booth and one connection.
  const inTurn = createTurns();
  await workShare({
    sharing,
    signal,
    async left() {
      const partitions = Array.from({ length: await topic.partitions() }, (_, partition) => partition);
      if (ends === null) return partitions;
      const positions = await intake.positions();
      return partitions.filter((partition) => (positions.get(partition) ?? 0) < (ends[partition] ?? 0));
    },
    async tryClaim(partitions) {
      const claimed = await intake.tryClaim(partitions);
      return claimed === null ? null : workOf(context, claimed, inTurn);
    },
    shared: (partitions) => progress.say(sayShare(partitions, topic.name)),
  });
  progress.cast(await backend.ballotBox.recovered());
}

/** @returns e.g. `Taking votes from partitions 0, 2 of topic ballots.` */
function sayShare(partitions: readonly number[], topic: string): string {
  if (partitions.length === 0)
    return `Taking votes from no partition of topic ${topic}: other processes do. Standing by.`;
  return `Taking votes from ${partitions.length === 1 ? 'partition' : 'partitions'} ${partitions.join(', ')} of topic ${topic}.`;
}

/** Casts the votes of a partition of the topic to its end, or until the signal aborts. */
function workOf(context: TopicContext, claimed: ClaimedSource, inTurn: Turns): PartitionWork {
  const { topic, ends } = context;
  const end = ends?.[claimed.partition] ?? Number.POSITIVE_INFINITY;
  return {
    partition: claimed.partition,
    async work(signal) {
      await using _claim = claimed;
      try {
        while (!signal.aborted && claimed.next_offset < end) {
          const fetched = await topic.read(claimed.partition, claimed.next_offset, signal);
          for (const block of blocksOf(context, claimed.partition, fetched)) {
            if (signal.aborted) return;
            if (block.next_line > claimed.next_offset) await inTurn(() => castRecords(context, claimed, block, signal));
          }
        }
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
  };
}

const castRecords = (
  context: TopicContext,
  claimed: ClaimedSource,
  block: CastVotes,
  signal: AbortSignal,
): Promise<void> =>
  castBlock(
    context,
    context.booth,
    block,
    { source: sourceOf(context, claimed.partition), reporter: context.reporter },
    (batch) => claimed.commit(batch, signal),
  );

/** The name of a partition of the topic in messages. */
const sourceOf = ({ topic }: TopicContext, partition: number): string => `topic:${topic.name}/${partition}`;

/**
 * Checks the fetched records, in blocks of one commit each. The last block also moves the offset
 * past offsets without a record.
 */
function* blocksOf(context: TopicContext, partition: number, { records, next }: ForeignRecords): Generator<CastVotes> {
  const source = sourceOf(context, partition);
  for (let from = 0; ; ) {
    let to = from;
    for (let bytes = 0; to < records.length && to - from < RECORDS_PER_BATCH_MAX; to++) {
      bytes += records[to]!.value?.length ?? 0;
      if (bytes > BYTES_PER_BATCH_MAX && to > from) break;
    }
    const isLast = to === records.length;
    yield {
      next_line: isLast ? next : records[to]!.offset,
      ...checkCastVotes(source, context.index, records.slice(from, to)),
    };
    if (isLast) return;
    from = to;
  }
}
