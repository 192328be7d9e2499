import type { ReturnFault } from './plausibility.ts';
import type { Version } from './version.ts';

/**
 * Where the times of an upload come from. `bytes`: every row says it, so the same bytes are always
 * the same upload. `given`: a person said it. `receipt`: nobody did; then the same bytes repeat
 * only the last upload of their source, since A, B, A is three reports.
 */
export type TimesFrom = 'bytes' | 'given' | 'receipt';

/** One delivery of returns: a file. */
export interface Upload {
  /** Where it came from. */
  readonly source: string;
  /** SHA-256 of its bytes, hex. */
  readonly sha256: string;
  readonly bytes: number;
  /** Milliseconds. A second try of the same upload has the same. */
  readonly received_at: number;
  readonly times: TimesFrom;
  readonly rows: number;
  /** Rows that could not be read. */
  readonly refused: readonly { readonly line: number; readonly reason: string }[];
  readonly versions: readonly UploadedVersion[];
}

export interface UploadedVersion extends Version {
  readonly line: number;
  /** A fault of the number itself; null where there is none. */
  readonly fault: ReturnFault | null;
}
