import { useSignal } from '@preact/signals';
import type { CandidateResult } from '../../src/domain/results/results.ts';
import { contest } from '../live/store.ts';
import { formatCount, formatShare } from '../text/format.ts';
import { byVotes, Photo } from '../views/leader.tsx';

/** More bars than these are a wall; the rest is one bar until asked for. */
const BARS_MAX = 8;
/** So few leave room for faces. */
const FACES_MAX = 5;
/** Thinner slices cannot be told apart. */
const SLICES_MAX = 7;

interface Slice {
  readonly key: string;
  readonly name: string;
  readonly party: string | null;
  readonly votes: number;
  readonly share: number | null;
  /** A colour goes with the candidate's place in the definition: it never changes while votes come in. */
  readonly colour: string;
}

function slicesOf(candidates: readonly CandidateResult[], max: number, total: number): Slice[] {
  const slices = candidates
    .map((candidate, place) => ({ ...candidate, key: candidate.id, colour: `colour-${place % 12}` }))
    .sort(byVotes);
  if (slices.length <= max + 1) return slices;
  const rest = slices.slice(max);
  const votes = rest.reduce((sum, slice) => sum + slice.votes, 0);
  const name = `${formatCount(rest.length)} others`;
  return [
    ...slices.slice(0, max),
    { key: '\u0000rest', name, party: null, votes, share: total === 0 ? null : votes / total, colour: 'colour-rest' },
  ];
}

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
            {isFew && <Photo id={key} chosen={chosen} size={56} />}
            <p>
              <span class="name">{name}</span>
              {party !== null && party !== name && <span class="party">{party}</span>}
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

/** Of a circle with this radius the circumference is 100, so lengths along it are per cent. */
const RADIUS = 100 / (2 * Math.PI);
/** White between two slices, in per cent of the circle. */
const GAP = 0.5;

export function Donut() {
  const chosen = contest.value;
  if (chosen === null) return null;
  const slices = slicesOf(chosen.candidates, SLICES_MAX, chosen.votes_counted);
  const words = slices.map(({ name, share }) => `${name} ${formatShare(share)}`).join(', ');
  let from = 0;
  return (
    <article class="donut">
      <h2>Share of the vote</h2>
      <div class="ring">
        <svg viewBox="0 0 40 40" role="img" aria-label={`Share of the vote: ${words}`}>
          <circle class="track" cx="20" cy="20" r={RADIUS} />
          {slices.map(({ key, share, colour }) => {
            const length = (share ?? 0) * 100;
            const start = from;
            from += length;
            const drawn = length >= 100 - GAP ? 100 : Math.max(0, length - GAP);
            return (
              <circle
                key={key}
                class={`slice ${colour}`}
                cx="20"
                cy="20"
                r={RADIUS}
                stroke-dasharray={`${drawn} ${100 - drawn}`}
                stroke-dashoffset={25 - start}
              />
            );
          })}
        </svg>
        <p class="centre">
          <strong>{formatCount(chosen.votes_counted)}</strong>
          <span>votes</span>
        </p>
      </div>
      <ul class="legend">
        {slices.map(({ key, name, share, colour }) => (
          <li key={key} class={colour}>
            <span class="swatch" aria-hidden="true" />
            <span class="name">{name}</span>
            <span class="share">{formatShare(share)}</span>
          </li>
        ))}
      </ul>
    </article>
  );
}
