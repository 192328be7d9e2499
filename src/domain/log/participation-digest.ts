/**
 * The digest of a set of participants: the sum, modulo 2^1024, of a keyed pseudorandom number for
 * each voter. The sums of two sets that share no voter add up to the sum of both, so each partition
 * keeps its own, and together they are the sum over table `participation`. docs/exactness.md says
 * what it finds and what it does not.
 */

/** Encrypts each block of 16 bytes by itself, under a key that only the database knows. */
export type BlockCipher = (blocks: Uint8Array) => Uint8Array;

/** 1,024 bits a voter. With 256, who knows the key could find another set of the same sum. */
const BLOCKS_PER_VOTER = 8;
/** A block of AES has 128 bits. */
const WORDS_PER_BLOCK = 4;
/** The number that stands for a voter, in words of 32 bits. */
const WORDS_PER_VOTER = BLOCKS_PER_VOTER * WORDS_PER_BLOCK;
const BITS = BigInt(32 * WORDS_PER_VOTER);
const DIGITS = 8 * WORDS_PER_VOTER;
/** 64 KB at a time stay in the cache of a core. */
const VOTERS_PER_PASS = 512;
/** Sums of fewer 32-bit words than this are exact in a double. */
const VOTERS_PER_SUM_MAX = 1 << 20;

/** The sum over nobody. */
export const NO_PARTICIPANTS = '0'.repeat(DIGITS);

export class ParticipationDigest {
  readonly #encrypt: BlockCipher;
  readonly #blocks = new Uint32Array(VOTERS_PER_PASS * WORDS_PER_VOTER);
  readonly #sums = new Float64Array(WORDS_PER_VOTER);

  constructor(encrypt: BlockCipher) {
    this.#encrypt = encrypt;
    // A block is the voter's number and the number of the block.
    for (let at = 0; at < this.#blocks.length; at += WORDS_PER_BLOCK)
      this.#blocks[at + 2] = (at / WORDS_PER_BLOCK) % BLOCKS_PER_VOTER;
  }

  /** @returns `sum` with these voters added; hex. */
  add(sum: string, voters: Float64Array): string {
    let total = BigInt(`0x${sum}`);
    for (let from = 0; from < voters.length; from += VOTERS_PER_SUM_MAX)
      total += this.#sumOf(voters.subarray(from, from + VOTERS_PER_SUM_MAX));
    return hexOf(total);
  }

  #sumOf(voters: Float64Array): bigint {
    const sums = this.#sums.fill(0);
    for (let from = 0; from < voters.length; from += VOTERS_PER_PASS)
      this.#pass(voters, from, Math.min(VOTERS_PER_PASS, voters.length - from), sums);
    let total = 0n;
    for (let word = WORDS_PER_VOTER - 1; word >= 0; word--) total = (total << 32n) + BigInt(sums[word]!);
    return total;
  }

  #pass(voters: Float64Array, from: number, count: number, sums: Float64Array): void {
    const blocks = this.#blocks;
    for (let i = 0; i < count; i++) {
      const voter = voters[from + i]!;
      const low = voter >>> 0;
      const high = Math.floor(voter / 0x1_0000_0000);
      const end = (i + 1) * WORDS_PER_VOTER;
      for (let at = i * WORDS_PER_VOTER; at < end; at += WORDS_PER_BLOCK) {
        blocks[at] = low;
        blocks[at + 1] = high;
      }
    }
    const used = count * WORDS_PER_VOTER;
    const bytes = this.#encrypt(new Uint8Array(blocks.buffer, 0, 4 * used));
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, used);
    for (let at = 0; at < used; at += WORDS_PER_VOTER)
      for (let word = 0; word < WORDS_PER_VOTER; word++) sums[word]! += words[at + word]!;
  }
}

/** The sum of sums of sets that share no voter. */
export const addParticipation = (sums: readonly string[]): string =>
  hexOf(sums.reduce((total, sum) => total + BigInt(`0x${sum}`), 0n));

const hexOf = (sum: bigint): string => BigInt.asUintN(Number(BITS), sum).toString(16).padStart(DIGITS, '0');
