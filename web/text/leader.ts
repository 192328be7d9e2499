import { isolate } from '../../src/domain/isolate.ts';
import type { CandidateResult, ContestResult, ResultStatus } from '../../src/domain/results/results.ts';
import { countOf, formatPoints, formatShare } from './format.ts';

export const byVotes = (left: CandidateResult, right: CandidateResult): number => right.votes - left.votes;

/** The candidates to show: the elected, or else the leading ones; none before the first vote. */
export function standOut(chosen: ContestResult): { people: readonly CandidateResult[]; title: string } {
  const elected = chosen.candidates.filter((candidate) => candidate.elected).sort(byVotes);
  const leading = chosen.candidates.filter((candidate) => candidate.leading);
  if (elected.length > 0) return { people: elected, title: 'Most votes' };
  if (leading.length > 1) return { people: leading, title: 'Tie' };
  return { people: leading, title: 'Leading' };
}

/** The same in words, for people that listen to the page. */
export function leaderSentence(chosen: ContestResult): string {
  const { people, title } = standOut(chosen);
  const [first] = people;
  if (first === undefined) return `No votes in ${isolate(chosen.name)} yet.`;
  const names = people.map(({ name }) => isolate(name)).join(', ');
  return title === 'Tie' ? `Tie: ${names}.` : `${names}: ${formatShare(first.share)}.`;
}

/** How far a candidate is ahead of the next one, or behind the one with the most votes. */
export function marginSentence(
  person: CandidateResult,
  chosen: ContestResult,
  status: ResultStatus | undefined,
): string {
  const [second] = chosen.candidates.filter((candidate) => candidate !== person).sort(byVotes);
  const ending =
    person.elected && status === 'unofficial-complete'
      ? ' All votes are counted; the result is not certified yet.'
      : '';
  if (second === undefined) return `The only candidate.${ending}`;
  const points = (person.share ?? 0) - (second.share ?? 0);
  const lead = person.votes - second.votes;
  const words = lead < 0 ? 'behind' : 'ahead of';
  return `${countOf(Math.abs(lead), 'vote')} ${words} ${isolate(second.name)} (${formatPoints(Math.abs(points))}).${ending}`;
}
