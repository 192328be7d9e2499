import { z } from 'zod';
import { OperationalError } from '../base/errors.ts';
import { comparisonKey, idFromName } from '../domain/election/comparison-key.ts';
import { getJson, type HttpOptions, unusable } from '../files/http.ts';
import { formatPath, type InputProblem } from '../files/problems.ts';
import { isDate, photoProblem, proseProblem, textProblem } from '../files/values.ts';
import type { LocatedPerson } from './roll.ts';

/**
 * People from a service that answers like randomuser.me: `GET URL?results=N&page=P&seed=S` gives
 * `{results: [person]}`. They are personal data: a problem names page and position, never a value.
 */

/** The most people that randomuser.me gives in one answer. */
export const PAGE_SIZE_MAX = 5_000;
/** After this many pages in a row without new people the service has no more of them. */
export const EMPTY_PAGES_MAX = 3;
/** The limit of the roll: longer than any name or address line in use. */
const FIELD_LENGTH_MAX = 500;

export interface PeopleApi extends HttpOptions {
  readonly url: URL;
  /** The same seed gives the same people, page by page. */
  readonly seed: string;
  /**
   * The people of a page, 1 to {@link PAGE_SIZE_MAX}. It stays the same over restarts, or pages
   * would overlap.
   */
  readonly page_size: number;
  /** The field that becomes the location. Default state. */
  readonly location?: 'state' | 'county' | 'city';
}

export interface PeoplePage {
  /** From 1. */
  readonly page: number;
  readonly people: readonly LocatedPerson[];
  /** The problems of people who were left out. */
  readonly problems: readonly InputProblem[];
}

/** The address of `--api`. @throws OperationalError USAGE where the text is not an address. */
export function parseApiUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '') return url;
  throw new OperationalError('USAGE', {
    message: '--api is not an http or https address, or holds a password',
    nextStep: 'Give one such as https://randomuser.me/api/.',
  });
}

const text = () =>
  z
    .string()
    .max(FIELD_LENGTH_MAX)
    .transform((value) => value.trim())
    .refine((value) => proseProblem(value, FIELD_LENGTH_MAX) === null, {
      error: 'is too long or contains a character that is not text',
    })
    .transform((value) => (value === '' ? null : value));
const optional = () => text().nullish();
/**
 * A text that may come as a number: house numbers and postcodes do where they have digits alone.
 */
const textOrNumber = () => z.union([z.number().transform(String), text()]).nullish();

const personSchema = z.object({
  gender: optional(),
  name: z.object({ first: optional(), last: optional() }),
  location: z.object({
    street: z.object({ number: textOrNumber(), name: optional() }).nullish(),
    city: optional(),
    state: optional(),
    county: optional(),
    country: optional(),
    postcode: textOrNumber(),
  }),
  email: optional(),
  login: z.object({ uuid: z.string().regex(/^[\x21-\x7e]{1,100}$/, { error: 'is not an id' }) }),
  dob: z
    .object({
      date: z
        .string()
        .refine((value) => isDate(value.slice(0, 10)), { error: 'is not a date' })
        .nullish(),
    })
    .nullish(),
  registered: z.object({ age: z.int().min(0).max(150).nullish() }).nullish(),
  phone: optional(),
  cell: optional(),
  picture: z.object({ large: optional() }).nullish(),
  nat: optional(),
});
type ApiPerson = z.output<typeof personSchema>;

const pageSchema = z.object({ results: z.array(z.unknown()).max(PAGE_SIZE_MAX) });

/**
 * Fetches one page, with retries.
 * @throws OperationalError SOURCE_UNREACHABLE where the service gives no usable page, or the
 * signal's reason
 */
export async function fetchPage(api: PeopleApi, page: number): Promise<PeoplePage> {
  const url = pageUrl(api, page);
  const results = await getJson(url, resultsOf, api);
  const problems: InputProblem[] = [];
  const people: LocatedPerson[] = [];
  for (const [i, result] of results.entries()) {
    const person = readPerson(result, api.location ?? 'state');
    if (person.ok) people.push(person.value);
    else problems.push({ file: `${url.origin}${url.pathname} page ${page}`, line: i + 1, ...person.problem });
  }
  return { page, people, problems };
}

export interface CandidatePerson {
  readonly name: string;
  readonly photo: string | null;
}

/**
 * Fetches different people to stand as candidates. Their seed is another than that of the roll, so
 * they are not on the roll.
 */
export async function fetchCandidates(api: PeopleApi, count: number): Promise<CandidatePerson[]> {
  const found = new Map<string, CandidatePerson>();
  const candidates = { ...api, seed: `${api.seed}-candidates`, page_size: Math.min(PAGE_SIZE_MAX, 2 * count) };
  for (let page = 1; page <= EMPTY_PAGES_MAX && found.size < count; page++) {
    const { people } = await fetchPage(candidates, page);
    for (const { person } of people) {
      const name = [person.first_name, person.last_name].filter((part) => part !== null).join(' ');
      const hasPhoto = person.picture !== null && photoProblem(person.picture) === null;
      if (name !== '') found.set(comparisonKey(name), { name, photo: hasPhoto ? person.picture : null });
    }
  }
  if (found.size >= count) return [...found.values()].slice(0, count);
  throw new OperationalError('SOURCE_UNREACHABLE', {
    message: `${api.url.origin}${api.url.pathname}: it has ${found.size} different people with a name, and ${count} candidates are needed`,
    nextStep: 'Name the candidates with --candidates FILE.',
  });
}

function pageUrl({ url, seed, page_size }: PeopleApi, page: number): URL {
  const asked = new URL(url);
  for (const [name, value] of Object.entries({ results: page_size, page, seed, format: 'json' }))
    asked.searchParams.set(name, String(value));
  return asked;
}

function resultsOf(value: unknown): unknown[] {
  const page = pageSchema.safeParse(value);
  if (page.success) return page.data.results;
  if (typeof value === 'object' && value !== null && 'error' in value)
    throw unusable('it answers with an error', 'Start again later: it goes on from the page it was at.');
  throw unusable(
    `its answer has no "results" of up to ${PAGE_SIZE_MAX} people`,
    'Check that the address answers like https://randomuser.me/api/.',
  );
}

type Read =
  | { readonly ok: true; readonly value: LocatedPerson }
  | { readonly ok: false; readonly problem: Omit<InputProblem, 'file' | 'line'> };

function readPerson(value: unknown, locationField: 'state' | 'county' | 'city'): Read {
  const nextStep = 'nothing; this person is left out';
  const parsed = personSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    return {
      ok: false,
      problem: { column: formatPath(issue.path) || null, reason: issue.message.toLowerCase(), nextStep },
    };
  }
  const location = parsed.data.location[locationField] ?? null;
  const problem = location === null ? 'is not given' : textProblem(location)?.reason;
  if (location === null || problem !== undefined)
    return {
      ok: false,
      problem: { column: `location.${locationField}`, reason: problem ?? 'is not given', nextStep },
    };
  return { ok: true, value: { location: idFromName(location), person: personOf(parsed.data) } };
}

function personOf(api: ApiPerson): LocatedPerson['person'] {
  const { street, city, state, county, country, postcode } = api.location;
  const address = [street?.number, street?.name].filter((part) => part != null).join(' ');
  return {
    registration_number: api.login.uuid,
    uuid: api.login.uuid,
    first_name: api.name.first ?? null,
    last_name: api.name.last ?? null,
    birth_date: api.dob?.date?.slice(0, 10) ?? null,
    gender: api.gender ?? null,
    nationality: api.nat ?? null,
    street: address === '' ? null : address,
    city: city ?? null,
    state: state ?? county ?? null,
    country: country ?? null,
    postcode: postcode ?? null,
    email: api.email ?? null,
    phone: api.phone ?? null,
    cell: api.cell ?? null,
    picture: api.picture?.large ?? null,
    registered_age: api.registered?.age ?? null,
  };
}
