import { setTimeout as sleep } from 'node:timers/promises';

/** The pace of voting, which all partitions of a process share. */
export interface Pace {
  /**
   * Waits until some voters may vote. @returns their number, at most `most`; 0 when the signal
   * aborts.
   */
  take(most: number, signal: AbortSignal): Promise<number>;
}

const unpaced: Pace = { take: async (most, signal) => (signal.aborted ? 0 : most) };

/**
 * The time between two groups of voters. It is short enough to look continuous, and long enough for
 * more than one vote in a commit.
 */
const GROUP_MS = 50;

/**
 * A bucket that fills at `rate` voters a second and holds a fifth of a second, so that no burst
 * follows a pause.
 */
function paceAt(rate: number, clock: () => number): Pace {
  let allowance = 0;
  let last = clock();
  return {
    async take(most, signal) {
      for (;;) {
        const now = clock();
        allowance = Math.min(allowance + ((now - last) / 1000) * rate, Math.max(1, rate / 5));
        last = now;
        const group = Math.min(most, Math.max(1, Math.floor((rate * GROUP_MS) / 1000)));
        if (signal.aborted) return 0;
        if (allowance >= group) {
          const taken = Math.min(most, Math.floor(allowance));
          allowance -= taken;
          return taken;
        }
        await sleep(((group - allowance) / rate) * 1000, undefined, { signal }).catch(() => {});
      }
    },
  };
}

/** The duration of voting where no rate is given. */
const ELECTION_SECONDS = 60;

/** @param rate voters a second; null spreads them over {@link ELECTION_SECONDS}. */
export function paceOf(rate: number | 'max' | null, voters: number): Pace {
  return rate === 'max' ? unpaced : paceAt(rate ?? Math.max(1, voters / ELECTION_SECONDS), () => performance.now());
}
