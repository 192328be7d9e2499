import { crc32 } from 'node:zlib';
import { readSql } from '../../base/resources.ts';
import { assert } from '../../domain/assert.ts';
import { type Election, partyNames } from '../../domain/election/election.ts';

const TEMPLATE = readSql('spark/count.sql');

/** An election as it is called, with the number of that revision of the description. */
export interface Description {
  readonly election: Election;
  readonly revision: number;
}

/** The groupings of count.sql whose records carry more than ids and numbers. */
const LOCATION_GROUPING = 2;
const CANDIDATE_GROUPING = 4;

/**
 * The counting of an election as one statement of Spark SQL: count.sql with its values put in. Two
 * descriptions of an election differ in literals alone, so the query goes on from one checkpoint.
 */
export function countStatement({ election, revision }: Description, definitionHash: string, epoch: number): string {
  const usual = usualVoteFor(election);
  const others = election.contests
    .filter(({ vote_for }) => vote_for !== usual)
    .map(({ id, vote_for }) => `${literal(id)}, ${vote_for}L`);
  const buckets = nameBuckets(election);
  const values: Record<string, string> = {
    election: literal(election.id),
    definition: literal(definitionHash),
    epoch: whole(epoch),
    revision: whole(revision),
    vote_for_usual: whole(usual),
    // A null map, instead of an empty one, lets Spark leave out the search in it.
    vote_for_others: `CAST(${others.length === 0 ? 'NULL' : `map(${others.join(', ')})`} AS MAP<STRING, BIGINT>)`,
    names: literal(JSON.stringify(buckets)),
    name_buckets: whole(buckets.length),
  };
  return TEMPLATE.replace(/^\s*--.*\n/gm, '').replace(/:([a-z_]+)\b/g, (found, name: string) => values[name] ?? found);
}

/**
 * The most frequent `vote_for`. Spark searches the map of the others for every contest of every
 * vote, so the map should be short.
 */
function usualVoteFor({ contests }: Election): number {
  const times = new Map<number, number>();
  for (const { vote_for } of contests) times.set(vote_for, (times.get(vote_for) ?? 0) + 1);
  return [...times].toSorted(([, left], [, right]) => right - left)[0]![0];
}

interface Known {
  readonly name: string;
  readonly party?: string | null;
  readonly registered_voters?: number | null;
}

/** Spark searches a map from its first entry to its last, so a bucket holds few names. */
const NAMES_PER_BUCKET = 4;

/**
 * The names by key. The crc32 of a key, which is the same in Spark and Node, selects its bucket.
 */
function nameBuckets(election: Election): Record<string, Known>[] {
  const partyOf = partyNames(election);
  const names: [string, Known][] = [
    ...election.locations.map(({ id, name, registered_voters }): [string, Known] => [
      nameKey(LOCATION_GROUPING, id, ''),
      { name, registered_voters },
    ]),
    ...election.candidates.map((candidate): [string, Known] => [
      nameKey(CANDIDATE_GROUPING, candidate.contest_id, candidate.id),
      { name: candidate.name, party: partyOf(candidate) },
    ]),
  ];
  const buckets = Array.from({ length: Math.ceil(names.length / NAMES_PER_BUCKET) }, () => new Map<string, Known>());
  for (const [key, known] of names) buckets[crc32(key) % buckets.length]!.set(key, known);
  return buckets.map((bucket) => Object.fromEntries(bucket));
}

/**
 * The key of a name, as count.sql makes it. The length in characters, as Spark counts them,
 * separates the two ids.
 */
const nameKey = (grouping: number, key1: string, key2: string): string =>
  `${grouping} ${Array.from(key1).length} ${key1}${key2}`;

/**
 * Text as a literal of Spark SQL. Letters, digits and a few harmless characters stay as they are.
 * All others become \uXXXX, so no quote, backslash, `$\{variable}` or character set has a meaning
 * on the way.
 */
export const literal = (text: string): string =>
  `'${text.replace(/[^A-Za-z0-9 .,-]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}'`;

function whole(value: number): string {
  assert(Number.isSafeInteger(value), 'a whole number');
  return `${value}L`;
}
