import { sumOf } from '../../domain/counts.ts';
import type { LogCount } from './ballots.ts';
import type { Check } from './check.ts';
import { CLOCKS_MS_MAX, check, noneOf, type Verification } from './check.ts';
import type { Published } from './published.ts';
import { compareTallies } from './tallies.ts';

/** Compares the published state with the log at the place that it covers. */
export function comparePublished(verification: Verification, published: Published, count: LogCount): Check[] {
  const { index, entry, moment } = verification;
  const { state, checkpoint, tally } = published;
  const places: string[] = [];
  const covers: string[] = [];
  for (let partition = 0; partition < entry.partitions; partition++) {
    const covered = state.covers[partition];
    const place = count.published[partition];
    if (covered === undefined || covered > count.covers[partition]!)
      covers.push(`partition ${partition}: the results cover ${covered}, and the log has ${count.covers[partition]}`);
    else if (place === undefined)
      covers.push(`partition ${partition}: the results end at seq ${covered}, within a box`);
    else if (checkpoint !== null) {
      const { offsets, heads } = checkpoint as { offsets?: unknown[]; heads?: unknown[] };
      if (offsets?.[partition] !== place.offset || heads?.[partition] !== place.hash)
        places.push(
          `partition ${partition}: the checkpoint is at offset ${offsets?.[partition]} with hash ${heads?.[partition]}, and seq ${covered} is at offset ${place.offset} with hash ${place.hash}`,
        );
    }
  }
  if (state.covers.length > entry.partitions) covers.push(`the results cover ${state.covers.length} partitions`);
  return [
    compareTallies(index, 'votes in the log = published results', count.counted, tally),
    check('published results cover only votes in the log', sumOf(count.counted.ballots), sumOf(state.covers), covers),
    noneOf('the checkpoint ends where the log does at that place', places),
    noneOf('the time of the published results', differingTime(verification, published, count)),
    noneOf('the writer of the published results', differingWriter(moment, published)),
  ];
}

function differingTime({ moment }: Verification, { state }: Published, count: LogCount): string[] {
  const asOf = Date.parse(state.as_of);
  if (Number.isNaN(asOf)) return [`as_of is "${state.as_of}", which is not a time`];
  const now = Date.parse(moment.now);
  if (asOf > now + CLOCKS_MS_MAX) return [`as_of is ${state.as_of}, and PostgreSQL has ${moment.now}`];
  if (asOf < count.last_cast_at - CLOCKS_MS_MAX)
    return [`as_of is ${state.as_of}, and covered votes were cast at ${new Date(count.last_cast_at).toISOString()}`];
  return [];
}

/** Each start of a counter raises the epoch, so no record has a greater one than its writer. */
function differingWriter({ writers, election }: Verification['moment'], published: Published): string[] {
  const { state, checkpoint } = published;
  const engine = checkpoint === null ? 'spark' : 'local';
  const raised = writers.find(({ name }) => name === COUNTER)?.epoch ?? 0;
  const generation = Number(checkpoint?.generation ?? 1);
  const others = writers.filter(({ name }) => name !== COUNTER);
  return [
    ...(state.epoch > raised ? [`the results have epoch ${state.epoch}, and table writers has ${raised}`] : []),
    ...(generation > Number(election.generation)
      ? [`the results are of generation ${generation}, and elections.generation is ${election.generation}`]
      : []),
    ...(election.engine === engine ? [] : [`elections.engine is ${election.engine}, and the results are of ${engine}`]),
    ...others.map(({ name }) => `table writers has an unknown writer "${name}"`),
  ];
}

/** The name of the counter in table `writers`. */
const COUNTER = 'count';
