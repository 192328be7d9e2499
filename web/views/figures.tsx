import type { ContestResult, Results } from '../../src/domain/results/results.ts';
import { Meter } from '../charts/meter.tsx';
import { contest } from '../live/store.ts';
import { formatCount, formatShare, UNKNOWN } from '../text/format.ts';

export function Figures({ state }: { state: Results }) {
  const { registered_voters, candidates, locations, locations_reporting } = state.totals;
  const isUnknown = registered_voters === null;
  const isReturns = state.election.source === 'returns';
  return (
    <dl class="figures" aria-label="The election in numbers">
      {isReturns ? <Returned chosen={contest.value} /> : <Cast state={state} />}
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

/** The figures that official returns give. */
function Returned({ chosen }: { chosen: ContestResult | null }) {
  if (chosen === null) return null;
  const { votes_counted, units } = chosen;
  return (
    <>
      <Figure id="votes" name="Votes counted" value={formatCount(votes_counted)} />
      <Figure
        id="units"
        name="Units counted"
        value={formatCount(units?.reporting ?? null)}
        of={units === null ? undefined : formatCount(units.total)}
        title="Unknown for at least one location"
        part={units === null || units.total === 0 ? null : units.reporting / units.total}
      />
    </>
  );
}

function Cast({ state }: { state: Results }) {
  const { ballots_cast, turnout } = state.totals;
  return (
    <>
      <Figure
        id="ballots"
        name={state.election.ballots_simulated ? 'Ballots, simulated' : 'Ballots cast'}
        value={formatCount(ballots_cast)}
      />
      <Figure
        id="turnout"
        name="Turnout"
        value={formatShare(turnout)}
        title={turnout === null ? 'Unknown: the registered voters of at least one location are not known' : undefined}
        part={turnout}
        note={turnout !== null && turnout > 1 ? 'more ballots than registered voters' : undefined}
      />
    </>
  );
}

interface FigureProps {
  id: string;
  name: string;
  value: string;
  of?: string | undefined;
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
        {part !== undefined && <Meter part={part} />}
        {note !== undefined && <span class="flag">{note}</span>}
      </dd>
    </div>
  );
}
