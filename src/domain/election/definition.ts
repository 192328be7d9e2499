import { canonicalDefinition, type Election } from './election.ts';

/**
 * The definition of an election has two parts. The **counting definition** is what a ballot or its
 * counting depends on. Its hash is in boxes, batches and the chain, and it never changes after the
 * first vote. The **description** is everything else: names, parties, electorates, the tree above
 * the locations. It changes by numbered revisions, each with a hash over the whole definition.
 *
 * In format 1 one hash covers both parts. Elections made before there were two keep it: they go on
 * under the hash of their first definition.
 */
export type DefinitionFormat = 1 | 2;

/** The format that a new election gets. */
export const DEFINITION_FORMAT: DefinitionFormat = 2;

/**
 * The counting definition as canonical text. It lists everything in the order of the definition,
 * because tables and tallies number contests, candidates and locations by their place. A member
 * that is absent is left out, so a later member does not change an old hash.
 */
export function countingDefinition(election: Election): string {
  return JSON.stringify({
    format: 2,
    id: election.id,
    is_test: election.is_test,
    source: election.source,
    contests: election.contests.map(({ id, vote_for, seats, location_ids }) => ({ id, vote_for, seats, location_ids })),
    candidates: election.candidates.map(({ contest_id, id, aggregate }) => ({ contest_id, id, aggregate })),
    locations: election.locations.map(({ id }) => id),
  });
}

/** The text whose SHA-256 is in every box, for an election of this format. */
export const hashedDefinition = (election: Election, format: DefinitionFormat): string =>
  format === 1 ? canonicalDefinition(election) : countingDefinition(election);

/**
 * Where a revised definition counts differently from the one in force.
 * @returns the first difference in words; null where only the description differs.
 */
export function countingDifference(inForce: Election, revised: Election): string | null {
  if (countingDefinition(inForce) === countingDefinition(revised)) return null;
  for (const part of ['id', 'is_test', 'source'] as const)
    if (inForce[part] !== revised[part]) return `${part} is ${revised[part]} and was ${inForce[part]}`;
  for (const part of ['contests', 'candidates', 'locations'] as const) {
    const difference = differingEntry(inForce[part], revised[part]);
    if (difference !== null) return `${part}: ${difference}`;
  }
  const changed = inForce.contests.find((contest, i) => rulesOf(contest) !== rulesOf(revised.contests[i]!));
  if (changed !== undefined) return `contest "${changed.id}" has another vote_for, other seats or other locations`;
  return 'a candidate stands in another contest, or is a line of several people in only one of the two';
}

const rulesOf = ({ vote_for, seats, location_ids }: Election['contests'][number]): string =>
  JSON.stringify({ vote_for, seats, location_ids });

function differingEntry(
  before: readonly { readonly id: string }[],
  now: readonly { readonly id: string }[],
): string | null {
  for (let i = 0; i < Math.max(before.length, now.length); i++) {
    const [was, is] = [before[i]?.id, now[i]?.id];
    if (was === is) continue;
    if (is === undefined) return `"${was}" is missing`;
    if (was === undefined) return `"${is}" is new`;
    return `"${is}" stands where "${was}" stood`;
  }
  return null;
}
