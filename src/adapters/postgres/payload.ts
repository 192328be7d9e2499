import { constants as zlib, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { OperationalError } from '../../base/errors.ts';

/**
 * Level 1: 20,000 simulated votes, 2 MB of JSON, become 10 KB in 2 ms. Higher levels cost more time
 * than the disk they save.
 */
const COMPRESSION = { params: { [zlib.ZSTD_c_compressionLevel]: 1 } };

/** Our batches stay far below this. A wrong length in a damaged row cannot fill the memory. */
const PAYLOAD_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Node grows the output by 16 KB at a time by default, which takes 2.8 ms for 20,000 votes. With
 * larger steps it takes 0.9 ms.
 */
const STEP_BYTES = 256 * 1024;
const STEP_BYTES_SMALL = 16 * 1024;
const SMALL_PAYLOAD_BYTES = 2 * 1024;

/** The records of a batch as column `payload` of table `log` holds them. */
export const pack = (text: string): Buffer => zstdCompressSync(text, COMPRESSION);

/** @throws OperationalError LOG_DAMAGED */
export function unpack(payload: Buffer): Buffer {
  const chunkSize = payload.length < SMALL_PAYLOAD_BYTES ? STEP_BYTES_SMALL : STEP_BYTES;
  try {
    return zstdDecompressSync(payload, { chunkSize, maxOutputLength: PAYLOAD_BYTES_MAX });
  } catch (cause) {
    throw new OperationalError('LOG_DAMAGED', {
      message: `a batch of table log cannot be unpacked: ${cause instanceof Error ? cause.message : cause}`,
      nextStep: 'Stop and keep everything as it is, then restore PostgreSQL from a backup.',
      cause,
    });
  }
}
