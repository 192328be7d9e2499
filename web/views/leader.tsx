import type { CandidateResult, ContestResult } from '../../src/domain/results/results.ts';
import { colourOf } from '../charts/colours.ts';
import { Photo } from '../charts/photo.tsx';
import { contest, results } from '../live/store.ts';
import { countOf, formatCount, formatShare } from '../text/format.ts';
import { marginSentence, standOut } from '../text/leader.ts';
import { Name } from '../text/name.tsx';

/** Of a larger tie the rest is only a number; the table has all of them. */
const TIED_SHOWN_MAX = 6;

export function Leader() {
  const chosen = contest.value;
  if (chosen === null) return null;
  const { people, title } = standOut(chosen);
  return (
    <article class="leader" data-leader={people.length === 0 ? 'none' : title === 'Tie' ? 'tie' : 'one'}>
      <h2>
        {people.length === 0 ? 'No votes yet' : title}
        {chosen.seats > 1 && <span class="seats">{countOf(chosen.seats, 'seat')}</span>}
      </h2>
      {people.length === 0 && (
        <p class="empty">The first votes appear here as soon as they are counted. All candidates start from zero.</p>
      )}
      {people.length === 1 && <One person={people[0]!} chosen={chosen} />}
      {people.length > 1 && <Several people={people} chosen={chosen} isTie={title === 'Tie'} />}
    </article>
  );
}

function One({ person, chosen }: { person: CandidateResult; chosen: ContestResult }) {
  const colour = colourOf(chosen.candidates.indexOf(person));
  return (
    <div class="one">
      <Photo id={person.id} contest={chosen.id} size={160} />
      <div>
        <p class={`name ${colour}`}>
          <Name>{person.name}</Name>
        </p>
        <p class="party">
          <Name>{person.party ?? 'No party'}</Name>
        </p>
        <p class="share">{formatShare(person.share)}</p>
        <p class="votes">{countOf(person.votes, 'vote')}</p>
      </div>
      <p class="margin">{marginSentence(person, chosen, results.value?.election.status)}</p>
    </div>
  );
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
            <Photo id={person.id} contest={chosen.id} size={72} />
            <div>
              <p class="name">
                <Name>{person.name}</Name>
              </p>
              <p class="party">
                <Name>{person.party ?? 'No party'}</Name>
              </p>
              <p class="votes">
                {countOf(person.votes, 'vote')}, {formatShare(person.share)}
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
