/** Characters of right-to-left scripts, and the marks that turn a direction. */
const TURNS_DIRECTION =
  /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * A name from outside as it stands in a sentence. A name that has a direction of its own is
 * isolated (U+2068 to U+2069), so that it turns neither the words nor the figures beside it. HTML
 * has an element for this, `bdi`; this is for plain text.
 */
export const isolate = (name: string): string => (TURNS_DIRECTION.test(name) ? `\u2068${name}\u2069` : name);
