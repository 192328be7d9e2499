import { comparisonKey, idFromName } from '../domain/election/comparison-key.ts';
import type { CandidateId } from '../domain/election/election.ts';

interface Named {
  readonly name: string;
  /** Empty where the candidate has none. */
  readonly party: string;
  /** The id that the source gives; empty or absent where it gives none. */
  readonly id?: string;
}

/**
 * The ids of the candidates of one contest, in their order: the source's own, else the name, or
 * `name (party)` where the name alone is not unique; without characters that nobody sees.
 */
export function candidateIds(candidates: readonly Named[]): CandidateId[] {
  const holders = new Map<string, number>();
  const keys = candidates.map(({ name }) => comparisonKey(name));
  for (const key of keys) holders.set(key, (holders.get(key) ?? 0) + 1);
  return candidates.map(
    ({ name, party, id = '' }, i) =>
      idFromName(
        id !== '' ? id : holders.get(keys[i]!) === 1 || party === '' ? name : `${name} (${party})`,
      ) as CandidateId,
  );
}
