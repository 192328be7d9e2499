import { layOutVotes, type ReplayedVotes, STATED_BALLOTS, scaleCells } from '../domain/ballots/replay.ts';
import { sumOf } from '../domain/counts.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';
import { cellAt, indexElection } from '../domain/election/election-index.ts';
import { originOf } from '../domain/election/origin.ts';
import { GENERATED_CANDIDATES, generateElection } from '../domain/generated/generated-election.ts';
import { apportion } from '../domain/numbers/apportion.ts';
import { refusal } from '../files/problems.ts';
import { readElectionFile } from '../formats/election-file.ts';
import { readResults } from '../formats/results/results.ts';
import { openApiOrigin } from './api-origin.ts';
import { generateCandidateNames } from './generated-people.ts';
import { filesOf, type OpenedOrigin, type OriginOptions, type Say, TURNOUT_DEFAULT, VOTERS_DEFAULT } from './origin.ts';
import { openRollOrigin } from './roll-origin.ts';

/**
 * Reads and checks the inputs that the options name.
 * @throws OperationalError INPUT_REFUSED with every problem by file and line.
 */
export async function readOrigin(options: OriginOptions, say: Say): Promise<OpenedOrigin> {
  if (options.results !== null) return openResultsOrigin(options, options.results, say);
  if (options.roll !== null) return openRollOrigin(options, options.roll, say);
  if (options.api !== null) return openApiOrigin(options, options.api, say);
  return options.election === null ? generated(options) : defined(options, options.election, say);
}

/** Tallyroom's own election: everything in it is generated. */
function generated(options: OriginOptions): OpenedOrigin {
  const voters = options.voters ?? VOTERS_DEFAULT;
  const turnout = options.turnout ?? TURNOUT_DEFAULT;
  return {
    origin: originOf({ kind: 'generated', voters, turnout }),
    id: 'generated' as ElectionId,
    name: 'Generated election',
    define: async ({ entry }) => ({
      election: generateElection({
        id: entry.id,
        seed: entry.seed,
        voters,
        candidateNames: generateCandidateNames(entry.seed, GENERATED_CANDIDATES),
      }),
    }),
  };
}

/**
 * A defined election. One of official returns has no voters. One of ballots has generated voters,
 * which makes it a test: each location has as many as the file says are registered there, or its
 * share of `voters`.
 */
async function defined(options: OriginOptions, path: string, say: Say): Promise<OpenedOrigin> {
  const { election, sha256, notices } = await readElectionFile(path);
  for (const notice of notices) say(notice);
  if (election.source === 'returns')
    return {
      origin: originOf({ kind: 'returns', ...filesOf({ election: sha256 }, options) }),
      id: election.id,
      name: election.name,
      define: async ({ entry }) => ({ election: { ...election, id: entry.id } }),
    };
  const registered = election.locations.map((location) => location.registered_voters);
  if (options.voters === null && registered.includes(null))
    throw refusal(
      path,
      null,
      `locations[${registered.indexOf(null)}].registered_voters`,
      'the number of voters is not known',
      'give it, or say how many voters to generate with --voters N, or name the roll with --roll FILE',
    );
  const weights = registered.every((each) => each === null)
    ? registered.map(() => 1)
    : registered.map((each) => each ?? 0);
  const sizes = options.voters === null ? weights : [...apportion(weights, options.voters)];
  const locations = election.locations.map((location, i) => ({ ...location, registered_voters: sizes[i]! }));
  return {
    origin: originOf({
      kind: 'generated',
      voters: options.voters,
      turnout: options.turnout ?? TURNOUT_DEFAULT,
      ...filesOf({ election: sha256 }, options),
    }),
    id: election.id,
    name: election.name,
    define: async ({ entry }) => ({ election: { ...election, id: entry.id, is_test: true, locations } }),
  };
}

/** The results of a real election, whose votes are cast again. */
async function openResultsOrigin(options: OriginOptions, path: string, say: Say): Promise<OpenedOrigin> {
  const { election, votes, sha256, electorate_sha256, notices } = await readResults(path, {
    electorate: options.electorate,
    ...(options.readings === null ? {} : { readings: options.readings }),
  });
  for (const notice of notices) say(notice);
  const sampled =
    options.scale === null || options.scale === 1 ? { election, votes } : scaled(election, votes, options.scale);
  return {
    origin: originOf({
      kind: 'results',
      scale: options.scale,
      readings: options.readings,
      ...filesOf({ results: sha256, electorate: electorate_sha256 }, options),
    }),
    id: election.id,
    name: election.name,
    define: async ({ entry }) => ({ election: { ...sampled.election, id: entry.id }, replayed: sampled.votes }),
  };
}

function scaled(
  election: Election,
  votes: readonly ReplayedVotes[],
  factor: number,
): { election: Election; votes: ReplayedVotes[] } {
  const index = indexElection(election);
  const electorate = election.locations.map((location) => location.registered_voters);
  const cast = votes.filter(({ candidate }) => candidate !== STATED_BALLOTS);
  const stated = votes.filter(({ candidate }) => candidate === STATED_BALLOTS);
  const counts = stated.map((row) => row.votes);
  const ballots = apportion(counts, Math.round(sumOf(counts) * factor));
  const sample = scaleCells(index, layOutVotes(index, votes), electorate, factor);
  const locations = election.locations.map((location, i) => ({
    ...location,
    registered_voters: sample.electorate[i]!,
  }));
  return {
    election: { ...election, locations },
    votes: [
      ...cast.map((row) => ({ ...row, votes: sample.cells[cellAt(index, row.location, row.candidate)]! })),
      ...stated.map((row, i) => ({ ...row, votes: ballots[i]! })),
    ],
  };
}
