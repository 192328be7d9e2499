const ZERO = 0x30;
/** Whole numbers that JavaScript holds exactly have no more. */
const DIGITS_MAX = 16;
/** UTF-8 has at most three bytes for a unit of a JavaScript text. */
const BYTES_PER_CHARACTER_MAX = 3;

/**
 * A growing text as bytes, which is used again. It writes bytes because texts cost ten times as
 * much: 1 ms for 20,000 lines of a roll.
 */
export class ByteText {
  #bytes = Buffer.allocUnsafe(1 << 16);
  #at = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** A whole number that is not negative, in decimal. */
  number(value: number): void {
    this.#reserve(DIGITS_MAX);
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    let rest = value;
    for (let at = this.#at + digits - 1; at >= this.#at; at--) {
      const tenth = Math.floor(rest / 10);
      this.#bytes[at] = ZERO + rest - 10 * tenth;
      rest = tenth;
    }
    this.#at += digits;
  }

  /**
   * Adds the text if all its characters are ASCII, from the code `from` on, without `except`.
   * @returns false where they are not; then nothing was added
   */
  plain(value: string, from = 0, except = -1): boolean {
    this.#reserve(value.length);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f || code < from || code === except) return false;
      this.#bytes[this.#at + i] = code;
    }
    this.#at += value.length;
    return true;
  }

  text(value: string): void {
    if (this.plain(value)) return;
    this.#reserve(BYTES_PER_CHARACTER_MAX * value.length);
    this.#at += this.#bytes.write(value, this.#at);
  }

  /** @returns the bytes since the last call. They are valid until something is added. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#at);
    this.#at = 0;
    return bytes;
  }

  #reserve(bytes: number): void {
    const end = this.#at + bytes;
    if (end <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(end, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}
