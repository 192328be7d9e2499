import { once } from 'node:events';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { VoteColumns } from '../../domain/ballots/vote-columns.ts';
import { VOTER_PERSON_FIELDS, type VoterPerson } from '../../domain/election/voter.ts';
import { ByteText } from './byte-text.ts';
import { explain } from './explain.ts';

/**
 * Rows in PostgreSQL's binary COPY format (documentation of COPY, "Binary Format"): a signature,
 * rows of a 16-bit field count and fields of a 32-bit length with their bytes, all big-endian, and
 * a trailer.
 */
const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
const TRAILER_BYTES = 2;

/**
 * Sends one buffer as the data of a `COPY ... FROM STDIN`.
 * @throws the errors of a query: a unique violation has its `sqlState`.
 */
export async function copyIn(client: pg.Client, sql: string, data: Buffer): Promise<void> {
  const stream = client.query(copyFrom(sql));
  // The code below reports once that a server gave up in the middle. The stream fails again when it
  // sends its last data after that. Without a listener this would end the process.
  stream.on('error', () => {});
  stream.end(data);
  try {
    await once(stream, 'finish');
  } catch (cause) {
    throw explain(cause);
  }
}

/** Writes big-endian into one growing buffer that is used again for each batch. */
export class RowBuffer {
  #bytes: Buffer;
  #view: DataView;
  #at = 0;

  constructor(bytes = 1 << 20) {
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#bytes.buffer);
    SIGNATURE.copy(this.#bytes);
  }

  /** Empties it for rows of at most `bytes` bytes in all. */
  reset(bytes: number): void {
    const needed = SIGNATURE.length + bytes + TRAILER_BYTES;
    if (needed > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(needed + (needed >> 1));
      this.#view = new DataView(this.#bytes.buffer);
      SIGNATURE.copy(this.#bytes);
    }
    this.#at = SIGNATURE.length;
  }

  row(fields: number): void {
    this.#view.setInt16(this.#at, fields);
    this.#at += 2;
  }

  int4(value: number): void {
    this.#view.setInt32(this.#at, 4);
    this.#view.setInt32(this.#at + 4, value);
    this.#at += 8;
  }

  /** Writes a whole number up to 2^53 as two halves. BigInt costs ten times as much. */
  int8(value: number): void {
    this.#view.setInt32(this.#at, 8);
    this.#view.setInt32(this.#at + 4, Math.floor(value / 0x1_0000_0000));
    this.#view.setUint32(this.#at + 8, value >>> 0);
    this.#at += 12;
  }

  /**
   * Writes a one-dimensional integer[]: dimensions, null flag, element type, length, lower bound,
   * elements.
   */
  int4Array(values: Int32Array, from: number, to: number): void {
    const view = this.#view;
    let at = this.#at;
    const length = to - from;
    view.setInt32(at, length === 0 ? 12 : 20 + 8 * length);
    view.setInt32(at + 4, length === 0 ? 0 : 1);
    view.setInt32(at + 8, 0);
    view.setInt32(at + 12, INT4_TYPE);
    at += 16;
    if (length > 0) {
      view.setInt32(at, length);
      view.setInt32(at + 4, 1);
      at += 8;
      for (let i = from; i < to; i++, at += 8) {
        view.setInt32(at, 4);
        view.setInt32(at + 4, values[i]!);
      }
    }
    this.#at = at;
  }

  /** All rows with the trailer; valid until the next `reset`. */
  finish(): Buffer {
    this.#view.setInt16(this.#at, -1);
    return this.#bytes.subarray(0, this.#at + TRAILER_BYTES);
  }
}

const INT4_TYPE = 23;
const PARTICIPATION_ROW_BYTES = 2 + 12;
const VOTE_ROW_BYTES = 2 + 8 + 8 + 24;

/** Rows of `participation (voter_id)`. */
export function participationRows(rows: RowBuffer, voters: Float64Array): Buffer {
  rows.reset(voters.length * PARTICIPATION_ROW_BYTES);
  for (let i = 0; i < voters.length; i++) {
    rows.row(1);
    rows.int8(voters[i]!);
  }
  return rows.finish();
}

/** Rows of `votes (batch_no, location_no, selections)`. */
export function voteRows(rows: RowBuffer, votes: VoteColumns, batchNo: number): Buffer {
  rows.reset(votes.count * VOTE_ROW_BYTES + votes.starts[votes.count]! * 8);
  for (let i = 0; i < votes.count; i++) {
    rows.row(3);
    rows.int4(batchNo);
    rows.int4(votes.locations[i]!);
    rows.int4Array(votes.selections, votes.starts[i]!, votes.starts[i + 1]!);
  }
  return rows.finish();
}

const VOTER_ROW_BYTES = 2 + 12 + 8 + 8;

/** Rows of `voters (voter_id, election_no, location_no)`: voters without a person. */
export function voterRows(
  rows: RowBuffer,
  electionNo: number,
  ids: Float64Array,
  locations: Int32Array,
  count: number,
): Buffer {
  rows.reset(count * VOTER_ROW_BYTES);
  for (let i = 0; i < count; i++) {
    rows.row(3);
    rows.int8(ids[i]!);
    rows.int4(electionNo);
    rows.int4(locations[i]!);
  }
  return rows.finish();
}

const TAB = 0x09;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const BACKSLASH = 0x5c;
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Rows in COPY's text format: numbers first, then the fields of a person. */
export class PersonRows {
  readonly #bytes = new ByteText();

  add(numbers: readonly number[], person: VoterPerson): void {
    for (const [i, value] of numbers.entries()) {
      if (i > 0) this.#bytes.byte(TAB);
      this.#bytes.number(value);
    }
    for (const field of VOTER_PERSON_FIELDS) {
      this.#bytes.byte(TAB);
      this.#field(person[field]);
    }
    this.#bytes.byte(NEWLINE);
  }

  /** @returns the rows since the last call. They are valid until the next one is added. */
  take(): Buffer {
    return this.#bytes.take();
  }

  #field(value: string | number | null): void {
    if (value === null) this.#bytes.text('\\N');
    else if (typeof value === 'number') this.#bytes.text(`${value}`);
    else if (!this.#bytes.plain(value, SPACE, BACKSLASH))
      this.#bytes.text(value.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character]!));
  }
}
