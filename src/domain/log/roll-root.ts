/**
 * The root of the roll: one hash that binds the registration number, UUID and location of every
 * voter. Voters are hashed in blocks, as they were registered; the root is the hash of this text
 * over all blocks and removals. docs/exactness.md says what it finds.
 */

export interface RollBlock {
  /** The voter ids of the block, divided by the ids in a block. */
  readonly block: number;
  /** The revision of the roll that added its voters; 0 for those registered first. */
  readonly revision: number;
  readonly voters: number;
  /** SHA-256 over the voters, made with the nonce of the election; hex. */
  readonly digest: string;
}

export interface RemovedVoter {
  readonly voter_id: number;
  /** The revision that removed the voter. */
  readonly revision: number;
  readonly reason: string;
}

/**
 * The text whose SHA-256 is the root of the roll at a revision. Blocks that came later are left
 * out, and so are later removals.
 * @param blocks in ascending order
 * @param removals in ascending order of voters
 */
export function rollRootText(
  revision: number,
  blocks: readonly RollBlock[],
  removals: readonly RemovedVoter[],
): string {
  let text = '';
  for (const block of blocks)
    if (block.revision <= revision) text += `block ${block.block} ${block.revision} ${block.voters} ${block.digest}\n`;
  for (const removal of removals)
    if (removal.revision <= revision) text += `removal ${removal.voter_id} ${removal.revision} ${removal.reason}\n`;
  return text;
}
