import type { ResultStatus, Results } from '../../src/domain/results/results.ts';
import { formatDate, formatMoment } from '../text/format.ts';
import { Name } from '../text/name.tsx';
import { Controls } from './controls.tsx';

const STATUS_NAMES: Readonly<Record<ResultStatus, string>> = {
  'pre-election': 'No votes counted yet',
  'unofficial-partial': 'Unofficial, counting',
  'unofficial-complete': 'Unofficial, all votes counted',
  certified: 'Certified',
  correction: 'Correction',
  recount: 'Recount',
};

export function Header({ state }: { state: Results }) {
  const { name, status } = state.election;
  const date = formatDate(state.election.date);
  return (
    <header class="masthead">
      <p class="wordmark">Tallyroom{date !== null && <span>{date}</span>}</p>
      <div class="title">
        <h1>
          <Name>{name}</Name>
        </h1>
        <p class="status">
          <span class={`badge is-${status}`}>{state.is_counted ? STATUS_NAMES[status] : 'Counting has not begun'}</span>
          <span class="changed">
            Last change{' '}
            <time dateTime={state.as_of} title={state.as_of}>
              {formatMoment(state.as_of)}
            </time>
          </span>
        </p>
      </div>
      <Controls />
    </header>
  );
}
