/** The style sheet has these colours; the next candidate begins again with the first. */
const COLOURS = 12;

/**
 * The colour of a candidate, as a class. It goes with the candidate's place in the definition, so
 * it never changes while votes come in.
 */
export const colourOf = (place: number): string => `colour-${place % COLOURS}`;

export const REST_COLOUR = 'colour-rest';
