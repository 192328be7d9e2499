import { ROLL_KEY_PREFIX, type RollRecord } from '../../domain/log/records.ts';
import { parseObject } from '../../domain/results/published-results.ts';
import type { RollRoot } from '../../ports/recount.ts';
import { type Check, noneOf } from './check.ts';
import type { DefinitionTopic } from './tables.ts';

/** Compares the root of the roll in topic `definition`, in table `roll_roots` and made again. */
export function compareRollRoot({ roots, root, blocks }: RollRoot, { before, after }: DefinitionTopic): Check {
  const differences: string[] = [];
  const latest = roots.at(-1);
  if (latest !== undefined && (latest.root !== root?.root || latest.voters !== root.voters))
    differences.push(`the roll has another root than revision ${latest.revision} recorded`);
  differences.push(...blocks);
  for (const row of roots) {
    const key = `${ROLL_KEY_PREFIX}${row.revision}`;
    const record = parseObject(after.get(key)?.value ?? '') as RollRecord | null;
    if (record?.root !== row.root || record.voters !== row.voters || record.revision !== row.revision)
      differences.push(`record ${key} is not as table roll_roots`);
  }
  const known = new Set(roots.map(({ revision }) => `${ROLL_KEY_PREFIX}${revision}`));
  for (const key of before.keys())
    if (key.startsWith(ROLL_KEY_PREFIX) && !known.has(key)) differences.push(`table roll_roots lacks ${key}`);
  return noneOf('the roll = its root', differences);
}
