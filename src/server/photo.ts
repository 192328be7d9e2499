import type { Candidate } from '../domain/election/election.ts';
import type { Answer } from './routes.ts';
import { Body } from './snapshot.ts';

/** Pictures are asked for with the definition's hash in the address, so they never change. */
const IMMUTABLE = { 'cache-control': 'public, max-age=31536000, immutable' };
/** A picture may be an SVG, which is a document: opened by itself it must not run anything. */
const SANDBOX = { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox" };
const DATA_URI = /^data:(image\/(?:svg\+xml|png|jpeg|webp|gif))(?:;charset=utf-8)?(;base64)?,(.*)$/s;

/** The picture of a candidate: from the definition where it is a data URI or an https address, else the initials. */
export function photoOf(candidate: Candidate): Answer {
  const photo = candidate.photo ?? '';
  if (/^https:\/\//.test(photo))
    return {
      status: 302,
      body: new Body('text/plain', '', Buffer.alloc(0)),
      headers: { ...IMMUTABLE, location: encodeURI(decodeSafely(photo)) },
    };
  const [, type, base64, data] = DATA_URI.exec(photo) ?? [];
  const headers = { ...IMMUTABLE, ...SANDBOX };
  if (type === undefined || data === undefined)
    return { status: 200, body: new Body('image/svg+xml', '', Buffer.from(drawInitials(candidate))), headers };
  const content = base64 === undefined ? Buffer.from(decodeSafely(data)) : Buffer.from(data, 'base64');
  return { status: 200, body: new Body(type, '', content), headers };
}

function decodeSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Nobody gets an invented face: a real candidate without a picture, and a line that sums several people, are letters. */
function drawInitials({ name, aggregate }: Candidate): string {
  const words = name.split(/[\s-]+/).filter((word) => /^\p{L}/u.test(word));
  const letters = aggregate ? ['…'] : [words.at(0)?.at(0) ?? '', words.length > 1 ? (words.at(-1)?.at(0) ?? '') : ''];
  const text = letters.join('').toUpperCase().replace(/[<&>]/g, '');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="#8a8f98"/><text x="48" y="49" fill="#fff" font-family="Georgia,'Liberation Serif',serif" font-size="40" text-anchor="middle" dominant-baseline="central">${text}</text></svg>`;
}
