import { formatCount } from '../text/format.ts';

const PAGE_SIZES = [10, 25, 50, 100] as const;

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

/** Moves through the pages of a table; pages count from 0. */
export function Pager({ from, shown, total, page, pages, size, onPage, onSize }: PagerProps) {
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
