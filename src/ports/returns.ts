import type { Tally } from '../domain/counting/tally.ts';
import type { ReturnFault } from '../domain/returns/plausibility.ts';
import type { Upload } from '../domain/returns/upload.ts';
import type { Version } from '../domain/returns/version.ts';
import type { ElectionEntry } from './elections.ts';

/** The outcome of an upload. */
export interface TakenUpload {
  readonly upload: number;
  readonly was_taken_before: boolean;
  readonly accepted: number;
  /** Numbers that were reported before with the same time. */
  readonly repeated: number;
  readonly quarantined: readonly { readonly line: number; readonly fault: ReturnFault }[];
}

export interface AcceptedVersion extends Version {
  readonly upload: number;
}

export interface StoredReturns {
  readonly accepted: number;
  /** Versions behind the end of the log. */
  readonly strays: number;
  readonly tally: Tally;
  /** Uploads whose numbers are not those of their rows, the first few. */
  readonly differing: readonly string[];
  /** Tables that a statement could change. */
  readonly unprotected: readonly string[];
}

/** The official returns of an election. */
export interface Returns {
  /**
   * Takes an upload in one transaction: every number as a version in table `returns`, the accepted
   * ones in topic `returns`. Uploads are taken one after another. An upload that was taken before
   * changes nothing and has the outcome that it had, without the lines.
   */
  take(entry: ElectionEntry, upload: Upload): Promise<TakenUpload>;
  /** The accepted versions from this `seq` on, in its order. */
  accepted(entry: ElectionEntry, seq: number, count: number): Promise<readonly AcceptedVersion[]>;
  /** The accepted versions below this `seq`, counted by SQL alone. */
  recount(entry: ElectionEntry, seqEnd: number, signal: AbortSignal): Promise<StoredReturns>;
}
