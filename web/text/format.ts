/** Numbers and times as the reader's browser writes them. An unknown value is a dash, never NaN. */
const whole = new Intl.NumberFormat();
const percent = new Intl.NumberFormat(undefined, {
  style: 'percent',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const time = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeZone: 'UTC' });

export const UNKNOWN = '—';

export const formatCount = (value: number | null): string =>
  value === null || !Number.isFinite(value) ? UNKNOWN : whole.format(value);

/** A number of things: `1 vote`, `1,233 votes`. */
export const countOf = (value: number, one: string): string => `${formatCount(value)} ${one}${value === 1 ? '' : 's'}`;

export const formatShare = (value: number | null): string =>
  value === null || !Number.isFinite(value) ? UNKNOWN : percent.format(value);

/** A time of today stands without its date. */
export function formatMoment(iso: string): string {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return UNKNOWN;
  return (moment.toDateString() === new Date().toDateString() ? time : dateTime).format(moment);
}

export function formatDate(iso: string | null): string | null {
  const moment = new Date(iso ?? Number.NaN);
  return Number.isNaN(moment.getTime()) ? null : date.format(moment);
}

export function formatAgo(elapsed_ms: number): string {
  const seconds = Math.max(0, Math.round(elapsed_ms / 1000));
  if (seconds < 90) return `${whole.format(seconds)}\u00a0s`;
  return seconds < 5400
    ? `${whole.format(Math.round(seconds / 60))}\u00a0min`
    : `${whole.format(Math.round(seconds / 3600))}\u00a0h`;
}

/** A difference of two shares, in percentage points. */
export const formatPoints = (value: number): string => `${percent.format(value).replace(/\s?%/, '')}\u00a0pts`;
