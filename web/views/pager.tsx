import { formatCount } from '../text/format.ts';

const PAGE_SIZES = [10, 25, 50, 100] as const;

interface PagerProps {
  /** Rows of all pages together. */
  total: number;
  size: number;
  /** Counted from 0. */
  page: number;
  pages: number;
  onPage: (page: number) => void;
  onSize: (size: number) => void;
}

export function Pager({ total, size, page, pages, onPage, onSize }: PagerProps) {
  const from = page * size;
  const to = Math.min(total, from + size);
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
        {total === 0 ? '0' : `${formatCount(from + 1)}–${formatCount(to)}`} of {formatCount(total)}
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
