import type { VoterPerson } from '../domain/election/voter.ts';
import type { RollLayout, RollPlace } from '../domain/generated/roll-layout.ts';
import { createRollLayout } from '../domain/generated/roll-layout.ts';
import { createVoterColumns } from '../domain/log/voter-records.ts';
import type { Backend } from '../ports/backend.ts';
import { definitionOf, type ElectionEntry } from '../ports/elections.ts';
import { type Roll, VOTERS_PER_BATCH_MAX } from '../ports/roll.ts';
import type { StageContext } from '../ports/stage-context.ts';
import { createPeople } from '../registration/generated-people.ts';
import { votersByLocation } from '../registration/voters.ts';
import { goOn } from './go-on.ts';

/**
 * A small election has smaller batches than the store allows, so that voting can begin when a
 * quarter of a partition is registered.
 */
const BATCHES_PER_PARTITION_MIN = 4;

/**
 * The day on which invented people are of age, where the election has no date. It is fixed so that
 * the same seed gives the same people.
 */
const REFERENCE_DATE = '2026-01-01';

/**
 * Puts all voters of a defined election into table and topic. It goes on where the last process
 * stopped.
 * @returns false when the signal aborted.
 */
export async function registerElection(context: StageContext): Promise<boolean> {
  return goOn(context, async ({ backend, entry, progress, signal }) => {
    const { kind } = entry.arguments;
    // Official returns come without voters.
    if (kind === 'returns') return true;
    await using roll = await openOrAbort(backend, entry, signal);
    if (roll === null) return false;
    const registering: RegisterContext = { entry, roll, registered: progress.registered };
    if (kind === 'roll' || kind === 'api') return await publishStaged(registering, signal);
    const sizes = votersByLocation(entry, await backend.elections.replayed(entry));
    const people = kind === 'results' ? null : createPeople(entry.seed, definitionOf(entry).date ?? REFERENCE_DATE);
    return await registerLayout(registering, createRollLayout(sizes, entry.seed), people, signal);
  });
}

async function openOrAbort(backend: Backend, entry: ElectionEntry, signal: AbortSignal): Promise<Roll | null> {
  try {
    return await backend.openRoll(entry, signal);
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}

interface RegisterContext {
  readonly entry: ElectionEntry;
  readonly roll: Roll;
  /** Called after each commit with the number of voters in the log. */
  registered(total: number): void;
}

/**
 * Registers voters whose order and locations are laid out beforehand (generated and replayed
 * elections). It goes on where the last process stopped, with the same batches, since the partition
 * of a batch follows from its place.
 * @param personOf gives the person with an ordinal; null for voters without a person.
 * @returns true when all are registered, false when the signal aborted.
 */
async function registerLayout(
  { entry, roll, registered }: RegisterContext,
  layout: RollLayout,
  personOf: ((ordinal: number, locationName: string) => VoterPerson) | null,
  signal: AbortSignal,
): Promise<boolean> {
  const locations = definitionOf(entry).locations;
  const size = Math.min(VOTERS_PER_BATCH_MAX, Math.ceil(layout.total / (entry.partitions * BATCHES_PER_PARTITION_MIN)));
  const voters = createVoterColumns(Math.max(1, size));
  const at: RollPlace = { location: 0, place: 0 };
  let from = await roll.position('register');
  registered(from);
  while (from < layout.total) {
    if (signal.aborted) return false;
    const to = Math.min(from + size, layout.total);
    const people: VoterPerson[] | null = personOf === null ? null : [];
    for (let ordinal = from; ordinal < to; ordinal++) {
      layout.locate(ordinal, at);
      voters.locations[ordinal - from] = at.location;
      voters.places[ordinal - from] = at.place;
      people?.push(personOf!(ordinal, locations[at.location]!.name));
    }
    voters.count = to - from;
    const partition = Math.floor(from / size) % entry.partitions;
    await roll.append(entry, { source: 'register', from, to, partition, voters, people });
    registered(to);
    from = to;
  }
  await roll.finish(layout.total);
  return true;
}

/**
 * Puts staged voters into the topic, once their locations are defined. The position of source
 * `publish` is a voter id.
 * @returns true when all are in, false when the signal aborted.
 */
async function publishStaged({ entry, roll, registered }: RegisterContext, signal: AbortSignal): Promise<boolean> {
  const voters = createVoterColumns(VOTERS_PER_BATCH_MAX);
  const places = new Float64Array(definitionOf(entry).locations.length);
  let from = await roll.position('publish');
  let total = 0;
  for (const [location, before] of await roll.stagedBefore(from)) {
    places[location] = before;
    total += before;
  }
  registered(total);
  for (let batch = Math.floor(total / VOTERS_PER_BATCH_MAX); (await roll.readStaged(from, voters)) > 0; batch++) {
    if (signal.aborted) return false;
    for (let i = 0; i < voters.count; i++) voters.places[i] = places[voters.locations[i]!]!++;
    const to = voters.ids[voters.count - 1]! + 1;
    await roll.publish(entry, { source: 'publish', from, to, partition: batch % entry.partitions, voters });
    total += voters.count;
    registered(total);
    from = to;
  }
  await roll.finish(total);
  return true;
}
