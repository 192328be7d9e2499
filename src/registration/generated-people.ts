// The subpaths load three of the 70 locales in 33 ms and 11 MB; the index of the package takes 190
// ms and 47 MB.
import { faker as australian } from '@faker-js/faker/locale/en_AU';
import { faker as british } from '@faker-js/faker/locale/en_GB';
import { assert } from '../domain/assert.ts';
import type { VoterPerson } from '../domain/election/voter.ts';
import { PLACES } from '../domain/generated/british-places.ts';
import { createPermutation } from '../domain/numbers/permutation.ts';
import { createSeed, hashPair, hashToUnit, type Seed } from '../domain/numbers/random.ts';

/** A name as it is written and as it stands in an e-mail address. */
interface Name {
  readonly text: string;
  readonly mailbox: string;
}

/**
 * The library has British streets but no British names: its en_GB takes names from en, whose lists
 * go as far as Camren Runolfsdottir. First names come from en_AU, since they are common in Britain
 * too; last names are common ones of Britain.
 */
const { first_name } = australian.rawDefinitions.person ?? {};
const FEMALE_NAMES = readNames(first_name?.female);
const MALE_NAMES = readNames(first_name?.male);
const STREETS = readTexts(british.rawDefinitions.location?.street_name);
const LAST_NAMES = readNames(
  (
    'Adams Ahmed Akhtar Ali Allen Anderson Andrews Armstrong Atkinson Austin Bailey Baker Ball Barker Barnes Begum Bell Bennett Berry ' +
    'Booth Bradley Brooks Brown Burton Butler Byrne Campbell Carr Carter Chambers Chapman Clark Clarke Cole Collins Cook Cooper Cox ' +
    'Cunningham Davies Dawson Dixon Doyle Edwards Elliott Ellis Evans Fisher Fletcher Ford Foster Fox Francis Fraser Gallagher George ' +
    'Gibson Gordon Graham Grant Gray Green Griffiths Hall Hamilton Harper Harris Harrison Hart Harvey Hill Holmes Howard Hughes Hunt ' +
    'Hunter Hussain Hussein Jackson James Jenkins Johnson Johnston Jones Kaur Kelly Kennedy Khan King Knight Lawrence Lawson Lee Lewis ' +
    "Lloyd MacDonald Marshall Martin Mason Matthews McDonald Miller Mills Mitchell Moore Morgan Morris Murphy Murray O'Brien O'Neill " +
    'Owen Palmer Parker Parry Patel Pearce Pearson Phillips Poole Powell Price Reid Reynolds Richards Richardson Roberts Robertson ' +
    'Robinson Rogers Rose Ross Russell Ryan Saunders Scott Shah Sharma Shaw Simpson Singh Smith Spencer Stevens Stewart Stone Taylor ' +
    'Thomas Thompson Thomson Turner Walker Walsh Ward Watson Watts Webb Wells West White Wilkinson Williams Wilson Wood Wright Young'
  ).split(' '),
);

function readTexts(list: readonly unknown[] | null | undefined): readonly string[] {
  const texts = (list ?? []).filter((entry) => typeof entry === 'string');
  assert(texts.length > 0, 'the locales have names and streets');
  return texts;
}

function readNames(list: readonly unknown[] | null | undefined): readonly Name[] {
  return readTexts(list).map((text) => ({ text, mailbox: text.toLowerCase().replaceAll(/[^a-z]/g, '') }));
}

/** Domains that RFC 2606 reserves for examples: mail to them is never delivered. */
const MAIL_DOMAINS = ['example.com', 'example.net', 'example.org'] as const;

/** Ofcom reserves these numbers for drama. Three digits follow, and no number rings anywhere. */
const DRAMA_LANDLINE = '01632 960';
const DRAMA_MOBILE = '07700 900';

/** The letters have no vowels and no Y, so they never form a word. */
const REGISTRATION_LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const REGISTRATION_DIGITS = 1e7;
/** The number of registration numbers: three letters and seven digits. */
export const GENERATED_PEOPLE_MAX = REGISTRATION_LETTERS.length ** 3 * REGISTRATION_DIGITS;

/** The letters that stand after the digit of a postcode's second half. */
const POSTCODE_LETTERS = 'ABDEFGHJLNPQRSTUWXYZ';
const POSTCODE_DISTRICTS = 20;

/** The voting age in Britain, whose people are invented here. */
const VOTING_AGE_YEARS = 18;
/** The oldest invented voter. */
const AGE_YEARS_MAX = 98;
/** People move, so few are registered at one place for longer. */
const REGISTERED_YEARS_MAX = 20;
const DAY_MS = 86_400_000;

/**
 * Each field draws random numbers under its own number, so fields are independent and a new field
 * changes no other.
 */
const FIELD = {
  gender: 1,
  first_name: 2,
  last_name: 3,
  age: 4,
  birthday: 5,
  street: 6,
  house: 7,
  town: 8,
  postcode: 9,
  mail: 10,
  phone: 11,
  cell: 12,
  registered: 13,
} as const;
type Field = keyof typeof FIELD;

/** A whole number in [0, limit). */
const draw = (seed: Seed, ordinal: number, field: Field, limit: number): number =>
  Math.floor(hashToUnit(seed, ordinal, FIELD[field]) * limit);

const pick = <Item>(items: readonly Item[], seed: Seed, ordinal: number, field: Field): Item =>
  items[draw(seed, ordinal, field, items.length)]!;

const PLACE_BY_NAME = new Map(PLACES.map((place) => [place.name, place]));
const ALL_POSTCODE_AREAS = PLACES.flatMap((place) => place.postcodeAreas);

/**
 * Invents people for a roll. The same seed, reference date and ordinal always give the same person.
 * Each person can be made without the others. Registration numbers are unique by construction.
 * @param referenceDate ISO 8601 date on which everybody is of voting age
 * @returns a function of ordinal ([0, {@link GENERATED_PEOPLE_MAX})) and name of the voter's
 * location
 *
 * 900 ns a person (node 24, 2 million in a loop on a two-core VM).
 */
export function createPeople(
  seed: string,
  referenceDate: string,
): (ordinal: number, locationName: string) => VoterPerson {
  const key = createSeed(seed, 'people');
  const register = createPermutation(createSeed(seed, 'registration numbers'), GENERATED_PEOPLE_MAX);
  const referenceDay = Math.floor(Date.parse(referenceDate) / DAY_MS);
  assert(Number.isSafeInteger(referenceDay), `a reference date "${referenceDate}"`);
  const birthDates = createBirthDates(referenceDay);

  return (ordinal, locationName) => {
    const female = draw(key, ordinal, 'gender', 2) === 0;
    const firstName = pick(female ? FEMALE_NAMES : MALE_NAMES, key, ordinal, 'first_name');
    const lastName = pick(LAST_NAMES, key, ordinal, 'last_name');
    const age = drawAge(key, ordinal);
    const place = PLACE_BY_NAME.get(locationName);
    const areas = place?.postcodeAreas ?? ALL_POSTCODE_AREAS;
    const mailNumber = 1 + draw(key, ordinal, 'mail', 999);
    return {
      registration_number: registrationNumber(register(ordinal)),
      uuid: null,
      first_name: firstName.text,
      last_name: lastName.text,
      birth_date: birthDates(age, draw(key, ordinal, 'birthday', 365)),
      gender: female ? 'female' : 'male',
      nationality: 'GB',
      street: `${1 + draw(key, ordinal, 'house', 180)} ${pick(STREETS, key, ordinal, 'street')}`,
      city: place === undefined ? locationName : pick(place.towns, key, ordinal, 'town'),
      state: locationName,
      country: 'United Kingdom',
      postcode: drawPostcode(areas, key, ordinal),
      email: `${firstName.mailbox}.${lastName.mailbox}${mailNumber}@${MAIL_DOMAINS[mailNumber % MAIL_DOMAINS.length]}`,
      phone: `${DRAMA_LANDLINE}${threeDigits(draw(key, ordinal, 'phone', 1000))}`,
      cell: `${DRAMA_MOBILE}${threeDigits(draw(key, ordinal, 'cell', 1000))}`,
      picture: null,
      registered_age: draw(key, ordinal, 'registered', Math.min(REGISTERED_YEARS_MAX, age - VOTING_AGE_YEARS) + 1),
    };
  };
}

/**
 * Different full names for the candidates of a generated election. A voter on its roll has the same
 * name only by chance.
 * @param count at most a few; the lists hold tens of thousands of combinations
 */
export function generateCandidateNames(seed: string, count: number): string[] {
  const key = createSeed(seed, 'candidates');
  const names = new Set<string>();
  for (let ordinal = 0; names.size < count; ordinal++) {
    const firstNames = (ordinal + hashPair(key, 0, FIELD.gender)) & 1 ? FEMALE_NAMES : MALE_NAMES;
    const first = pick(firstNames, key, ordinal, 'first_name').text;
    names.add(`${first} ${pick(LAST_NAMES, key, ordinal, 'last_name').text}`);
  }
  return [...names];
}

/**
 * Three letters and seven digits, `BCD-1234567`, one for each whole number below
 * {@link GENERATED_PEOPLE_MAX}.
 */
function registrationNumber(serial: number): string {
  const letters = Math.floor(serial / REGISTRATION_DIGITS);
  const digits = serial - letters * REGISTRATION_DIGITS;
  const base = REGISTRATION_LETTERS.length;
  const first = REGISTRATION_LETTERS.charAt(Math.floor(letters / base ** 2));
  const second = REGISTRATION_LETTERS.charAt(Math.floor(letters / base) % base);
  const third = REGISTRATION_LETTERS.charAt(letters % base);
  return `${first}${second}${third}-${String(digits).padStart(7, '0')}`;
}

/** The age of an adult: the numbers fall above 68, as in an ageing country. */
function drawAge(seed: Seed, ordinal: number): number {
  const unit = hashToUnit(seed, ordinal, FIELD.age);
  if (unit < 0.8) return VOTING_AGE_YEARS + Math.floor((unit / 0.8) * 50);
  const old = (unit - 0.8) / 0.2;
  return VOTING_AGE_YEARS + 50 + Math.floor(old * old * (AGE_YEARS_MAX - VOTING_AGE_YEARS - 50));
}

/**
 * The birth date, as text, of a person whose `age`th birthday was `days` days before the reference
 * day. Each text is made once.
 */
function createBirthDates(referenceDay: number): (age: number, days: number) => string {
  const texts = new Map<number, string>();
  const reference = new Date(referenceDay * DAY_MS);
  const month = reference.getUTCMonth();
  // The year of birth may lack 29 February. The date would become 1 March, and the person a day too
  // young.
  const date = month === 1 ? Math.min(reference.getUTCDate(), 28) : reference.getUTCDate();
  return (age, days) => {
    const slot = age * 366 + days;
    let text = texts.get(slot);
    if (text === undefined) {
      const year = reference.getUTCFullYear() - age;
      text = new Date(Date.UTC(year, month, date - days)).toISOString().slice(0, 10);
      texts.set(slot, text);
    }
    return text;
  };
}

function drawPostcode(areas: readonly string[], seed: Seed, ordinal: number): string {
  const bits = hashPair(seed, ordinal, FIELD.postcode) >>> 0;
  const area = areas[bits % areas.length]!;
  const district = 1 + ((bits >>> 8) % POSTCODE_DISTRICTS);
  const letters = POSTCODE_LETTERS.length;
  const first = POSTCODE_LETTERS.charAt((bits >>> 16) % letters);
  const second = POSTCODE_LETTERS.charAt((bits >>> 24) % letters);
  return `${area}${district} ${(bits >>> 12) % 10}${first}${second}`;
}

const THREE_DIGITS = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'));
const threeDigits = (number: number): string => THREE_DIGITS[number]!;
