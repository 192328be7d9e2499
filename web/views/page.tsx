import { useEffect } from 'preact/hooks';
import { isolate } from '../../src/domain/isolate.ts';
import type { Results } from '../../src/domain/results/results.ts';
import { Bars } from '../charts/bars.tsx';
import { Donut } from '../charts/donut.tsx';
import { connection, results, waitingFor } from '../live/store.ts';
import { Announcer } from './announcer.tsx';
import { CandidateTable } from './candidates.tsx';
import { ContestChooser } from './contest-chooser.tsx';
import { Figures } from './figures.tsx';
import { Header } from './header.tsx';
import { Leader } from './leader.tsx';
import { LocationTable } from './locations.tsx';
import { NotBegun } from './not-begun.tsx';
import { Notes } from './notes.tsx';

export function Page() {
  const state = results.value;
  useEffect(() => {
    if (state !== null) document.title = `${isolate(state.election.name)}: results`;
  }, [state?.election.name]);
  if (state === null) return <Waiting />;
  return (
    <div class={connection.value === 'lost' ? 'page is-stale' : 'page'}>
      <Header state={state} />
      <Notes state={state} />
      <main>{state.is_counted ? <Counted state={state} /> : <NotBegun state={state} />}</main>
      <footer>
        <p>
          Counted by Tallyroom. Every number on this page can be recounted from the log.{' '}
          <a href="./api/results.csv" download>
            Results as CSV
          </a>{' '}
          · <a href="./api/results">JSON</a>
        </p>
      </footer>
      <Announcer state={state} />
    </div>
  );
}

function Counted({ state }: { state: Results }) {
  return (
    <>
      <Figures state={state} />
      <ContestChooser state={state} />
      <section class="overview" aria-label="Result">
        <Leader />
        <Bars />
        <Donut />
      </section>
      <CandidateTable />
      <LocationTable />
    </>
  );
}

function Waiting() {
  const isLost = connection.value === 'lost';
  const reason = waitingFor.value;
  const text = reason === null ? 'Fetching the results' : 'There is nothing to show yet';
  return (
    <div class="page waiting" role="status">
      <p class="wordmark">Tallyroom</p>
      <h1>{isLost ? 'The results cannot be reached' : text}</h1>
      {reason !== null && !isLost && <p>{reason}</p>}
      <p>
        {isLost
          ? 'This page keeps trying by itself.'
          : 'The page fills by itself as soon as there is something to show.'}
      </p>
    </div>
  );
}
