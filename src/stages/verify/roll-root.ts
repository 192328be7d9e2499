import { sha256 } from '../../base/sha256.ts';
import { ROLL_KEY, type RollRecord, rollKey } from '../../domain/log/records.ts';
import { rollRootText } from '../../domain/log/roll-root.ts';
import { parseObject } from '../../domain/results/published-results.ts';
import { VOTERS_PER_BATCH_MAX } from '../../ports/roll.ts';
import { type Check, type DefinitionTopic, DIFFERENCES_SHOWN_MAX, noneOf, type Verification } from './check.ts';

/**
 * Compares the roots of the roll in table `roll_roots` with those in topic `definition`: one for
 * the roll as it was registered, and one for each revision that changed it.
 */
export function differingRoots({ moment }: Verification, { before, after }: DefinitionTopic): string[] {
  const differences: string[] = [];
  const { has_nonce, roll_blocks, roll_roots, revisions, election } = moment;
  if (!has_nonce) {
    if (roll_blocks.length > 0 || roll_roots.length > 0) differences.push('table nonces lacks the nonce of the roll');
  } else if (election.voters_total !== null) {
    const changed = revisions.filter(({ reason }) => reason !== 'description').map(({ revision }) => Number(revision));
    const wanted = [0, ...changed].join(', ');
    const stored = roll_roots.map(({ revision }) => revision).join(', ');
    if (stored !== wanted)
      differences.push(`table roll_roots has the revisions "${stored}", and the roll was changed by "${wanted}"`);
  }
  const roots = new Map(roll_roots.map((row) => [rollKey(row.revision), row]));
  for (const [key, { revision, root }] of roots) {
    const record = parseObject(after.get(key)?.value ?? '') as RollRecord | null;
    if (record?.revision !== revision || record.root !== root)
      differences.push(`record ${key} is not as in table roll_roots`);
  }
  for (const key of before.keys())
    if (ROLL_KEY.test(key) && !roots.has(key)) differences.push(`table roll_roots lacks ${key}`);
  return differences;
}

/**
 * Makes every block of the roll again from table `voters`, and the roots from the blocks. So a
 * registration number, UUID or location that was changed since is found.
 */
export async function compareRollRoot({ entry, recount, moment, signal }: Verification): Promise<Check> {
  const { roll_blocks: blocks, roll_roots, removals } = moment;
  const differences: string[] = [];
  for (const { revision, root } of roll_roots)
    if (sha256(rollRootText(revision, blocks, removals)) !== root)
      differences.push(`table roll_blocks and the removed voters do not give root ${rollKey(revision)}`);
  const numbers = blocks.map(({ block }) => block);
  let at = 0;
  for await (const counted of recount.rollBlocks(entry, numbers, signal)) {
    const { block, voters, digest } = blocks[at++]!;
    const first = block * VOTERS_PER_BATCH_MAX;
    const place = `table voters, voter ${first} to ${first + VOTERS_PER_BATCH_MAX - 1}`;
    if (counted.voters !== voters)
      differences.push(`${place}: ${voters} were registered, and ${counted.voters} are there`);
    else if (counted.digest !== digest)
      differences.push(`${place}: registration numbers, UUIDs or locations are not as they were registered`);
    if (differences.length >= DIFFERENCES_SHOWN_MAX) break;
  }
  return noneOf('table voters = the root of the roll', differences);
}

/** Why the roll has no root; empty where it has one. */
export const rollNotCovered = ({ moment }: Verification): string[] =>
  moment.has_nonce || moment.roll_roots.length > 0
    ? []
    : ['not covered: registration numbers and UUIDs of the roll, since the election was made before roots of rolls'];
