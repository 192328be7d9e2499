import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { OperationalError } from '../base/errors.ts';
import { InputRefused, refusal } from './problems.ts';

/**
 * Text files of any size, a block of lines at a time: bounded memory, checked encoding, exact line
 * numbers.
 */

/** The most bytes of one read: a file of any size takes the same memory. */
const CHUNK_BYTES_MAX = 256 * 1024;

/**
 * The longest line of a table, with room for a portrait in a data URI. A line is held in memory
 * whole, so a longer one is refused.
 */
export const LINE_BYTES_MAX = 1_000_000;

const NEWLINE = 0x0a;

export interface LineBlock {
  /** The number of the first line, from 1. */
  readonly first_line: number;
  /**
   * The lines without their line ends; null stands for a line longer than {@link LINE_BYTES_MAX}.
   */
  readonly lines: readonly (string | null)[];
}

interface ByteBlock {
  readonly first_line: number;
  /** Whole lines, valid UTF-8; null for one line that is too long. */
  readonly bytes: Buffer | null;
}

export interface FileIdentity {
  /** SHA-256 of the bytes, hex. */
  readonly sha256: string;
  readonly bytes: number;
}

/** Makes the identity of a file while the file is read. */
export class FileHash {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  update(chunk: Buffer): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
  }

  /** The identity. Call it once, after reading the file to its end. */
  identity(): FileIdentity {
    return { sha256: this.#hash.digest('hex'), bytes: this.#bytes };
  }
}

/**
 * Reads a file once for its identity. A file that is useless as a whole (empty, not text, not
 * UTF-8) is refused here, before any row of it is used.
 * @throws InputRefused
 */
export async function identifyFile(path: string): Promise<FileIdentity> {
  const hash = new FileHash();
  for await (const _ of readBlocks(path, 1, hash));
  return hash.identity();
}

/**
 * The lines of a UTF-8 file from line `fromLine` on, a byte order mark and carriage returns
 * removed.
 * @param hash gets every byte of the file during the read
 * @throws InputRefused when the file cannot be read, is empty, not text or not UTF-8
 */
export async function* readLines(path: string, fromLine = 1, hash?: FileHash): AsyncGenerator<LineBlock> {
  for await (const { first_line, bytes } of readBlocks(path, fromLine, hash)) {
    if (bytes === null) {
      yield { first_line, lines: [null] };
      continue;
    }
    const text = bytes.toString('utf8');
    const lines: (string | null)[] = text.split('\n');
    if (text.endsWith('\n')) lines.pop();
    if (first_line === 1 && text.startsWith('\ufeff')) lines[0] = lines[0]!.slice(1);
    for (let i = 0; i < lines.length; i++) {
      const line = lines[i]!;
      if (line.length > LINE_BYTES_MAX) lines[i] = null;
      else if (line.endsWith('\r')) lines[i] = line.slice(0, -1);
    }
    yield { first_line, lines };
  }
}

/**
 * A file that is read more than once must give the same bytes again, and a pipe does not.
 * @throws InputRefused for a pipe or a device
 */
export async function assertReadableTwice(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null || found.isFile() || found.isDirectory()) return;
  throw refusal(
    path,
    null,
    null,
    'it is read more than once, and this is a pipe or a device',
    'save it to a file first',
  );
}

async function* readBlocks(path: string, fromLine: number, hash?: FileHash): AsyncGenerator<ByteBlock> {
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES_MAX });
  let line = 1;
  let carry: Buffer = Buffer.alloc(0);
  let isTooLong = false;
  let isFirst = true;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (isFirst) checkHead(path, chunk);
      isFirst = false;
      hash?.update(chunk);
      let from = 0;
      for (; line < fromLine && from < chunk.length; line++) {
        const newline = chunk.indexOf(NEWLINE, from);
        if (newline === -1) break;
        from = newline + 1;
      }
      if (line < fromLine) continue;
      if (isTooLong) {
        const newline = chunk.indexOf(NEWLINE, from);
        if (newline === -1) continue;
        yield { first_line: line++, bytes: null };
        isTooLong = false;
        from = newline + 1;
      }
      const rest = chunk.subarray(from);
      const buffer = carry.length === 0 ? rest : Buffer.concat([carry, rest]);
      const end = buffer.lastIndexOf(NEWLINE) + 1;
      carry = buffer.subarray(end);
      if (end > 0) {
        const bytes = buffer.subarray(0, end);
        checkEncoding(path, line, bytes);
        yield { first_line: line, bytes };
        line = lineAfter(line, bytes);
      }
      if (carry.length > LINE_BYTES_MAX) {
        isTooLong = true;
        carry = Buffer.alloc(0);
      }
    }
  } catch (cause) {
    throw cause instanceof InputRefused ? cause : unreadable(path, cause);
  } finally {
    stream.destroy();
  }
  if (isFirst) throw refusal(path, null, null, 'the file is empty', 'export it again and check that it has content');
  if (isTooLong) yield { first_line: line, bytes: null };
  else if (carry.length > 0) {
    checkEncoding(path, line, carry);
    yield { first_line: line, bytes: carry };
  }
}

function lineAfter(line: number, bytes: Buffer): number {
  let after = line;
  for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) after++;
  return after;
}

/** @throws InputRefused with the line of the first bytes that are not UTF-8 */
function checkEncoding(path: string, firstLine: number, bytes: Buffer): void {
  if (isUtf8(bytes)) return;
  let line = firstLine;
  for (let from = 0; from < bytes.length; line++) {
    const newline = bytes.indexOf(NEWLINE, from);
    const end = newline === -1 ? bytes.length : newline + 1;
    if (!isUtf8(bytes.subarray(from, end))) break;
    from = end;
  }
  throw refusal(
    path,
    line,
    null,
    'the text is not UTF-8; it may be Latin-1 or Windows-1252',
    `convert it with: iconv -f WINDOWS-1252 -t UTF-8 ${shellQuote(path)} > ${shellQuote(`${path}.utf8`)}`,
  );
}

const shellQuote = (path: string): string => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);

/**
 * Refuses kinds of files that are often given by mistake. Their first bytes show the kind. @throws
 * InputRefused
 */
function checkHead(path: string, head: Buffer): void {
  const begins = (...bytes: number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  if (begins(0xff, 0xfe) || begins(0xfe, 0xff))
    throw refusal(
      path,
      1,
      null,
      'the text is UTF-16, not UTF-8',
      `convert it with: iconv -f UTF-16 -t UTF-8 ${shellQuote(path)} > ${shellQuote(`${path}.utf8`)}`,
    );
  if (begins(0x50, 0x4b, 0x03, 0x04))
    throw refusal(path, null, null, 'this is a workbook or ZIP archive', 'export its sheet as CSV in UTF-8');
  if (begins(0x1f, 0x8b))
    throw refusal(path, null, null, 'this is compressed with gzip', 'unpack it with gunzip first');
  const text = head
    .subarray(0, 1_000)
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimStart()
    .toLowerCase();
  if (/^<(!doctype|html|head|body|!--|\?xml)/.test(text))
    throw refusal(
      path,
      1,
      null,
      'this is an HTML page, often an error or login page saved instead of the file',
      'open the address in a browser and download the file itself',
    );
}

function unreadable(path: string, cause: unknown): OperationalError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const [reason, nextStep] =
    code === 'ENOENT'
      ? ['there is no such file', 'check the name']
      : code === 'EISDIR'
        ? ['this is a directory', 'name a file in it']
        : code === 'EACCES' || code === 'EPERM'
          ? ['it may not be read by this user', 'change its permissions']
          : [`it cannot be read (${cause instanceof Error ? cause.message : cause})`, 'check the disk it is on'];
  return refusal(path, null, null, reason!, nextStep!);
}

/**
 * Reads a small file whole, as text without a byte order mark.
 * @throws InputRefused when it cannot be read, is empty, longer than `bytesMax`, not text or not
 * UTF-8
 */
export async function readWhole(path: string, bytesMax: number): Promise<{ text: string; sha256: string }> {
  const chunks: Buffer[] = [];
  let length = 0;
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES_MAX });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (length === 0) checkHead(path, chunk);
      chunks.push(chunk);
      length += chunk.length;
      if (length > bytesMax)
        throw refusal(path, null, null, `the file is larger than ${bytesMax} bytes`, 'split it or make it smaller');
    }
  } catch (cause) {
    throw cause instanceof InputRefused ? cause : unreadable(path, cause);
  } finally {
    stream.destroy();
  }
  const bytes = Buffer.concat(chunks);
  if (length === 0) throw refusal(path, null, null, 'the file is empty', 'check that it was saved');
  checkEncoding(path, 1, bytes);
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  return { text, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/**
 * A stream that was written to a file, so that it can be identified first and read from any line.
 */
export interface SpooledInput {
  readonly path: string;
  /** Deletes the file; a second call does nothing. */
  remove(): Promise<void>;
}

/**
 * Writes standard input to a file that only this user can read, because it holds the votes of named
 * voters.
 * @param directory is made where it is missing
 * @throws OperationalError INPUT_REFUSED when the file cannot be written
 */
export async function spoolInput(input: NodeJS.ReadableStream, directory: string): Promise<SpooledInput> {
  const path = join(directory, `standard-input-${process.pid}-${process.hrtime.bigint()}`);
  const remove = (): Promise<void> => rm(path, { force: true });
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await pipeline(input, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  } catch (cause) {
    await remove();
    throw new OperationalError('INPUT_REFUSED', {
      message: `standard input could not be written to ${directory}: ${cause instanceof Error ? cause.message : cause}`,
      nextStep: 'Make room or permission there, or give a file instead of -.',
      cause,
    });
  }
  return { path, remove };
}
