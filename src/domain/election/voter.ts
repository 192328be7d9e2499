/**
 * A voter as the roll knows a person. All of it is personal data. It lives in table `voters` and
 * nowhere else: not in a topic, a log line, an answer of the API or a reported problem. A field
 * that the source lacks is null.
 */
export interface VoterPerson {
  /** The outside id of the voter: unique in an election. */
  readonly registration_number: string;
  readonly uuid: string | null;
  readonly first_name: string | null;
  readonly last_name: string | null;
  /** ISO 8601 date. */
  readonly birth_date: string | null;
  readonly gender: string | null;
  readonly nationality: string | null;
  readonly street: string | null;
  readonly city: string | null;
  /** State or county. */
  readonly state: string | null;
  readonly country: string | null;
  readonly postcode: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly cell: string | null;
  /** Address of a picture. */
  readonly picture: string | null;
  /** Years since the voter registered. */
  readonly registered_age: number | null;
}

/** The fields in the order of the columns of table `voters`. */
export const VOTER_PERSON_FIELDS = [
  'registration_number',
  'uuid',
  'first_name',
  'last_name',
  'birth_date',
  'gender',
  'nationality',
  'street',
  'city',
  'state',
  'country',
  'postcode',
  'email',
  'phone',
  'cell',
  'picture',
  'registered_age',
] as const satisfies readonly (keyof VoterPerson)[];

/**
 * Why a voter was removed from the roll. It is a code and never free text, because topic
 * `definition` carries it.
 */
export const REMOVAL_REASONS = [
  'died',
  'moved',
  'registered-twice',
  'not-eligible',
  'requested',
  'entered-in-error',
] as const;
export type RemovalReason = (typeof REMOVAL_REASONS)[number];
