import { hasDirectionControl, hasHiddenCharacter } from '../domain/election/comparison-key.ts';
import { TEXT_LENGTH_MAX } from '../domain/election/election.ts';
import { err, type Outcome, ok } from '../domain/outcome.ts';

/** A problem of a value. Its text does not repeat the value. */
export interface ValueProblem {
  readonly reason: string;
  readonly nextStep: string;
}

const whole = (reason: string, nextStep: string): Outcome<never, ValueProblem> => err({ reason, nextStep });

/**
 * Digits in groups. Countries group them by different characters: comma, full stop, apostrophes,
 * underscore and the spaces.
 */
const GROUPED = /^[+-]?\d{1,3}([.,'’_ \u00a0\u2009\u202f]\d{3})+$/;

/**
 * A count as a file may give it: digits alone, up to 2^53 - 1. Each kind of mistake has its own
 * reason.
 */
export function parseWholeNumber(text: string): Outcome<number, ValueProblem> {
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    if (Number.isSafeInteger(value)) return ok(value);
    return whole('is above 9007199254740991 (2^53 - 1), the largest count kept exactly', 'check the number');
  }
  if (text === '')
    return whole('is empty', 'write the number that the source gives; leave the row out where it gives none');
  if (GROUPED.test(text)) return whole('has a separator between its digits', 'write the digits alone, e.g. 1233');
  if (/^-\d+([.,]\d+)?$/.test(text)) return whole('is negative', 'write a whole number from 0');
  if (/^\d*[.,]\d+$|^\d+[.,]$/.test(text)) return whole('is not whole', 'write a whole number without a fraction');
  if (/^[+-]?\d+([.,]\d+)?[eE][+-]?\d+$/.test(text))
    return whole('is in exponent notation', 'format the column as a plain number and export it again');
  if (/^\+\d+$/.test(text)) return whole('has a plus sign', 'write the digits alone');
  if (/^[+-]?\d+([.,]\d+)?\s*[%٪]$/.test(text))
    return whole('is a percentage, and a count is needed', 'export the votes themselves');
  return whole('is not a number', 'write a whole number in the digits 0 to 9');
}

/**
 * Checks a name or an id: PostgreSQL, Kafka and a screen must be able to carry it.
 * @returns null when there is nothing wrong.
 */
export function textProblem(text: string, lengthMax = TEXT_LENGTH_MAX): ValueProblem | null {
  if (/[\t\r\n]/.test(text)) return { reason: 'contains a tab or a line break', nextStep: 'write it on one line' };
  return proseProblem(text, lengthMax);
}

/**
 * The same check for an id or a registration number: two that look the same would be two.
 * @returns null when there is nothing wrong.
 */
export function idProblem(text: string, lengthMax = TEXT_LENGTH_MAX): ValueProblem | null {
  const problem = textProblem(text, lengthMax);
  if (problem !== null || !hasHiddenCharacter(text)) return problem;
  return {
    reason: 'contains a character that nobody sees (a zero-width space, a direction mark or the like)',
    nextStep: 'remove it; typing the text anew does',
  };
}

/** The same check for a text that may have several lines. */
export function proseProblem(text: string, lengthMax: number): ValueProblem | null {
  if (text.length > lengthMax) return { reason: `is longer than ${lengthMax} characters`, nextStep: 'shorten it' };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text))
    return { reason: 'contains a control character', nextStep: 'remove it' };
  if (hasDirectionControl(text))
    return {
      reason: 'contains a character that reverses the direction of writing (U+202A-202E, U+2066-2069)',
      nextStep: 'remove it; the text then reads as it is written',
    };
  if (!text.isWellFormed()) return { reason: 'contains half a character (a lone surrogate)', nextStep: 'remove it' };
  return null;
}

/** Whether a text is an ISO 8601 date that exists in the calendar; there is no year 0. */
export function isDate(text: string): boolean {
  if (!/^(?!0000)\d{4}-\d\d-\d\d$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

/** Yes or no as spreadsheets write it; null for anything else. Empty is no. */
export function parseFlag(text: string): boolean | null {
  if (/^(true|yes|y|1)$/i.test(text)) return true;
  return /^(|false|no|n|0)$/i.test(text) ? false : null;
}

/** A biography or a platform is a page, not a book. */
export const PROSE_LENGTH_MAX = 20_000;

/**
 * Long enough for a portrait in a data URI; it travels in topic `definition` and to every browser.
 */
export const PHOTO_LENGTH_MAX = 200_000;

/**
 * A picture that a page may show: an https address, or the picture itself.
 * @returns null when there is nothing wrong.
 */
export function photoProblem(text: string): ValueProblem | null {
  if (text.length > PHOTO_LENGTH_MAX)
    return {
      reason: `is longer than ${PHOTO_LENGTH_MAX} characters`,
      nextStep: 'use a smaller picture or its address',
    };
  if (/^data:image\/(png|jpeg|gif|webp|avif|svg\+xml)[;,][\x21-\x7e]*$/.test(text)) return null;
  if (text.startsWith('https://') && URL.canParse(text)) return textProblem(text, 2_000);
  return {
    reason: 'is neither an https address nor a data: picture',
    nextStep: 'give one that begins with https:// or data:image/',
  };
}
