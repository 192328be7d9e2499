import { plainName } from './aggregates.ts';

/**
 * The rows of official results that are not candidates: sums, and the books that an office keeps
 * beside the votes. Only the name tells, in the languages that are read here (English, German,
 * French, Spanish, Portuguese, Italian, Dutch), and only where no party is given: a party has
 * candidates.
 */
export type RowKind = 'total' | 'undervotes' | 'overvotes' | 'blank' | 'registered' | 'ballots';

const NAMES: Readonly<Record<RowKind, readonly string[]>> = {
  total: [
    'Total',
    'Totals',
    'Total votes',
    'Total votes cast',
    'Total vote',
    'Grand total',
    'Sum',
    'Contest total',
    'Contest totals',
    'Candidate total',
    'Gesamt',
    'Insgesamt',
    'Summe',
    'Total général',
    'Total des voix',
    'Total de votos',
    'Total general',
    'Total geral',
    'Totale',
    'Totale voti',
    'Totaal',
    'Totaal stemmen',
  ],
  undervotes: ['Under votes', 'Undervotes', 'Under vote', 'Undervote', 'Number of under votes'],
  overvotes: ['Over votes', 'Overvotes', 'Over vote', 'Overvote', 'Number of over votes'],
  blank: [
    'Blank',
    'Blanks',
    'Blank votes',
    'Blank ballots',
    'Leere Stimmzettel',
    'Blancs',
    'Votes blancs',
    'Bulletins blancs',
    'Votos en blanco',
    'Votos em branco',
    'Schede bianche',
    'Blanco stemmen',
    'Blanco',
  ],
  registered: [
    'Registered voters',
    'Registered',
    'Registration',
    'Registered voters total',
    'Wahlberechtigte',
    'Inscrits',
    'Electores',
    'Censo',
    'Eleitores',
    'Elettori',
    'Kiesgerechtigden',
  ],
  ballots: [
    'Ballots cast',
    'Ballots',
    'Ballots counted',
    'Ballots cast total',
    'Total ballots',
    'Total ballots cast',
    'Cards cast',
    'Voters voting',
    'Wähler',
    'Wählende',
    'Votants',
    'Votantes',
    'Votanti',
    'Opkomst',
  ],
};

const KINDS: ReadonlyMap<string, RowKind> = new Map(
  (Object.entries(NAMES) as [RowKind, readonly string[]][]).flatMap(([kind, names]) =>
    names.map((name) => [plainName(name), kind] as const),
  ),
);

/** @returns the kind that a name stands for; null for the name of a candidate, place or contest. */
export const kindOfRow = (name: string): RowKind | null => KINDS.get(plainName(name)) ?? null;
