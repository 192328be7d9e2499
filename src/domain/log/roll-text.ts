import type { VoterPerson } from '../election/voter.ts';

/**
 * The voters of one block of the roll as text: a line for each, `id TAB location TAB registration
 * number TAB uuid`, with the last two as JSON. Function `roll_block` makes the same text by SQL.
 * The digest over it is made under the nonce, since registration numbers are easily guessed.
 */
export function rollText(
  ids: Float64Array,
  locations: Int32Array,
  count: number,
  people: readonly Pick<VoterPerson, 'registration_number' | 'uuid'>[] | null,
): string {
  let text = '';
  if (people === null) for (let i = 0; i < count; i++) text += `${ids[i]}\t${locations[i]}\tnull\tnull\n`;
  else
    for (let i = 0; i < count; i++) {
      const { registration_number, uuid } = people[i]!;
      text += `${ids[i]}\t${locations[i]}\t${json(registration_number)}\t${json(uuid)}\n`;
    }
  return text;
}

const PLAIN = /^[\w-]*$/;

/** Usual numbers need no escaping, and a test costs a third of JSON.stringify. */
const json = (value: string | null): string =>
  value !== null && PLAIN.test(value) ? `"${value}"` : JSON.stringify(value);
