import type { CandidateResult } from '../../src/domain/results/results.ts';
import { formatCount } from '../text/format.ts';
import { byVotes } from '../text/leader.ts';
import { colourOf, REST_COLOUR } from './colours.ts';

/** A candidate in a chart, or the rest together. */
export interface Slice {
  readonly key: string;
  readonly name: string;
  readonly party: string | null;
  readonly votes: number;
  readonly share: number | null;
  readonly colour: string;
}

/** The first `max` candidates by votes, and the others as one slice; a single other is itself. */
export function slicesOf(candidates: readonly CandidateResult[], max: number, total: number): Slice[] {
  const slices = candidates
    .map((candidate, place) => ({ ...candidate, key: candidate.id, colour: colourOf(place) }))
    .sort(byVotes);
  if (slices.length <= max + 1) return slices;
  const rest = slices.slice(max);
  const votes = rest.reduce((sum, slice) => sum + slice.votes, 0);
  const name = `${formatCount(rest.length)} others`;
  const share = total === 0 ? null : votes / total;
  return [...slices.slice(0, max), { key: '\u0000rest', name, party: null, votes, share, colour: REST_COLOUR }];
}
