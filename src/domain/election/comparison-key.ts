/**
 * Two texts that a reader cannot tell apart must be one id. Ids are therefore compared by a key,
 * and never by their spelling. The spelling of the source is stored and shown.
 *
 * The key is made of Unicode properties: NFKC joins composed, decomposed and compatibility forms,
 * every dash (`Pd`) and the minus sign is `-`, white space is folded to one space, and characters
 * that nobody sees (`Default_Ignorable_Code_Point`) are removed. Upper and lower case stay apart.
 */

/** Almost every id: printable ASCII. Only its spaces may need folding. */
const PRINTABLE_ASCII = /^[\x21-\x7e]*(?: [\x21-\x7e]+)*$/;
const HIDDEN = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;
const DASH = /[\p{Pd}\u2212]/gu;
const WHITE_SPACE = /\p{White_Space}+/gu;

/**
 * The key that an id is compared by. It is the same for every spelling that looks the same, and the
 * key of a key is that key.
 */
export function comparisonKey(text: string): string {
  if (PRINTABLE_ASCII.test(text)) return text.charCodeAt(0) === 0x20 ? text.slice(1) : text;
  const visible = text.replace(HIDDEN, '').normalize('NFKC');
  // NFKC may bring characters that are to be folded, and what is folded may compose anew.
  return visible.replace(HIDDEN, '').replace(DASH, '-').replace(WHITE_SPACE, ' ').trim().normalize('NFKC');
}

/**
 * Whether a text holds a direction override, embedding or isolate (U+202A-202E, U+2066-2069). They
 * make a text look like another one, so no input may hold them.
 */
export const hasDirectionControl = (text: string): boolean => /[\u202a-\u202e\u2066-\u2069]/.test(text);

/**
 * Whether a text holds a character that nobody sees. A name may (ZWJ and ZWNJ join letters, LRM and
 * RLM order them), an id or a registration number may not.
 */
export const hasHiddenCharacter = (text: string): boolean => text.search(HIDDEN) !== -1;

/** A name as an id: without the characters that nobody sees, otherwise as it is spelled. */
export const idFromName = (name: string): string => (hasHiddenCharacter(name) ? name.replace(HIDDEN, '').trim() : name);

/** Two entries with one key: the positions of the earlier and of the later one. */
export interface SameKey {
  readonly first: number;
  readonly second: number;
}

/** The first two texts that have one key, or null. */
export function findSameKey(texts: Iterable<string>): SameKey | null {
  const seen = new Map<string, number>();
  let at = 0;
  for (const text of texts) {
    const key = comparisonKey(text);
    const first = seen.get(key);
    if (first !== undefined) return { first, second: at };
    seen.set(key, at++);
  }
  return null;
}

/**
 * Finds ids by their exact spelling, otherwise by their key. Elections made before ids had keys may
 * have two ids of one key; then only the exact spellings are found.
 */
export class IdLookup {
  readonly #exact: ReadonlyMap<string, number>;
  /** Made when an exact spelling is missed; -1 where several ids have the key. */
  #byKey: Map<string, number> | null = null;

  /** @param exact the numbers of ids, from 0, by exact spelling */
  constructor(exact: ReadonlyMap<string, number>) {
    this.#exact = exact;
  }

  /** The number of the id, or -1. */
  find(text: string): number {
    return this.#exact.get(text) ?? this.#findByKey(text);
  }

  #findByKey(text: string): number {
    if (this.#byKey === null) {
      this.#byKey = new Map();
      for (const [id, number] of this.#exact) {
        const key = comparisonKey(id);
        this.#byKey.set(key, this.#byKey.has(key) ? -1 : number);
      }
    }
    return this.#byKey.get(comparisonKey(text)) ?? -1;
  }
}

const LATIN_BESIDE_OTHER =
  /(?=[\p{L}\p{M}'’-]*\p{Script=Latin})(?=[\p{L}\p{M}'’-]*[\p{Script=Cyrillic}\p{Script=Greek}])[\p{L}\p{M}'’-]+/u;

/**
 * The first word that mixes Latin letters with Cyrillic or Greek ones, or null. Many of those look
 * alike, so the word may pass for another.
 */
export function mixedScriptWord(text: string): string | null {
  // Almost every text is ASCII.
  return /^[\0-\x7f]*$/.test(text) ? null : (LATIN_BESIDE_OTHER.exec(text.normalize('NFC'))?.[0] ?? null);
}
