import { isUtf8 } from 'node:buffer';
import { stat } from 'node:fs/promises';
import { checkHead, type Encoding, encodingOf } from './file-kinds.ts';
import { FileChanged, FileHash, type FileIdentity, type ReadOptions, readBytes } from './input-bytes.ts';
import { type InputProblem, refusal } from './problems.ts';

/**
 * Text files of any size, a block of lines at a time: bounded memory, checked encoding, exact line
 * numbers.
 */

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

/**
 * Reads a file once for its identity. A file that is useless as a whole (empty, not text, not
 * UTF-8) is refused here, before any row of it is used.
 * @throws InputRefused
 */
export async function identifyFile(path: string): Promise<FileIdentity> {
  const hash = new FileHash();
  for await (const _ of readBlocks(path, 1, { hash }));
  return hash.identity();
}

/**
 * The lines of a UTF-8 file from line `fromLine` on, a byte order mark and carriage returns
 * removed.
 * @throws InputRefused when the file cannot be read, is empty, not text, not UTF-8, or not the
 * expected one
 */
export async function* readLines(path: string, fromLine = 1, options: ReadOptions = {}): AsyncGenerator<LineBlock> {
  for await (const { first_line, bytes } of readBlocks(path, fromLine, options)) {
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

async function* readBlocks(path: string, fromLine: number, options: ReadOptions): AsyncGenerator<ByteBlock> {
  let line = 1;
  let carry: Buffer = Buffer.alloc(0);
  let isTooLong = false;
  let isEmpty = true;
  try {
    for await (const chunk of readUtf8(path, options)) {
      isEmpty = false;
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
    throw explainAt(path, line, cause);
  }
  if (isEmpty) throw refusal(path, null, null, 'the file is empty', 'export it again and check that it has content');
  if (isTooLong) yield { first_line: line, bytes: null };
  else if (carry.length > 0) {
    checkEncoding(path, line, carry);
    yield { first_line: line, bytes: carry };
  }
}

/** @param line the first line that was not given out */
function explainAt(path: string, line: number, cause: unknown): unknown {
  if (cause instanceof FileChanged)
    return refusal(
      path,
      line,
      null,
      `the file has changed since it was first read: from this line on or later it is another one (${cause.message})`,
      'give the file as it was to go on with it, or start again with the file as it is now; what was taken before stays',
    );
  if (cause instanceof NotUtf16)
    return refusal(path, line, null, 'from here on the text is not UTF-16, as its beginning is', 'save it as UTF-8');
  return cause;
}

/** A TextDecoder found bytes that are not UTF-16. */
class NotUtf16 extends Error {}

/** The bytes of a file as UTF-8: those of UTF-16 are converted. */
async function* readUtf8(path: string, options: ReadOptions): AsyncGenerator<Buffer> {
  let decode: ((chunk: Buffer | null) => Buffer) | null = null;
  let isFirst = true;
  for await (const chunk of readBytes(path, options)) {
    if (isFirst) {
      checkHead(path, chunk);
      decode = decoderOf(encodingOf(chunk));
      isFirst = false;
    }
    const text = decode === null ? chunk : decode(chunk);
    if (text.length > 0) yield text;
  }
  const rest = decode?.(null);
  if (rest !== undefined && rest.length > 0) yield rest;
}

/** Converts a text piece by piece; null ends it. UTF-8 stays as it is. */
function decoderOf(encoding: Encoding): ((chunk: Buffer | null) => Buffer) | null {
  if (encoding === 'utf-8') return null;
  const decoder = new TextDecoder(encoding, { fatal: true });
  return (chunk) => {
    try {
      return Buffer.from(chunk === null ? decoder.decode() : decoder.decode(chunk, { stream: true }));
    } catch {
      throw new NotUtf16();
    }
  };
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
 * Reads a small file whole, as text without a byte order mark.
 * @throws InputRefused when it cannot be read, is empty, longer than `bytesMax`, not text or not
 * UTF-8
 */
export async function readWhole(path: string, bytesMax: number): Promise<{ text: string; sha256: string }> {
  const hash = new FileHash();
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of readUtf8(path, { hash })) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > bytesMax)
        throw refusal(path, null, null, `the file is larger than ${bytesMax} bytes`, 'split it or make it smaller');
    }
  } catch (cause) {
    throw explainAt(path, 1, cause);
  }
  if (length === 0) throw refusal(path, null, null, 'the file is empty', 'check that it was saved');
  const bytes = Buffer.concat(chunks);
  checkEncoding(path, 1, bytes);
  return { text: bytes.toString('utf8').replace(/^\ufeff/, ''), sha256: hash.identity().sha256 };
}

/**
 * Finds whether a file grew behind what was read of it.
 * @param line the line after the last one that was read
 */
export async function grownProblem(path: string, { bytes }: FileIdentity, line: number): Promise<InputProblem | null> {
  const found = await stat(path).catch(() => null);
  if (found === null || found.size <= bytes) return null;
  return {
    file: path,
    line,
    column: null,
    reason: `the file has grown by ${found.size - bytes} bytes since it was first read; this line and the ones after it were not taken`,
    nextStep: 'take the new lines from a file of their own',
  };
}
