/** A fraction as a line; empty where it is unknown, full from 1 on. */
export function Meter({ part }: { part: number | null }) {
  return (
    <svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="4" />
      <rect class="fill" width={Math.min(1, part ?? 0) * 100} height="4" />
    </svg>
  );
}
