import type { Candidate } from '../../domain/election/election.ts';
import { type Answer, Body, errorAnswer, IMMUTABLE, textBody } from '../answer.ts';
import type { Route } from './route.ts';

/** A picture may be an SVG, which is a document: opened by itself it runs nothing. */
const SANDBOX = { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox" };
const DATA_URI = /^data:(image\/(?:svg\+xml|png|jpeg|webp|gif))(?:;charset=utf-8)?(;base64)?,(.*)$/s;

export const PHOTO: Route = {
  path: '/api/photo',
  summary: "A candidate's picture.",
  type: 'image/*',
  parameters: [
    { name: 'contest', in: 'query', description: 'The id of the contest.' },
    { name: 'candidate', in: 'query', description: 'The id of the candidate.' },
  ],
  answer: ({ hub }, { searchParams }) => {
    const candidate = hub.shown?.definition.election.candidates.find(
      ({ contest_id, id }) => contest_id === searchParams.get('contest') && id === searchParams.get('candidate'),
    );
    if (candidate === undefined)
      return errorAnswer(404, 'NO_CANDIDATE', 'There is no such candidate.', 'See /api/results for the candidates.');
    return photoOf(candidate);
  },
};

/**
 * The picture of a candidate: from the definition where it is a data URI or an https address, else
 * the initials. Its address holds the hash of the definition, so it never changes.
 */
function photoOf(candidate: Candidate): Answer {
  const photo = candidate.photo ?? '';
  if (/^https:\/\//.test(photo)) {
    const location = encodeURI(decodeSafely(photo));
    return { status: 302, body: textBody('text/plain', ''), headers: { ...IMMUTABLE, location } };
  }
  const [, type, base64, data] = DATA_URI.exec(photo) ?? [];
  const headers = { ...IMMUTABLE, ...SANDBOX };
  if (type === undefined || data === undefined)
    return { status: 200, body: textBody('image/svg+xml', drawInitials(candidate)), headers };
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

/**
 * Letters instead of an invented face, for a candidate without a picture and for a line that sums
 * several people.
 */
function drawInitials({ name, aggregate }: Candidate): string {
  const words = name.split(/[\s-]+/).filter((word) => /^\p{L}/u.test(word));
  const letters = aggregate ? ['…'] : [words.at(0)?.at(0) ?? '', words.length > 1 ? (words.at(-1)?.at(0) ?? '') : ''];
  const text = letters.join('').toUpperCase().replace(/[<&>]/g, '');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96"><rect width="96" height="96" fill="#8a8f98"/><text x="48" y="49" fill="#fff" font-family="Georgia,'Liberation Serif',serif" font-size="40" text-anchor="middle" dominant-baseline="central">${text}</text></svg>`;
}
