import { fractionOf } from '../../domain/counts.ts';
import { candidateKey, type Election, partyNames } from '../../domain/election/election.ts';
import { REMOVED, REVISION_KEY_PREFIX, type RevisionRecord, TOTALS_KEY } from '../../domain/log/records.ts';
import type { MicroBatchResults } from '../../domain/results/micro-batch-results.ts';
import { parseObject } from '../../domain/results/published-results.ts';
import type { ElectionEntry } from '../../ports/elections.ts';
import {
  type ClosableWriter,
  followBatches,
  type Log,
  type OutgoingRecord,
  recordsFrom,
  recordsOf,
} from '../../ports/log.ts';
import { publishOnce } from './generation.ts';
import type { QueryHome } from './query.ts';
import type { Description } from './statement.ts';

/** The parts of a counter that bring the published records under the description in force. */
export interface Describing {
  readonly log: Log;
  readonly entry: ElectionEntry;
  readonly home: QueryHome;
  readonly results: MicroBatchResults;
  /** The description in force, as far as it is known here. */
  description: Description;
  /** The revision that all records were found to follow. */
  followed: number;
  openWriter(): Promise<ClosableWriter>;
  /** Reads the results up to their end. */
  catchUp(): Promise<void>;
  say(line: string): void;
}

/** Follows the revisions of the description in topic `definition`. */
export async function followRevisions(run: Describing, signal: AbortSignal): Promise<void> {
  for await (const batch of followBatches(run.log, 'definition', 0, 0, signal))
    for (const { key, value } of recordsOf(batch)) {
      if (!key.startsWith(REVISION_KEY_PREFIX)) continue;
      const { election, revision }: RevisionRecord = JSON.parse(value);
      if (revision > run.description.revision) run.description = { election, revision };
    }
}

/**
 * Brings every record under the description in force. It does nothing where they follow it already.
 * Otherwise it stops the query, whose literals are of an earlier revision. Then it publishes each
 * record once more with the same count and moment. The next start of the query has the new
 * literals.
 *
 * One counter does so, and the others find it done. A counter that does not know the revision yet
 * may start the query once more under the earlier one. The totals of that query then name the
 * earlier revision, so the next look finds them.
 * @param signal ends the wait for another counter; null never.
 */
export async function takeRevision(run: Describing, signal: AbortSignal | null): Promise<void> {
  const { revision } = run.description;
  const running = signal ?? new AbortController().signal;
  if (running.aborted || !isBehind(run)) return;
  const outdated = async (): Promise<OutgoingRecord[]> => {
    await run.catchUp();
    return outdatedRecords(run);
  };
  await publishOnce(
    run,
    {
      isThere: async () => (await outdated()).length === 0,
      startsAt: null,
      async publish(writer) {
        // The query may have written beside us, if another counter started it meanwhile. Then the
        // next look finds a record that is older than one before it.
        for (;;) {
          await (await run.home.find())?.stop();
          const records = await outdated();
          if (records.length === 0) break;
          await writer.publish(records);
        }
        run.say(`The results follow description ${revision} now.`);
      },
    },
    running,
  );
  if (!running.aborted) run.followed = revision;
}

const isBehind = ({ description: { revision }, followed, results: { totals } }: Describing): boolean =>
  followed < revision || (totals !== null && (totals.revision ?? 0) < revision);

/** The records that do not follow the description, as they must be. */
async function outdatedRecords({ log, entry, results, description }: Describing): Promise<OutgoingRecord[]> {
  const { revision } = description;
  const records: OutgoingRecord[] = [];
  for (const [topic, describe] of Object.entries(describers(description.election)) as [DescribedTopic, Describer][])
    for (const [key, { newest, last }] of await publishedRows(log, topic, entry.generation)) {
      if (revisionOf(last) >= revision && asOf(last) >= asOf(newest)) continue;
      const described = describe(newest);
      if (described !== null) records.push({ topic, key, value: rowUnder(revision, { ...newest, ...described }) });
    }
  const { totals } = results;
  // In the middle of a micro-batch there are totals to come, and they name the revision themselves.
  if (totals !== null && revisionOf(totals) < revision && results.missing === null)
    records.push({ topic: 'results-by-location', key: TOTALS_KEY, value: rowUnder(revision, { ...totals }) });
  return records;
}

type Row = Readonly<Record<string, unknown>>;

const revisionOf = ({ revision }: { readonly revision?: unknown }): number => Number(revision ?? 0);
const asOf = ({ as_of }: Row): string => `${as_of}`;

/** Epoch and moment come last, as in every row of Spark. */
function rowUnder(revision: number, { revision: _, epoch, as_of, ...counts }: Row): string {
  return JSON.stringify({ ...counts, revision, epoch, as_of });
}

type DescribedTopic = 'votes-per-candidate' | 'turnout-by-location';
/** The members of a record that come from the description; null where it is of nothing known. */
type Describer = (row: Row) => Row | null;

function describers(election: Election): Readonly<Record<DescribedTopic, Describer>> {
  const partyOf = partyNames(election);
  const candidates = new Map(
    election.candidates.map((candidate) => [
      candidateKey(candidate.contest_id, candidate.id),
      { name: candidate.name, party: partyOf(candidate) },
    ]),
  );
  const locations = new Map<string, Election['locations'][number]>(election.locations.map((each) => [each.id, each]));
  return {
    'votes-per-candidate': (row) => candidates.get(candidateKey(`${row.contest_id}`, `${row.candidate_id}`)) ?? null,
    'turnout-by-location': (row) => {
      const location = locations.get(`${row.location_id}`);
      if (location === undefined) return null;
      const { name, registered_voters } = location;
      return { name, registered_voters, turnout: fractionOf(Number(row.ballots_cast), registered_voters) };
    },
  };
}

/** The rows of one key: of the latest moment, and the one that stands. */
interface PublishedRows {
  readonly newest: Row;
  readonly last: Row;
}

async function publishedRows(log: Log, topic: DescribedTopic, epoch: number): Promise<Map<string, PublishedRows>> {
  const rows = new Map<string, PublishedRows>();
  for await (const { key, value } of recordsFrom(log, topic, 0, 0)) {
    const last = value === REMOVED ? null : parseObject(value);
    if (last === null || last.epoch !== epoch) continue;
    const newest = rows.get(key)?.newest ?? last;
    rows.set(key, { newest: asOf(last) >= asOf(newest) ? last : newest, last });
  }
  return rows;
}
