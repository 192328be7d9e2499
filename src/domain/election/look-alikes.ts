import { comparisonKey, mixedScriptWord } from './comparison-key.ts';

/**
 * Names that are two ids, and that a person may have meant as one. They are counted as they are
 * written, so they are told and not refused.
 */

export interface NamedEntry {
  readonly contest: string;
  readonly name: string;
  /** Empty where there is none. */
  readonly party: string;
  /** The line of the source where the name is first written; null where it has no lines. */
  readonly line: number | null;
}

/**
 * More names in one contest are not compared with each other: a ballot has fewer, and the memory
 * for the comparison grows with them.
 */
const NAMES_COMPARED_MAX = 2_000;
/** More sentences would scroll the others off the screen. */
const NOTICES_MAX = 20;
/** A word that is shorter is an initial or a number, and those tell people apart. */
const NEAR_WORD_LENGTH_MIN = 4;

/** @returns a sentence for each pair, with both lines where there are lines. */
export function lookAlikes(entries: readonly NamedEntry[]): string[] {
  const found = [...mixedScripts(entries)];
  for (const [contest, group] of Map.groupBy(entries, (entry) => entry.contest)) {
    found.push(...twoParties(contest, group));
    const names = firstOf(group, ({ name }) => name);
    for (const [left, right] of nearPairs(names.map(({ name }) => name)))
      found.push(
        `${places(names[left]!, names[right]!)}${quote(names[left]!.name)} and ${quote(names[right]!.name)} of contest ` +
          `${quote(contest)} are almost the same; they are counted as two candidates`,
      );
  }
  found.push(...nearParties(entries));
  if (found.length <= NOTICES_MAX) return found;
  return [...found.slice(0, NOTICES_MAX), `${found.length - NOTICES_MAX} more names look like another one`];
}

function* mixedScripts(entries: readonly NamedEntry[]): Generator<string> {
  const seen = new Set<string>();
  for (const entry of entries)
    for (const text of [entry.name, entry.party, entry.contest]) {
      if (seen.has(text)) continue;
      seen.add(text);
      const word = mixedScriptWord(text);
      if (word !== null)
        yield `${entry.line === null ? '' : `line ${entry.line}: `}the word ${quote(word)} in ${quote(text)} mixes Latin letters ` +
          'with Cyrillic or Greek ones that look alike';
    }
}

/** One name under two parties that may be one. */
function* twoParties(contest: string, group: readonly NamedEntry[]): Generator<string> {
  for (const same of Map.groupBy(group, ({ name }) => comparisonKey(name)).values()) {
    const parties = firstOf(same, ({ party }) => party);
    for (const [left, right] of pairsOf(parties.length)) {
      if (!areOneParty(parties[left]!.party, parties[right]!.party)) continue;
      yield `${places(parties[left]!, parties[right]!)}${quote(parties[left]!.name)} of contest ${quote(contest)} has the ` +
        `parties ${quote(parties[left]!.party)} and ${quote(parties[right]!.party)}; they are counted as two candidates`;
    }
  }
}

function* nearParties(entries: readonly NamedEntry[]): Generator<string> {
  const parties = firstOf(
    entries.filter(({ party }) => party !== ''),
    ({ party }) => party,
  );
  for (const [left, right] of nearPairs(parties.map(({ party }) => party)))
    yield `${places(parties[left]!, parties[right]!)}parties ${quote(parties[left]!.party)} and ` +
      `${quote(parties[right]!.party)} are almost the same; they are shown as two parties`;
}

/** Whether a party is missing, a part of the other (`Dem`, `Democratic`) or almost the same. */
function areOneParty(left: string, right: string): boolean {
  const [one, other] = [loosen(left), loosen(right)];
  return one.startsWith(other) || other.startsWith(one) || [...nearPairs([left, right])].length > 0;
}

/** The pairs of texts that differ by case, marks, punctuation, or one letter of a longer word. */
function* nearPairs(texts: readonly string[]): Generator<[number, number]> {
  if (texts.length > NAMES_COMPARED_MAX) return;
  const buckets = new Map<string, number[]>();
  const paired = new Set<string>();
  for (const [at, text] of texts.entries()) {
    for (const form of formsOf(loosen(text))) {
      const bucket = buckets.get(form) ?? [];
      for (const before of bucket) {
        const pair = `${before} ${at}`;
        if (before === at || paired.has(pair)) continue;
        paired.add(pair);
        yield [before, at];
      }
      bucket.push(at);
      buckets.set(form, bucket);
    }
  }
}

/** A text without marks, case and punctuation. */
const loosen = (text: string): string =>
  comparisonKey(text)
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** The text itself, and the text without each letter of its longer words. */
function* formsOf(loose: string): Generator<string> {
  if (loose === '') return;
  yield loose;
  for (const { 0: word, index } of loose.matchAll(/\p{L}+/gu))
    if (word.length >= NEAR_WORD_LENGTH_MIN)
      for (let at = index; at < index + word.length; at++) yield `${loose.slice(0, at)}${loose.slice(at + 1)}`;
}

function firstOf(entries: readonly NamedEntry[], textOf: (entry: NamedEntry) => string): NamedEntry[] {
  const first = new Map<string, NamedEntry>();
  for (const entry of entries) {
    const key = comparisonKey(textOf(entry));
    if (!first.has(key)) first.set(key, entry);
  }
  return [...first.values()];
}

function* pairsOf(length: number): Generator<[number, number]> {
  for (let right = 1; right < length; right++) for (let left = 0; left < right; left++) yield [left, right];
}

const places = (left: NamedEntry, right: NamedEntry): string =>
  left.line === null || right.line === null ? '' : `lines ${left.line} and ${right.line}: `;

const quote = (text: string): string => JSON.stringify(text);
