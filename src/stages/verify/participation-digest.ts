import { addParticipation, NO_PARTICIPANTS } from '../../domain/log/participation-digest.ts';
import type { Participation } from '../../ports/recount.ts';
import { type Check, noneOf } from './check.ts';

/**
 * Compares the sum over table `participation` with the sums that the last batches of all partitions
 * carry, both of one moment. The chain covers the sums of the batches.
 */
export function compareParticipation({ sum, batches }: Participation): Check {
  const name = 'participants = the digest that the chain carries';
  const sums = batches.flatMap(({ participation }) => (participation === null ? [] : [participation]));
  if (sum === null)
    return noneOf(name, sums.length === 0 ? [] : ['the nonce of the election is not in table nonces any more']);
  const differences = batches.flatMap(({ partition, participation }) =>
    participation === null ? [`the last batch of partition ${partition} carries no digest of participants`] : [],
  );
  if (differences.length === 0 && addParticipation([NO_PARTICIPANTS, ...sums]) !== sum)
    differences.push('table participation has not the voters whose votes were cast: some were added, removed or moved');
  return noneOf(name, differences);
}
