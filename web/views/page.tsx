import { useEffect } from 'preact/hooks';
import type { ResultStatus, Results } from '../../src/domain/results/results.ts';
import { Bars, Donut } from '../charts/charts.tsx';
import { chooseContest, connection, contest, held, isPaused, isWaiting, results } from '../live/store.ts';
import { formatCount, formatDate, formatMoment, formatShare, UNKNOWN } from '../text/format.ts';
import { CandidateTable } from './candidates.tsx';
import { ConnectionNote, Controls } from './controls.tsx';
import { Leader, leaderSentence } from './leader.tsx';
import { LocationTable } from './locations.tsx';

const STATUS_NAMES: Readonly<Record<ResultStatus, string>> = {
  'pre-election': 'No votes counted yet',
  'unofficial-partial': 'Unofficial, counting',
  'unofficial-complete': 'Unofficial, all votes counted',
  certified: 'Certified',
  correction: 'Correction',
  recount: 'Recount',
};

export function Page() {
  const state = results.value;
  useEffect(() => {
    if (state !== null) document.title = `${state.election.name}: results`;
  }, [state?.election.name]);
  if (state === null) return <Waiting />;
  return (
    <div class={connection.value === 'lost' ? 'page is-stale' : 'page'}>
      <Header state={state} />
      <Notes state={state} />
      <main>
        <Figures state={state} />
        <ContestChooser state={state} />
        <section class="overview" aria-label="Result">
          <Leader />
          <Bars />
          <Donut />
        </section>
        <CandidateTable />
        <LocationTable />
      </main>
      <footer>
        <p>
          Counted by Tallyroom. Every number on this page can be recounted from the log of votes.{' '}
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

function Waiting() {
  const isLost = connection.value === 'lost';
  const text = isWaiting.value ? 'Waiting for the election to be defined' : 'Fetching the results';
  return (
    <div class="page waiting" role="status">
      <p class="wordmark">Tallyroom</p>
      <h1>{isLost ? 'The results cannot be reached' : text}</h1>
      <p>
        {isLost
          ? 'This page keeps trying by itself.'
          : 'The page fills by itself as soon as there is something to show.'}
      </p>
    </div>
  );
}

function Header({ state }: { state: Results }) {
  const { name, status } = state.election;
  const date = formatDate(state.election.date);
  return (
    <header class="masthead">
      <p class="wordmark">Tallyroom{date !== null && <span>{date}</span>}</p>
      <div class="title">
        <h1>{name}</h1>
        <p class="status">
          <span class={`badge is-${status}`}>{STATUS_NAMES[status]}</span>
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

function Notes({ state }: { state: Results }) {
  return (
    <div class="notes">
      {state.election.is_test && (
        <p class="note is-test">
          <strong>Test election.</strong> These votes are simulated or a rehearsal. They are not results of a real
          election.
        </p>
      )}
      {held.value !== null && (
        <p class="note is-warning" role="status">
          <strong>Held.</strong> A newer count is not shown because it failed a check; the last sound one is.{' '}
          {held.value}
        </p>
      )}
      <ConnectionNote />
    </div>
  );
}

function Figures({ state }: { state: Results }) {
  const { registered_voters, ballots_cast, turnout, candidates, locations, locations_reporting } = state.totals;
  const isUnknown = registered_voters === null;
  return (
    <dl class="figures" aria-label="The election in numbers">
      <Figure id="ballots" name="Ballots cast" value={formatCount(ballots_cast)} />
      <Figure
        id="turnout"
        name="Turnout"
        value={formatShare(turnout)}
        title={turnout === null ? 'Unknown: the number of registered voters is not known' : undefined}
        part={turnout}
        note={turnout !== null && turnout > 1 ? 'more ballots than registered voters' : undefined}
      />
      <Figure
        id="voters"
        name="Registered voters"
        value={formatCount(registered_voters)}
        title={isUnknown ? 'Unknown for at least one location' : undefined}
      />
      <Figure id="candidates" name="Candidates" value={formatCount(candidates)} />
      <Figure
        id="locations"
        name="Locations reporting"
        value={formatCount(locations_reporting)}
        of={formatCount(locations)}
        part={locations === 0 ? null : locations_reporting / locations}
      />
    </dl>
  );
}

interface FigureProps {
  id: string;
  name: string;
  value: string;
  of?: string;
  title?: string | undefined;
  note?: string | undefined;
  /** A fraction, drawn as a line below. */
  part?: number | null;
}

function Figure({ id, name, value, of, title, note, part }: FigureProps) {
  return (
    <div class="figure" data-figure={id}>
      <dt>{name}</dt>
      <dd>
        <span class="value" title={value === UNKNOWN ? title : undefined}>
          {value}
        </span>
        {of !== undefined && <span class="of"> of {of}</span>}
        {part !== undefined && (
          <svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
            <rect class="track" width="100" height="4" />
            <rect class="fill" width={Math.min(1, part ?? 0) * 100} height="4" />
          </svg>
        )}
        {note !== undefined && <span class="flag">{note}</span>}
      </dd>
    </div>
  );
}

/** From here on buttons would fill the page; a list of names is quicker. */
const CONTEST_BUTTONS_MAX = 5;

function ContestChooser({ state }: { state: Results }) {
  const { contests } = state;
  const chosen = contest.value;
  if (contests.length < 2 || chosen === null) return null;
  if (contests.length <= CONTEST_BUTTONS_MAX)
    return (
      <fieldset class="contests">
        <legend>Contest</legend>
        {contests.map(({ id, name }) => (
          <button type="button" key={id} aria-pressed={id === chosen.id} onClick={() => chooseContest(id)}>
            {name}
          </button>
        ))}
      </fieldset>
    );
  return (
    <p class="contests">
      <label>
        Contest
        <input
          type="search"
          list="contest-names"
          placeholder={`Search ${formatCount(contests.length)} contests`}
          onChange={(event) => {
            const found = contests.find(({ name }) => name === event.currentTarget.value);
            if (found === undefined) return;
            chooseContest(found.id);
            event.currentTarget.value = '';
          }}
        />
      </label>
      <datalist id="contest-names">
        {contests.map(({ id, name }) => (
          <option key={id} value={name} />
        ))}
      </datalist>
      <label>
        <span class="unseen">All contests</span>
        <select value={chosen.id} onChange={(event) => chooseContest(event.currentTarget.value)}>
          {contests.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </p>
  );
}

/** Who listens instead of looking hears the state now and then, not at every vote. */
const ANNOUNCE_MS = 20_000;
let announcedAt = Number.NEGATIVE_INFINITY;
let announced = '';

function Announcer({ state }: { state: Results }) {
  const chosen = contest.value;
  if (chosen !== null && !isPaused.value && performance.now() - announcedAt > ANNOUNCE_MS) {
    announcedAt = performance.now();
    announced = `${formatCount(state.totals.ballots_cast)} ballots counted. ${leaderSentence(chosen)}`;
  }
  return (
    <p class="unseen" aria-live="polite">
      {announced}
    </p>
  );
}
