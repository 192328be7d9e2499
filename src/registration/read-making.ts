import type { ReplayedVotes } from '../domain/ballots/replay.ts';
import { layOutVotes, scaleCells } from '../domain/ballots/replay.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';
import { cellAt, indexElection } from '../domain/election/election-index.ts';
import { GENERATED_CANDIDATES, generateElection } from '../domain/generated/generated-election.ts';
import { apportion } from '../domain/numbers/apportion.ts';
import { refusal } from '../files/problems.ts';
import { readElectionFile } from '../formats/election-file.ts';
import { readResults } from '../formats/results/results.ts';
import { generateCandidateNames } from './generated-people.ts';
import { filesOf, type Making, type MakingOptions, TURNOUT_DEFAULT, VOTERS_DEFAULT } from './making.ts';
import { apiMaking, rollMaking } from './staged-elections.ts';

/**
 * Reads and checks what the options name.
 * @param say is told what is worth knowing and no reason to refuse.
 * @throws OperationalError INPUT_REFUSED with every problem by file and line.
 */
export async function readMaking(options: MakingOptions, say: (line: string) => void): Promise<Making> {
  if (options.results !== null) return replay(options, options.results, say);
  if (options.roll !== null) return rollMaking(options, options.roll, say);
  if (options.api !== null) return apiMaking(options, options.api, say);
  return options.election === null ? invented(options) : inventedVoters(options, options.election);
}

/** The seed project's own election: nothing is given, everything is generated. */
function invented(options: MakingOptions): Making {
  const voters = options.voters ?? VOTERS_DEFAULT;
  const turnout = options.turnout ?? TURNOUT_DEFAULT;
  return {
    arguments: { kind: 'generated', voters, turnout, scale: null, api: null, files: {}, paths: {} },
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

/** A defined election with generated voters, and so a test: as many in each location as it has registered, or `voters` in proportion. */
async function inventedVoters(options: MakingOptions, path: string): Promise<Making> {
  const { election, sha256 } = await readElectionFile(path);
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
    arguments: {
      kind: 'generated',
      voters: options.voters,
      turnout: options.turnout ?? TURNOUT_DEFAULT,
      scale: null,
      api: null,
      ...filesOf({ election: sha256 }, options),
    },
    id: election.id,
    name: election.name,
    define: async ({ entry }) => ({ election: { ...election, id: entry.id, is_test: true, locations } }),
  };
}

/** A real election cast again. */
async function replay(options: MakingOptions, path: string, say: (line: string) => void): Promise<Making> {
  const { election, votes, sha256, electorate_sha256, notices } = await readResults(path, {
    electorate: options.electorate,
  });
  for (const notice of notices) say(notice);
  const sampled =
    options.scale === null || options.scale === 1 ? { election, votes } : scaled(election, votes, options.scale);
  return {
    arguments: {
      kind: 'results',
      voters: null,
      turnout: null,
      scale: options.scale,
      api: null,
      ...filesOf({ results: sha256, electorate: electorate_sha256 }, options),
    },
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
  const sample = scaleCells(index, layOutVotes(index, votes), electorate, factor);
  const locations = election.locations.map((location, i) => ({
    ...location,
    registered_voters: sample.electorate[i]!,
  }));
  return {
    election: { ...election, locations },
    votes: votes.map((row) => ({ ...row, votes: sample.cells[cellAt(index, row.location, row.candidate)]! })),
  };
}
