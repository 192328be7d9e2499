import type { ReturnFault } from './plausibility.ts';
import type { Version } from './version.ts';

/** One delivery of returns: a file. */
export interface Upload {
  /** Where it came from. */
  readonly source: string;
  /** SHA-256 of its bytes, hex. */
  readonly sha256: string;
  readonly bytes: number;
  /** Whether its bytes say when it was reported. Then the same bytes are always the same upload. */
  readonly states_times: boolean;
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
