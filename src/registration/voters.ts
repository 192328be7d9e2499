import type { Chooser } from '../domain/ballots/chooser.ts';
import {
  createReplay,
  layOutVotes,
  type ReplayedVotes,
  replayedVoters,
  statedBallots,
} from '../domain/ballots/replay.ts';
import { createSimulation } from '../domain/ballots/simulate.ts';
import { indexElection } from '../domain/election/election-index.ts';
import { definitionOf, type ElectionEntry } from '../ports/elections.ts';
import { TURNOUT_DEFAULT } from './origin.ts';

/** The number of voters on the roll, by location. */
export function votersByLocation(entry: ElectionEntry, replayed: readonly ReplayedVotes[]): ArrayLike<number> {
  const definition = definitionOf(entry);
  if (entry.arguments.kind !== 'results')
    return definition.locations.map((location) => location.registered_voters ?? 0);
  const index = indexElection(definition);
  return replayedVoters(index, layOutVotes(index, replayed), statedBallots(index, replayed));
}

/** The number of voters on the roll. */
export const votersOf = (entry: ElectionEntry, replayed: readonly ReplayedVotes[]): number =>
  Array.from(votersByLocation(entry, replayed)).reduce((sum, size) => sum + size, 0);

/**
 * The choices of voters where no real votes are given: a replay of real results, or a simulation.
 */
export function chooserOf(entry: ElectionEntry, replayed: readonly ReplayedVotes[]): Chooser {
  const { kind, turnout } = entry.arguments;
  const index = indexElection(definitionOf(entry));
  return kind === 'results'
    ? createReplay(index, layOutVotes(index, replayed), entry.seed, statedBallots(index, replayed))
    : createSimulation(index, votersByLocation(entry, []), turnout ?? TURNOUT_DEFAULT, entry.seed);
}
