import type { IncomingMessage } from 'node:http';

/** The codings that a request accepts, as far as this server knows them. */
export interface AcceptedEncodings {
  /** The client accepts gzip, and likes it no less than the plain body. */
  readonly gzip: boolean;
  /** False where the client refuses the plain body by name or by `*`. */
  readonly identity: boolean;
}

/** A weight is 0 to 1 with at most three decimals (RFC 9110, 12.4.2). */
const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i;

/**
 * Reads `accept-encoding` (RFC 9110, 12.5.3): weights, `*`, and 0 for a refusal. A weight that is
 * not a number refuses its coding, because the plain body is safe for every client. Where no
 * coding is left the plain body is sent, as the RFC allows.
 */
export function acceptedEncodings({ headers }: Pick<IncomingMessage, 'headers'>): AcceptedEncodings {
  const weights = new Map<string, number>();
  for (const entry of String(headers['accept-encoding'] ?? '').split(',')) {
    const [coding = '', ...parameters] = entry.split(';').map((part) => part.trim());
    if (coding !== '') weights.set(coding.toLowerCase(), weightOf(parameters));
  }
  const rest = weights.get('*');
  const gzip = weights.get('gzip') ?? weights.get('x-gzip') ?? rest ?? 0;
  const identity = weights.get('identity');
  return { gzip: gzip > 0 && gzip >= (identity ?? 0), identity: (identity ?? rest ?? 1) > 0 };
}

function weightOf(parameters: readonly string[]): number {
  if (parameters.length === 0) return 1;
  return Number(WEIGHT.exec(parameters[0]!)?.[1] ?? 0);
}
