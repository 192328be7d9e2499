import type { ComponentChildren } from 'preact';

export interface Sorting<Key extends string> {
  readonly key: Key;
  readonly isDescending: boolean;
}

export interface Column<Key extends string> {
  readonly key: Key;
  readonly name: string;
  readonly isNumber: boolean;
}

/** A second press reverses the order. Numbers begin with the largest, names with the first. */
export function nextSorting<Key extends string>(sorting: Sorting<Key>, column: Column<Key>): Sorting<Key> {
  const isDescending = sorting.key === column.key ? !sorting.isDescending : column.isNumber;
  return { key: column.key, isDescending };
}

interface HeadProps<Key extends string> {
  columns: readonly Column<Key>[];
  sorting: Sorting<Key>;
  onSort: (sorting: Sorting<Key>) => void;
}

export function Head<Key extends string>({ columns, sorting, onSort }: HeadProps<Key>) {
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          const isSorted = column.key === sorting.key;
          const order = sorting.isDescending ? 'descending' : 'ascending';
          return (
            <th
              key={column.key}
              scope="col"
              class={column.isNumber ? `number is-${column.key}` : `is-${column.key}`}
              aria-sort={isSorted ? order : 'none'}
            >
              <button type="button" onClick={() => onSort(nextSorting(sorting, column))}>
                {column.name}
                <span class="arrow" aria-hidden="true">
                  {isSorted ? (sorting.isDescending ? '↓' : '↑') : ''}
                </span>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

export function Section({
  title,
  tools,
  children,
}: {
  title: string;
  tools?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="table-section" aria-label={title}>
      <div class="section-head">
        <h2>{title}</h2>
        {tools}
      </div>
      {children}
    </section>
  );
}

const collator = new Intl.Collator(undefined, { numeric: true });

/** Numbers by size, texts by the reader's alphabet. Unknown values come last in both directions. */
export function compareValues(
  left: number | string | null,
  right: number | string | null,
  isDescending: boolean,
): number {
  if (left === null || right === null) return Number(left === null) - Number(right === null);
  const order =
    typeof left === 'number' && typeof right === 'number'
      ? left - right
      : collator.compare(String(left), String(right));
  return isDescending ? -order : order;
}
