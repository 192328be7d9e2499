import { isolate } from '../../src/domain/isolate.ts';
import { contest } from '../live/store.ts';
import { formatCount, formatShare } from '../text/format.ts';
import { Name } from '../text/name.tsx';
import { slicesOf } from './slices.ts';

/** Thinner slices cannot be told apart. */
const SLICES_MAX = 7;
/** The circumference of this circle is 100, so lengths along it are per cent. */
const RADIUS = 100 / (2 * Math.PI);
/** Between two slices, in per cent of the circle. */
const GAP = 0.5;

export function Donut() {
  const chosen = contest.value;
  if (chosen === null) return null;
  const slices = slicesOf(chosen.candidates, SLICES_MAX, chosen.votes_counted);
  const words = slices.map(({ name, share }) => `${isolate(name)} ${formatShare(share)}`).join(', ');
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
            <span class="name">
              <Name>{name}</Name>
            </span>
            <span class="share">{formatShare(share)}</span>
          </li>
        ))}
      </ul>
    </article>
  );
}
