import { isDeepStrictEqual } from 'node:util';
import { sha256 } from '../../base/sha256.ts';
import type { Tally } from '../../domain/counting/tally.ts';
import { slotContest, slotsOf } from '../../domain/election/election-index.ts';
import { readReturns } from '../../domain/returns/return-record.ts';
import { ReturnsCounter } from '../../domain/returns/returns-counter.ts';
import type { Version } from '../../domain/returns/version.ts';
import { recordsFrom } from '../../ports/log.ts';
import type { Returns } from '../../ports/returns.ts';
import { type Check, CLOCKS_MS_MAX, check, DIFFERENCES_SHOWN_MAX, noneOf, type Verification } from './check.ts';
import type { Published } from './published.ts';
import { compareTallies } from './tallies.ts';

/** Topic `returns`, counted again. */
export interface ReturnsCount {
  /** The versions in the log. */
  readonly versions: number;
  readonly checks: readonly Check[];
}

/**
 * Folds topic `returns` from nothing, and compares it with table `returns`, row by row and as SQL
 * counts it, and with the published results at the place that they cover.
 */
export async function compareReturns(
  verification: Verification,
  returns: Returns,
  published: Published | null,
): Promise<ReturnsCount> {
  const { entry, index, log, moment, signal } = verification;
  const end = moment.log_ends.find(({ topic }) => topic === 'returns');
  const counter = new ReturnsCounter(index, entry.definition_hash!, sha256);
  const covered = published?.state.covers[0] ?? 0;
  const chain: string[] = [];
  const rows: string[] = [];
  let stateAt: Tally | null = covered === 0 ? copyOf(counter.tally) : null;
  let placeAt = covered === 0 ? { offset: 0, hash: counter.heads[0]! } : null;
  for await (const { offset, value } of recordsFrom(log, 'returns', 0, 0)) {
    signal.throwIfAborted();
    if (offset >= (end?.next_offset ?? 0)) break;
    try {
      counter.countRecord(value);
      const { seq, upload, versions } = readReturns(index, value);
      if (rows.length < DIFFERENCES_SHOWN_MAX)
        rows.push(...differingRows(upload, versions, await returns.accepted(entry, seq, versions.length)));
    } catch (cause) {
      chain.push(`record ${offset}: ${cause instanceof Error ? cause.message : cause}`);
      break;
    }
    if (counter.covers[0] !== covered) continue;
    stateAt = copyOf(counter.tally);
    placeAt = { offset: offset + 1, hash: counter.heads[0]! };
  }
  const [versions = 0] = counter.covers;
  if (chain.length === 0 && (versions !== end?.next_seq || (end.hash ?? counter.heads[0]) !== counter.heads[0]))
    chain.push(`the log ends at seq ${versions}, and table log_ends says ${end?.next_seq}`);
  const stored = await returns.recount(entry, versions, signal);
  return {
    versions,
    checks: [
      noneOf('every seq and every link of the chain of hashes in topic returns', chain),
      noneOf('versions in the log = table returns', rows),
      check('accepted versions in table returns = the log', stored.accepted, versions),
      check('versions in table returns behind the end of the log', 0, stored.strays),
      noneOf('table uploads = table returns', stored.differing),
      noneOf('tables of returns refuse changes', stored.unprotected),
      compareTallies(index, 'returns in the log = returns in PostgreSQL', counter.tally, stored.tally),
      compareUnits(verification, 'units in the log = units in PostgreSQL', counter.tally, stored.tally),
      ...(published === null ? [] : comparePublished(verification, published, stateAt, placeAt)),
    ],
  };
}

function comparePublished(
  verification: Verification,
  { tally, state, checkpoint }: Published,
  stateAt: Tally | null,
  placeAt: { readonly offset: number; readonly hash: string } | null,
): Check[] {
  if (stateAt === null)
    return [
      noneOf('published results cover only versions in the log', [
        `the results cover ${state.covers.join(', ')} versions, where no record of the log ends`,
      ]),
    ];
  const { offsets, heads } = (checkpoint ?? {}) as { offsets?: unknown; heads?: unknown };
  const isThere = isDeepStrictEqual([offsets, heads], [[placeAt!.offset], [placeAt!.hash]]);
  const asOf = Date.parse(state.as_of);
  return [
    compareTallies(verification.index, 'returns in the log = published results', stateAt, tally),
    compareUnits(verification, 'units in the log = published results', stateAt, tally),
    noneOf('the checkpoint ends where the log does at that place', isThere ? [] : ['it is at another place']),
    noneOf(
      'the time of the published results',
      asOf <= Date.parse(verification.moment.now) + CLOCKS_MS_MAX ? [] : [`as_of is ${state.as_of}`],
    ),
  ];
}

/** @param rows the versions of the table with the same `seq` */
function differingRows(
  upload: number,
  versions: readonly Version[],
  rows: readonly (Version & { readonly upload: number })[],
): string[] {
  return versions.flatMap((version, at) => {
    const row = rows[at];
    return row !== undefined && isDeepStrictEqual(row, { ...version, upload })
      ? []
      : [`a version of upload ${upload} is not as table returns has it`];
  });
}

function compareUnits({ index }: Verification, name: string, left: Tally, right: Tally): Check {
  const differences: string[] = [];
  for (const [location, { id }] of index.election.locations.entries())
    for (const slot of slotsOf(index, location))
      for (const field of ['reporting', 'total'] as const) {
        const [a, b] = [left.units?.[field][slot], right.units?.[field][slot]];
        if (!Object.is(a, b)) differences.push(`${id}, units in ${slotContest(index, slot).id}: ${a} and ${b}`);
      }
  return noneOf(name, differences);
}

const copyOf = ({ ballots, votes, undervotes, overvoted, units }: Tally): Tally => ({
  ballots: ballots.slice(),
  votes: votes.slice(),
  undervotes: undervotes.slice(),
  overvoted: overvoted.slice(),
  units: units === null ? null : { reporting: units.reporting.slice(), total: units.total.slice() },
});
