import { type Signal, useComputed, useSignal } from '@preact/signals';
import type { ContestResult, LocationResult } from '../../src/domain/results/results.ts';
import { colourOf } from '../charts/colours.ts';
import { Meter } from '../charts/meter.tsx';
import { contest, results } from '../live/store.ts';
import { formatCount, formatShare, UNKNOWN } from '../text/format.ts';
import { Name } from '../text/name.tsx';
import { Pager } from './pager.tsx';
import { type Column, compareValues, Head, Section, type Sorting } from './table.tsx';

type Key = 'name' | 'registered_voters' | 'ballots_cast' | 'turnout' | 'first';
const COLUMNS: readonly Column<Key>[] = [
  { key: 'name', name: 'Location', isNumber: false },
  { key: 'registered_voters', name: 'Registered', isNumber: true },
  { key: 'ballots_cast', name: 'Ballots', isNumber: true },
  { key: 'turnout', name: 'Turnout', isNumber: true },
  { key: 'first', name: 'Leading', isNumber: false },
];

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
  const sorting = useSignal<Sorting<Key>>({ key: 'ballots_cast', isDescending: true });
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
  const pages = Math.max(1, Math.ceil(sorted.value.length / size.value));
  const current = Math.min(page.value, pages - 1);
  const rows = sorted.value.slice(current * size.value, (current + 1) * size.value);
  // Another choice of rows is shown from its first page.
  const choose = <Value,>(choice: Signal<Value>, value: Value) => {
    choice.value = value;
    page.value = 0;
  };
  return (
    <Section title="Turnout by location" tools={<Filter text={filter.value} onText={(next) => choose(filter, next)} />}>
      <div class="scroll">
        <table class="locations">
          <caption class="unseen">Registered voters, ballots and turnout of each location</caption>
          <Head columns={COLUMNS} sorting={sorting.value} onSort={(next) => choose(sorting, next)} />
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
    value: key === 'first' ? (chosen === null ? null : firstName(firstIn(location, chosen), chosen)) : location[key],
  }));
  keyed.sort((left, right) => compareValues(left.value, right.value, isDescending));
  return keyed.map(({ location }) => location);
}

function Row({ location, chosen }: { location: LocationResult; chosen: ContestResult }) {
  const { id, name, registered_voters, ballots_cast, turnout } = location;
  const first = firstIn(location, chosen);
  const reason = registered_voters === 0 ? 'No registered voters' : 'The number of registered voters is not known';
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
      <td class="number is-registered_voters" title={registered_voters === null ? reason : undefined}>
        {formatCount(registered_voters)}
      </td>
      <td class="number">{formatCount(ballots_cast)}</td>
      <td class="number turnout" title={turnout === null ? reason : undefined}>
        <span class={turnout !== null && turnout > 1 ? 'over' : undefined}>{formatShare(turnout)}</span>
        {turnout !== null && turnout > 1 && <span class="unseen">, more ballots than registered voters</span>}
        <Meter part={turnout} />
      </td>
      <td class="is-first">
        {typeof first === 'number' && <span class={`swatch ${colourOf(first)}`} aria-hidden="true" />}
        <Name>{first === 'not on the ballot' ? first : (firstName(first, chosen) ?? UNKNOWN)}</Name>
      </td>
    </tr>
  );
}
