import { type Signal, useComputed, useSignal } from '@preact/signals';
import type { ContestResult, LocationResult } from '../../src/domain/results/results.ts';
import { colourOf } from '../charts/colours.ts';
import { Meter } from '../charts/meter.tsx';
import { contest, results } from '../live/store.ts';
import { formatCount, formatShare, UNKNOWN } from '../text/format.ts';
import { Name } from '../text/name.tsx';
import { Pager } from './pager.tsx';
import { type Column, compareValues, Head, Section, type Sorting } from './table.tsx';

type Key = 'name' | 'registered_voters' | 'counted' | 'part' | 'first';
const columnsOf = (isReturns: boolean): readonly Column<Key>[] => [
  { key: 'name', name: 'Location', isNumber: false },
  { key: 'registered_voters', name: 'Registered', isNumber: true },
  { key: 'counted', name: isReturns ? 'Votes' : 'Ballots', isNumber: true },
  { key: 'part', name: isReturns ? 'Units counted' : 'Turnout', isNumber: true },
  { key: 'first', name: 'Leading', isNumber: false },
];

/**
 * The count of a location: its ballots, or the votes that returns report. `part` is the
 * turnout, or the part of its units that is counted.
 */
function countedIn(location: LocationResult, chosen: ContestResult): { counted: number | null; part: number | null } {
  const { units, votes, ballots_cast, turnout } = location;
  if (units === null) return { counted: ballots_cast, part: turnout };
  const own = Object.hasOwn(votes, chosen.id) ? votes[chosen.id]! : null;
  const { reporting, total } = (Object.hasOwn(units, chosen.id) ? units[chosen.id] : null) ?? {
    reporting: 0,
    total: 0,
  };
  return {
    counted: own === null ? null : Object.values(own).reduce((sum, count) => sum + count, 0),
    part: total === 0 ? null : reporting / total,
  };
}

/** The place in the contest of the candidate with the most votes, or why there is none. */
type First = number | 'tie' | 'no votes' | 'not on the ballot';

function firstIn(location: LocationResult, chosen: ContestResult): First {
  const votes = Object.hasOwn(location.votes, chosen.id) ? location.votes[chosen.id] : undefined;
  if (votes === undefined) return 'not on the ballot';
  let most = 0;
  let first: First = 'no votes';
  for (const [place, { id }] of chosen.candidates.entries()) {
    const count = votes[id] ?? 0;
    if (count > most) {
      most = count;
      first = place;
    } else if (count === most && most > 0) first = 'tie';
  }
  return first;
}

/** @returns null where no candidate is first. */
function firstName(first: First, chosen: ContestResult): string | null {
  if (typeof first === 'number') return chosen.candidates[first]!.name;
  return first === 'tie' ? 'Tie' : null;
}

export function LocationTable() {
  const sorting = useSignal<Sorting<Key>>({ key: 'counted', isDescending: true });
  const filter = useSignal('');
  const size = useSignal<number>(25);
  const page = useSignal(0);
  const found = useComputed(() => {
    const wanted = filter.value.trim().toLocaleLowerCase();
    const locations = results.value?.locations ?? [];
    return wanted === ''
      ? locations
      : locations.filter(({ id, name }) => `${name} ${id}`.toLocaleLowerCase().includes(wanted));
  });
  const sorted = useComputed(() => sortLocations(found.value, sorting.value, contest.value));
  const chosen = contest.value;
  if (chosen === null) return null;
  const isReturns = results.value?.election.source === 'returns';
  const pages = Math.max(1, Math.ceil(sorted.value.length / size.value));
  const current = Math.min(page.value, pages - 1);
  const rows = sorted.value.slice(current * size.value, (current + 1) * size.value);
  // Another choice of rows is shown from its first page.
  const choose = <Value,>(choice: Signal<Value>, value: Value) => {
    choice.value = value;
    page.value = 0;
  };
  return (
    <Section
      title={isReturns ? 'Counted by location' : 'Turnout by location'}
      tools={<Filter text={filter.value} onText={(next) => choose(filter, next)} />}
    >
      <div class="scroll">
        <table class="locations">
          <caption class="unseen">
            Registered voters, {isReturns ? 'votes and counted units' : 'ballots and turnout'} of each location
          </caption>
          <Head columns={columnsOf(isReturns)} sorting={sorting.value} onSort={(next) => choose(sorting, next)} />
          <tbody>
            {rows.map((location) => (
              <Row key={location.id} location={location} chosen={chosen} />
            ))}
          </tbody>
        </table>
      </div>
      {sorted.value.length === 0 && <p class="aside">No location has “{filter.value}” in its name.</p>}
      <Pager
        total={sorted.value.length}
        size={size.value}
        page={current}
        pages={pages}
        onPage={(next) => (page.value = next)}
        onSize={(next) => choose(size, next)}
      />
    </Section>
  );
}

function Filter({ text, onText }: { text: string; onText: (text: string) => void }) {
  return (
    <label class="filter">
      <span class="unseen">Find a location</span>
      <input
        type="search"
        placeholder="Find a location"
        value={text}
        onInput={(event) => onText(event.currentTarget.value)}
      />
    </label>
  );
}

/** Makes all keys before it sorts: a location is looked up once, not at every comparison. */
function sortLocations(
  locations: readonly LocationResult[],
  { key, isDescending }: Sorting<Key>,
  chosen: ContestResult | null,
): LocationResult[] {
  const keyed = locations.map((location) => ({
    location,
    value: keyOf(location, key, chosen),
  }));
  keyed.sort((left, right) => compareValues(left.value, right.value, isDescending));
  return keyed.map(({ location }) => location);
}

function keyOf(location: LocationResult, key: Key, chosen: ContestResult | null): string | number | null {
  if (key === 'name' || key === 'registered_voters') return location[key];
  if (chosen === null) return null;
  return key === 'first' ? firstName(firstIn(location, chosen), chosen) : countedIn(location, chosen)[key];
}

function Row({ location, chosen }: { location: LocationResult; chosen: ContestResult }) {
  const { id, name, registered_voters } = location;
  const { counted, part } = countedIn(location, chosen);
  const first = firstIn(location, chosen);
  const isTurnout = location.units === null;
  const unknown = registered_voters === 0 ? 'No registered voters' : 'The number of registered voters is not known';
  const reason = isTurnout ? unknown : 'The number of units is not known';
  return (
    <tr>
      <th scope="row">
        <Name>{name}</Name>
        {id !== name && (
          <span class="id">
            <Name>{id}</Name>
          </span>
        )}
      </th>
      <td class="number is-registered_voters" title={registered_voters === null ? unknown : undefined}>
        {formatCount(registered_voters)}
      </td>
      <td class="number">{formatCount(counted)}</td>
      <td class="number turnout" title={part === null ? reason : undefined}>
        <span class={isTurnout && part !== null && part > 1 ? 'over' : undefined}>{formatShare(part)}</span>
        {isTurnout && part !== null && part > 1 && <span class="unseen">, more ballots than registered voters</span>}
        <Meter part={part} />
      </td>
      <td class="is-first">
        {typeof first === 'number' && <span class={`swatch ${colourOf(first)}`} aria-hidden="true" />}
        <Name>{first === 'not on the ballot' ? first : (firstName(first, chosen) ?? UNKNOWN)}</Name>
      </td>
    </tr>
  );
}
