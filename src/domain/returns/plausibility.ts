/**
 * The checks of each number of a return. A number with a fault is kept and not counted: it is in
 * quarantine.
 */
export const RETURN_FAULTS = {
  SAME_TIME: {
    sentence: 'another number of the same time was reported before',
    nextStep: 'report the right number with a later time',
  },
  FUTURE_TIME: {
    sentence: 'the time of the report is in the future',
    nextStep: 'correct the time, or the clock of the machine that reports',
  },
  UNITS_ABOVE_TOTAL: {
    sentence: 'more units are counted than there are',
    nextStep: 'correct one of the two numbers',
  },
} as const satisfies Record<string, { readonly sentence: string; readonly nextStep: string }>;

export type ReturnFault = keyof typeof RETURN_FAULTS;

/** The clock of a source may be ahead of ours by this much. */
export const CLOCK_AHEAD_MS_MAX = 5 * 60_000;
