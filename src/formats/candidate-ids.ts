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
 * `name (party)` where the name alone is not unique.
 */
export function candidateIds(candidates: readonly Named[]): CandidateId[] {
  const holders = new Map<string, number>();
  for (const { name } of candidates) holders.set(name, (holders.get(name) ?? 0) + 1);
  return candidates.map(
    ({ name, party, id = '' }) =>
      (id !== '' ? id : holders.get(name) === 1 || party === '' ? name : `${name} (${party})`) as CandidateId,
  );
}
