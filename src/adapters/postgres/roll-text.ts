import type { VoterPerson } from '../../domain/election/voter.ts';
import { ByteText } from './byte-text.ts';

type Person = Pick<VoterPerson, 'registration_number' | 'uuid'>;

const NEWLINE = 0x0a;
const SPACE = 0x20;
const HYPHEN = 0x2d;
const COLON = 0x3a;

/**
 * The voters of one block of the roll as bytes: a line for each, `place location number uuid`, in
 * ascending order of places. `place` is the voter's id less the first id of the block. A text has
 * its length in bytes before it, so that no two blocks have the same bytes: `4:N001`; an absent one
 * is a hyphen. `roll-block.sql` makes the same from table `voters`.
 */
export class RollText {
  readonly #bytes = new ByteText();

  add(place: number, location: number, person: Person | null): void {
    this.#bytes.number(place);
    this.#bytes.byte(SPACE);
    this.#bytes.number(location);
    this.#text(person === null ? null : person.registration_number);
    this.#text(person === null ? null : person.uuid);
    this.#bytes.byte(NEWLINE);
  }

  /** @returns the bytes since the last call. They are valid until the next one is added. */
  take(): Buffer {
    return this.#bytes.take();
  }

  #text(text: string | null): void {
    this.#bytes.byte(SPACE);
    if (text === null) this.#bytes.byte(HYPHEN);
    else {
      this.#bytes.number(Buffer.byteLength(text));
      this.#bytes.byte(COLON);
      this.#bytes.text(text);
    }
  }
}
