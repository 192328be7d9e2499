import { useSignal } from '@preact/signals';
import { contest } from '../live/store.ts';
import { formatCount, formatShare } from '../text/format.ts';
import { Name } from '../text/name.tsx';
import { Photo } from './photo.tsx';
import { slicesOf } from './slices.ts';

/** More bars cannot be taken in at a glance; the rest is one bar until a viewer asks for all. */
const BARS_MAX = 8;
/** Up to this number of bars leaves room for faces. */
const FACES_MAX = 5;

export function Bars() {
  const chosen = contest.value;
  const isAll = useSignal(false);
  if (chosen === null) return null;
  const max = isAll.value ? chosen.candidates.length : BARS_MAX;
  const slices = slicesOf(chosen.candidates, max, chosen.votes_counted);
  const isFew = slices.length <= FACES_MAX;
  const longest = Math.max(1, ...slices.map(({ votes }) => votes));
  return (
    <article class="bars">
      <h2>Votes per candidate</h2>
      <ol class={isFew ? 'is-few' : undefined}>
        {slices.map(({ key, name, party, votes, share, colour }) => (
          <li key={key} data-bar={key}>
            {isFew && <Photo id={key} contest={chosen.id} size={56} />}
            <p>
              <span class="name">
                <Name>{name}</Name>
              </span>
              {party !== null && party !== name && (
                <span class="party">
                  <Name>{party}</Name>
                </span>
              )}
            </p>
            <p class="numbers">
              <span class="share">{formatShare(share)}</span> {formatCount(votes)}
            </p>
            <svg class={`bar ${colour}`} viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
              <rect class="track" width="100" height="1" />
              <rect class="fill" width={(votes / longest) * 100} height="1" />
            </svg>
          </li>
        ))}
      </ol>
      {chosen.candidates.length > BARS_MAX + 1 && (
        <button type="button" class="quiet" aria-expanded={isAll.value} onClick={() => (isAll.value = !isAll.value)}>
          {isAll.value ? `Show the first ${BARS_MAX}` : `Show all ${formatCount(chosen.candidates.length)}`}
        </button>
      )}
    </article>
  );
}
