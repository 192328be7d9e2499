import { createCipheriv, hash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { ParticipationDigest } from '../../domain/log/participation-digest.ts';

/**
 * The secret of an election. Only digests that are made with it leave the database, so no caller
 * may print it, publish it or give it away.
 */
export type Nonce = Buffer;

const NONCE_BYTES = 32;

export const insertNonce = (client: pg.Client, electionNo: number): Promise<unknown> =>
  client.query('INSERT INTO nonces VALUES ($1, $2)', [electionNo, randomBytes(NONCE_BYTES)]);

/** @returns null for an election made before digests. */
export async function readNonce(client: pg.Client, electionNo: number): Promise<Nonce | null> {
  const { rows } = await client.query<{ nonce: Buffer }>('SELECT nonce FROM nonces WHERE election_no = $1', [
    electionNo,
  ]);
  return rows[0]?.nonce ?? null;
}

/** Each use has a key of its own, so that one tells nothing about another. */
const keyFor = (nonce: Nonce, use: string): Buffer =>
  hash('sha256', Buffer.concat([Buffer.from(`tallyroom ${use} `), nonce]), 'buffer');

/** Single blocks of AES-256 are pseudorandom numbers: no block of one digest repeats another. */
export function participationDigest(nonce: Nonce): ParticipationDigest {
  const cipher = createCipheriv('aes-256-ecb', keyFor(nonce, 'participation'), null).setAutoPadding(false);
  return new ParticipationDigest((blocks) => cipher.update(blocks));
}

/** Makes the digest of a block of the roll from the SHA-256 of its voters. */
export function rollDigest(nonce: Nonce): (voters: Buffer) => string {
  const key = keyFor(nonce, 'roll');
  return (voters) => hash('sha256', Buffer.concat([key, voters]));
}
