import type { CandidateResult, ContestResult } from '../../src/domain/results/results.ts';
import { contest, definition, results } from '../live/store.ts';
import { formatCount, formatPoints, formatShare } from '../text/format.ts';

/** In a tie of more than these the rest is a number: the table has them all. */
const TIED_SHOWN_MAX = 6;

export const byVotes = (left: CandidateResult, right: CandidateResult): number => right.votes - left.votes;

/** Whose faces to show: who is elected, or else who leads. */
function standOut(chosen: ContestResult): { people: readonly CandidateResult[]; title: string } {
  const elected = chosen.candidates.filter((candidate) => candidate.elected).sort(byVotes);
  const leading = chosen.candidates.filter((candidate) => candidate.leading);
  if (elected.length > 0) return { people: elected, title: 'Most votes' };
  if (leading.length > 1) return { people: leading, title: 'Tie' };
  return { people: leading, title: 'Leading' };
}

/** The same in words, for who listens to the page. */
export function leaderSentence(chosen: ContestResult): string {
  const { people, title } = standOut(chosen);
  const [first] = people;
  if (first === undefined) return `No votes in ${chosen.name} yet.`;
  const names = people.map(({ name }) => name).join(', ');
  return title === 'Tie' ? `Tie: ${names}.` : `${names}: ${formatShare(first.share)}.`;
}

export function Leader() {
  const chosen = contest.value;
  if (chosen === null) return null;
  const { people, title } = standOut(chosen);
  const isFinal = people.some(({ elected }) => elected);
  return (
    <article class="leader" data-leader={people.length === 0 ? 'none' : title === 'Tie' ? 'tie' : 'one'}>
      <h2>
        {people.length === 0 ? 'No votes yet' : title}
        {chosen.seats > 1 && <span class="seats">{formatCount(chosen.seats)} seats</span>}
      </h2>
      {people.length === 0 && (
        <p class="empty">The first votes appear here as soon as they are counted. All candidates start from zero.</p>
      )}
      {people.length === 1 && <One person={people[0]!} chosen={chosen} isFinal={isFinal} />}
      {people.length > 1 && <Several people={people} chosen={chosen} isTie={title === 'Tie'} />}
    </article>
  );
}

export function Photo({ id, chosen, size }: { id: string; chosen: ContestResult; size: number }) {
  const address = new URLSearchParams({ contest: chosen.id, candidate: id, v: definition.value.slice(0, 12) });
  return <img class="photo" src={`./api/photo?${address}`} alt="" width={size} height={size} />;
}

function One({ person, chosen, isFinal }: { person: CandidateResult; chosen: ContestResult; isFinal: boolean }) {
  const place = chosen.candidates.indexOf(person);
  return (
    <div class="one">
      <Photo id={person.id} chosen={chosen} size={160} />
      <div>
        <p class={`name colour-${place % 12}`}>{person.name}</p>
        <p class="party">{person.party ?? 'No party'}</p>
        <p class="share">{formatShare(person.share)}</p>
        <p class="votes">{formatCount(person.votes)} votes</p>
      </div>
      <p class="margin">{marginSentence(person, chosen, isFinal)}</p>
    </div>
  );
}

function marginSentence(person: CandidateResult, chosen: ContestResult, isFinal: boolean): string {
  const [second] = chosen.candidates.filter((candidate) => candidate !== person).sort(byVotes);
  const status = results.value?.election.status;
  const ending =
    isFinal && status === 'unofficial-complete' ? ' All votes are counted; the result is not certified yet.' : '';
  if (second === undefined) return `The only candidate.${ending}`;
  const points = (person.share ?? 0) - (second.share ?? 0);
  const lead = person.votes - second.votes;
  const words = lead < 0 ? 'votes behind' : 'votes ahead of';
  return `${formatCount(Math.abs(lead))} ${words} ${second.name} (${formatPoints(Math.abs(points))}).${ending}`;
}

function Several({
  people,
  chosen,
  isTie,
}: {
  people: readonly CandidateResult[];
  chosen: ContestResult;
  isTie: boolean;
}) {
  const rest = people.length - TIED_SHOWN_MAX;
  return (
    <>
      <ul class="several">
        {people.slice(0, TIED_SHOWN_MAX).map((person) => (
          <li key={person.id}>
            <Photo id={person.id} chosen={chosen} size={72} />
            <div>
              <p class="name">{person.name}</p>
              <p class="party">{person.party ?? 'No party'}</p>
              <p class="votes">
                {formatCount(person.votes)} votes, {formatShare(person.share)}
              </p>
            </div>
          </li>
        ))}
      </ul>
      {rest > 0 && <p class="margin">and {formatCount(rest)} more</p>}
      {isTie && <p class="margin">{formatCount(people.length)} candidates have exactly the same number of votes.</p>}
    </>
  );
}
