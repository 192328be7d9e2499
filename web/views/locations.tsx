import { useComputed, useSignal } from '@preact/signals';
import type { ContestResult, LocationResult } from '../../src/domain/results/results.ts';
import { contest, results } from '../live/store.ts';
import { formatCount, formatShare, UNKNOWN } from '../text/format.ts';
import { type Column, compareValues, Head, Section, type Sorting } from './table.tsx';

type Key = 'name' | 'registered_voters' | 'ballots_cast' | 'turnout' | 'first';
const COLUMNS: readonly Column<Key>[] = [
  { key: 'name', name: 'Location', isNumber: false },
  { key: 'registered_voters', name: 'Registered', isNumber: true },
  { key: 'ballots_cast', name: 'Ballots', isNumber: true },
  { key: 'turnout', name: 'Turnout', isNumber: true },
  { key: 'first', name: 'Leading', isNumber: false },
];
const PAGE_SIZES = [10, 25, 50, 100] as const;

/** Who has the most votes in a location: a place in the contest, -1 without votes, -2 in a tie, -3 where it is not on the ballot. */
function firstIn(location: LocationResult, chosen: ContestResult): number {
  const votes = Object.hasOwn(location.votes, chosen.id) ? location.votes[chosen.id] : undefined;
  if (votes === undefined) return -3;
  let most = 0;
  let first = -1;
  for (const [place, { id }] of chosen.candidates.entries()) {
    const count = votes[id] ?? 0;
    if (count > most) {
      most = count;
      first = place;
    } else if (count === most && most > 0) first = -2;
  }
  return first;
}

function firstName(location: LocationResult, chosen: ContestResult): string | null {
  const first = firstIn(location, chosen);
  return first === -2 ? 'Tie' : (chosen.candidates[first]?.name ?? null);
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
  const tools = (
    <label class="filter">
      <span class="unseen">Find a location</span>
      <input
        type="search"
        placeholder="Find a location"
        value={filter.value}
        onInput={(event) => {
          filter.value = event.currentTarget.value;
          page.value = 0;
        }}
      />
    </label>
  );
  return (
    <Section title="Turnout by location" tools={tools}>
      <div class="scroll">
        <table class="locations">
          <caption class="unseen">Registered voters, ballots and turnout of each location</caption>
          <Head
            columns={COLUMNS}
            sorting={sorting.value}
            onSort={(next) => {
              sorting.value = next;
              page.value = 0;
            }}
          />
          <tbody>
            {rows.map((location) => (
              <Row key={location.id} location={location} chosen={chosen} />
            ))}
          </tbody>
        </table>
      </div>
      {sorted.value.length === 0 && <p class="aside">No location has “{filter.value}” in its name.</p>}
      <Pager
        from={current * size.value}
        shown={rows.length}
        total={sorted.value.length}
        page={current}
        pages={pages}
        size={size.value}
        onPage={(next) => (page.value = next)}
        onSize={(next) => {
          size.value = next;
          page.value = 0;
        }}
      />
    </Section>
  );
}

/** Keys first, then one sort: names of who is first are looked up once a location, not at every comparison. */
function sortLocations(
  locations: readonly LocationResult[],
  { key, isDescending }: Sorting<Key>,
  chosen: ContestResult | null,
): LocationResult[] {
  const keyed = locations.map((location) => ({
    location,
    value: key === 'first' ? (chosen === null ? null : firstName(location, chosen)) : location[key],
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
        {name}
        {id !== name && <span class="id">{id}</span>}
      </th>
      <td class="number is-registered_voters" title={registered_voters === null ? reason : undefined}>
        {formatCount(registered_voters)}
      </td>
      <td class="number">{formatCount(ballots_cast)}</td>
      <td class="number turnout" title={turnout === null ? reason : undefined}>
        <span class={turnout !== null && turnout > 1 ? 'over' : undefined}>{formatShare(turnout)}</span>
        {turnout !== null && turnout > 1 && <span class="unseen">, more ballots than registered voters</span>}
        <svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="track" width="100" height="4" />
          <rect class="fill" width={Math.min(1, turnout ?? 0) * 100} height="4" />
        </svg>
      </td>
      <td class="is-first">
        {first >= 0 && <span class={`swatch colour-${first % 12}`} aria-hidden="true" />}
        {first === -3 ? 'not on the ballot' : (firstName(location, chosen) ?? UNKNOWN)}
      </td>
    </tr>
  );
}

interface PagerProps {
  from: number;
  shown: number;
  total: number;
  page: number;
  pages: number;
  size: number;
  onPage: (page: number) => void;
  onSize: (size: number) => void;
}

function Pager({ from, shown, total, page, pages, size, onPage, onSize }: PagerProps) {
  return (
    <nav class="pager" aria-label="Pages of locations">
      <label>
        Rows{' '}
        <select value={size} onChange={(event) => onSize(Number(event.currentTarget.value))}>
          {PAGE_SIZES.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
      <p>
        {shown === 0 ? '0' : `${formatCount(from + 1)}–${formatCount(from + shown)}`} of {formatCount(total)}
      </p>
      <p class="buttons">
        <button type="button" disabled={page === 0} onClick={() => onPage(0)} aria-label="First page">
          «
        </button>
        <button type="button" disabled={page === 0} onClick={() => onPage(page - 1)} aria-label="Previous page">
          ‹
        </button>
        <button type="button" disabled={page >= pages - 1} onClick={() => onPage(page + 1)} aria-label="Next page">
          ›
        </button>
        <button type="button" disabled={page >= pages - 1} onClick={() => onPage(pages - 1)} aria-label="Last page">
          »
        </button>
      </p>
    </nav>
  );
}
