import type { Sha256 } from '../log/box.ts';

/** 256 bits as eight numbers of 32 bits, the lowest first. */
const LANES = 8;
const LANE_HEX_DIGITS = 8;

/**
 * The digest of the current records of all locations: the sum modulo 2^256 of the SHA-256 of each,
 * over key, tab and value as they are written. A changed record costs one hash and one addition,
 * however many records there are. Memory: 32 bytes a location.
 */
export class RecordDigest {
  readonly #sha256: Sha256;
  readonly #hashes: Uint32Array;
  readonly #sum = new Uint32Array(LANES);

  constructor(locations: number, sha256: Sha256) {
    this.#sha256 = sha256;
    this.#hashes = new Uint32Array(locations * LANES);
  }

  /** Puts the record of a location in place of the one before. */
  set(location: number, key: string, value: string): void {
    const hash = this.#sha256(`${key}\t${value}`);
    const from = location * LANES;
    let carry = 0;
    let borrow = 0;
    for (let lane = 0; lane < LANES; lane++) {
      const end = hash.length - lane * LANE_HEX_DIGITS;
      const added = Number.parseInt(hash.slice(end - LANE_HEX_DIGITS, end), 16);
      // Two running carries keep each step within 53 bits.
      const difference = this.#sum[lane]! - this.#hashes[from + lane]! - borrow;
      borrow = difference < 0 ? 1 : 0;
      const sum = (difference >>> 0) + added + carry;
      carry = sum > 0xffff_ffff ? 1 : 0;
      this.#sum[lane] = sum;
      this.#hashes[from + lane] = added;
    }
  }

  /** 64 hex digits. */
  toString(): string {
    return Array.from(this.#sum, (lane) => lane.toString(16).padStart(LANE_HEX_DIGITS, '0'))
      .reverse()
      .join('');
  }
}
