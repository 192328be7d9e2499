import type { Results } from '../../src/domain/results/results.ts';
import { Meter } from '../charts/meter.tsx';
import { formatCount, formatShare, UNKNOWN } from '../text/format.ts';

export function Figures({ state }: { state: Results }) {
  const { registered_voters, ballots_cast, turnout, candidates, locations, locations_reporting } = state.totals;
  const isUnknown = registered_voters === null;
  return (
    <dl class="figures" aria-label="The election in numbers">
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
        {part !== undefined && <Meter part={part} />}
        {note !== undefined && <span class="flag">{note}</span>}
      </dd>
    </div>
  );
}
