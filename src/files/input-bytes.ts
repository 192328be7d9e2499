import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OperationalError } from '../base/errors.ts';
import { InputRefused, refusal } from './problems.ts';

/** The bytes of an input, a chunk at a time. */

/** The most bytes of one read: a file of any size takes the same memory. */
export const CHUNK_BYTES_MAX = 256 * 1024;

/**
 * Each block of a file has a hash of its own: 32 bytes for each MiB, so 32 MB for a file of 1 TB. A
 * block is held in memory until it was compared.
 */
const BLOCK_BYTES = 4 * CHUNK_BYTES_MAX;

export interface FileIdentity {
  /** SHA-256 of the bytes, hex. */
  readonly sha256: string;
  readonly bytes: number;
  /** The SHA-256 of each block of {@link BLOCK_BYTES}, one after the other. */
  readonly blocks: Buffer;
}

/** Makes the identity of a file while the file is read. */
export class FileHash {
  readonly #hash = createHash('sha256');
  #block = createHash('sha256');
  #blockBytes = 0;
  readonly #blocks: Buffer[] = [];
  #bytes = 0;

  update(chunk: Buffer): void {
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + BLOCK_BYTES - this.#blockBytes);
      this.#block.update(part);
      this.#blockBytes += part.length;
      from += part.length;
      if (this.#blockBytes === BLOCK_BYTES) this.#endBlock();
    }
  }

  #endBlock(): void {
    this.#blocks.push(this.#block.digest());
    this.#block = createHash('sha256');
    this.#blockBytes = 0;
  }

  /** The identity. Call it once, after reading the file to its end. */
  identity(): FileIdentity {
    if (this.#blockBytes > 0) this.#endBlock();
    return { sha256: this.#hash.digest('hex'), bytes: this.#bytes, blocks: Buffer.concat(this.#blocks) };
  }
}

export interface ReadOptions {
  /** Gets every byte of the file during the read. */
  readonly hash?: FileHash | undefined;
  /**
   * The identity of an earlier read. The file must still be the same: a block is given out only
   * after its hash was compared.
   */
  readonly expected?: FileIdentity | undefined;
}

/** Where {@link readBytes} found that a file is another one than before. */
export class FileChanged extends Error {}

/**
 * The bytes of a file, or of a pipe up to its end.
 * @throws InputRefused where it cannot be read; FileChanged where it is not the expected file
 */
export async function* readBytes(path: string, { hash, expected }: ReadOptions): AsyncGenerator<Buffer> {
  try {
    const chunks = expected === undefined ? readOnce(path) : readAgain(path, expected);
    for await (const chunk of chunks) {
      reading?.signal.throwIfAborted();
      hash?.update(chunk);
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof InputRefused || cause instanceof FileChanged || reading?.signal.aborted) throw cause;
    throw unreadable(path, cause);
  }
}

async function* readOnce(path: string): AsyncGenerator<Buffer> {
  if ((await stat(path)).isFIFO()) yield* readPipe(path);
  else yield* readFile(path, Number.POSITIVE_INFINITY);
}

async function* readFile(path: string, bytes: number): AsyncGenerator<Buffer> {
  if (bytes === 0) return;
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES_MAX, end: bytes - 1 });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk;
  } finally {
    stream.destroy();
  }
}

/** Reads what was read before, a block at a time, and nothing that was added behind it. */
async function* readAgain(path: string, expected: FileIdentity): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = [];
  let length = 0;
  let read = 0;
  for await (const chunk of readFile(path, expected.bytes))
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + BLOCK_BYTES - length);
      chunks.push(part);
      from += part.length;
      length += part.length;
      read += part.length;
      if (length < BLOCK_BYTES && read < expected.bytes) continue;
      if (!isBlock(chunks, expected.blocks, Math.ceil(read / BLOCK_BYTES) - 1))
        throw new FileChanged('its content differs');
      yield* chunks;
      chunks = [];
      length = 0;
    }
  if (read < expected.bytes) throw new FileChanged('it is shorter');
}

function isBlock(chunks: readonly Buffer[], blocks: Buffer, number: number): boolean {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest().equals(blocks.subarray(32 * number, 32 * (number + 1)));
}

/** A shell opens both ends of a pipe at the same moment; a person starts the writer in seconds. */
const PIPE_WRITER_MS_MAX = 10_000;
/** A download or an unpacking that gives nothing for longer has stopped. */
const PIPE_SILENCE_MS_MAX = 60_000;
/** A wait that nobody notices, and that costs the processor nothing. */
const PIPE_PAUSE_MS = 20;

/**
 * Reads a pipe without blocking: opening a pipe that nobody writes to would otherwise hold a thread
 * of the process for ever, and no signal would end it.
 */
async function* readPipe(path: string): AsyncGenerator<Buffer> {
  await using pipe = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  let hasWriter = false;
  let isTold = false;
  let last = performance.now();
  for (;;) {
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES_MAX);
    const bytes = await pipe.read(buffer, 0, buffer.length, null).then(
      ({ bytesRead }) => bytesRead,
      (error: NodeJS.ErrnoException) => (error.code === 'EAGAIN' ? null : Promise.reject(error)),
    );
    reading?.signal.throwIfAborted();
    if (bytes !== null && bytes > 0) {
      yield buffer.subarray(0, bytes);
      last = performance.now();
    }
    hasWriter ||= bytes !== 0;
    if (bytes === 0 && hasWriter) return;
    if (performance.now() - last > (hasWriter ? PIPE_SILENCE_MS_MAX : PIPE_WRITER_MS_MAX))
      throw silentPipe(path, hasWriter);
    if (bytes === 0 && !isTold)
      reading?.say(
        `${path} is a pipe. Tallyroom waits for a program to write to it, up to ${PIPE_WRITER_MS_MAX / 1_000} s.`,
      );
    isTold ||= bytes === 0;
    if (bytes === null || bytes === 0) await sleep(PIPE_PAUSE_MS);
  }
}

const silentPipe = (path: string, hasWriter: boolean): InputRefused =>
  refusal(
    path,
    null,
    null,
    hasWriter
      ? `this is a pipe, and nothing came from it for ${PIPE_SILENCE_MS_MAX / 1_000} seconds`
      : `this is a pipe, and nobody opened it for writing within ${PIPE_WRITER_MS_MAX / 1_000} seconds`,
    'start the program that writes to it first, or save its output to a file',
  );

/** The terminal of a command that reads inputs before it does anything else. */
interface Reading {
  readonly signal: AbortSignal;
  say(line: string): void;
}
let reading: Reading | null = null;

/**
 * Runs work that reads inputs; every read in it ends when the signal aborts, and a wait is told. A
 * process has one terminal, so it is not passed through each reader.
 * @throws AbortError where the signal aborts
 */
export async function readingUntil<Value>(terminal: Reading, work: () => Promise<Value>): Promise<Value> {
  reading = terminal;
  try {
    terminal.signal.throwIfAborted();
    return await work();
  } finally {
    reading = null;
  }
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
