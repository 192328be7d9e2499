import { useSignal } from '@preact/signals';
import type { CandidateResult, ContestResult } from '../../src/domain/results/results.ts';
import { colourOf } from '../charts/colours.ts';
import { contest, results } from '../live/store.ts';
import { countOf, formatCount, formatShare } from '../text/format.ts';
import { Name } from '../text/name.tsx';
import { type Column, compareValues, Head, Section, type Sorting } from './table.tsx';

type Key = 'name' | 'party' | 'votes' | 'share' | 'margin';
const COLUMNS: readonly Column<Key>[] = [
  { key: 'name', name: 'Candidate', isNumber: false },
  { key: 'party', name: 'Party', isNumber: false },
  { key: 'votes', name: 'Votes', isNumber: true },
  { key: 'share', name: 'Share', isNumber: true },
  { key: 'margin', name: 'Behind', isNumber: true },
];

/** Each candidate with its place in the definition, and how many votes it is behind the first. */
function rowsOf(chosen: ContestResult): (CandidateResult & { place: number; margin: number })[] {
  const most = chosen.candidates.reduce((max, { votes }) => Math.max(max, votes), 0);
  return chosen.candidates.map((candidate, place) => ({ ...candidate, place, margin: most - candidate.votes }));
}

export function CandidateTable() {
  const chosen = contest.value;
  const sorting = useSignal<Sorting<Key>>({ key: 'votes', isDescending: true });
  if (chosen === null) return null;
  const { key, isDescending } = sorting.value;
  const isTie = chosen.candidates.filter((candidate) => candidate.leading).length > 1;
  const rows = rowsOf(chosen).sort((left, right) => compareValues(left[key], right[key], isDescending));
  return (
    <Section title="Results">
      <div class="scroll">
        <table class="candidates">
          <caption class="unseen">
            <Name>{chosen.name}</Name>: votes of each candidate
          </caption>
          <Head columns={COLUMNS} sorting={sorting.value} onSort={(next) => (sorting.value = next)} />
          <tbody>
            {rows.map(({ id, name, party, votes, share, margin, place, leading, elected }) => (
              <tr key={id}>
                <th scope="row">
                  <span class={`swatch ${colourOf(place)}`} aria-hidden="true" />
                  <Name>{name}</Name>
                  {elected && <span class="mark">most votes</span>}
                  {leading && !elected && <span class="mark">{isTie ? 'tied' : 'leading'}</span>}
                  {party !== null && (
                    <span class="party-below">
                      <Name>{party}</Name>
                    </span>
                  )}
                </th>
                <td class="is-party">
                  <Name>{party ?? '—'}</Name>
                </td>
                <td class="number">{formatCount(votes)}</td>
                <td class="number">{formatShare(share)}</td>
                <td class="number is-margin">{margin === 0 ? '—' : formatCount(margin)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="aside">
        {countOf(chosen.votes_counted, 'vote')} for candidates
        {results.value?.election.ballots_simulated || chosen.undervotes === null
          ? ''
          : `, ${countOf(chosen.undervotes, 'choice')} left blank`}
        .
      </p>
    </Section>
  );
}
