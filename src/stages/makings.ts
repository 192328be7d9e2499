import { resolve } from 'node:path';
import { indexBallots } from '../domain/ballot.ts';
import type { Election, ElectionId } from '../domain/election.ts';
import { GENERATED_CANDIDATES, generateElection } from '../domain/generated-election.ts';
import { scaleCells } from '../domain/replay.ts';
import { apportion } from '../domain/roll.ts';
import { readElectionFile } from '../inputs/election-file.ts';
import { generateCandidateNames } from '../inputs/generated-people.ts';
import { refusal } from '../inputs/problems.ts';
import { readResults } from '../inputs/results.ts';
import type { ReplayedVotes } from '../ports/store.ts';
import type { StageContext } from './context.ts';
import { cellsOf } from './register.ts';
import { apiMaking, rollMaking } from './stage-people.ts';

/** What an election is made from. Null is "not said", so that a later start may leave it out. */
export interface MakingOptions {
  readonly election: string | null;
  readonly candidates: string | null;
  readonly roll: string | null;
  readonly api: string | null;
  readonly results: string | null;
  readonly electorate: string | null;
  readonly scale: number | null;
  readonly voters: number | null;
  readonly turnout: number | null;
  readonly seed: string | null;
}

/** What an election is made from, as table `elections` keeps it; two starts with equal ones mean the same election. */
export interface MakingArguments {
  readonly kind: 'generated' | 'results' | 'roll' | 'api';
  readonly voters: number | null;
  readonly turnout: number | null;
  readonly scale: number | null;
  readonly api: string | null;
  /** SHA-256 of the files it was made from, by option. */
  readonly files: { readonly [option: string]: string };
  /** Where those files were; not compared. */
  readonly paths: { readonly [option: string]: string };
}

export interface Making {
  readonly arguments: MakingArguments;
  /** The id that the election gets where nobody has it. */
  readonly id: ElectionId;
  readonly name: string;
  /** Everything that is needed before the first voter can be put into the log. */
  define(context: StageContext): Promise<{ election: Election; replayed?: readonly ReplayedVotes[] }>;
}

export const VOTERS_DEFAULT = 100_000;
export const TURNOUT_DEFAULT = 0.7;

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

/** The files of a making: what is compared, and where they are to be found again. */
export function filesOf(
  hashes: { readonly [option: string]: string | null },
  options: MakingOptions,
): Pick<MakingArguments, 'files' | 'paths'> {
  const given = Object.entries(hashes).flatMap(([option, hash]) => (hash === null ? [] : [[option, hash] as const]));
  const path = (option: string): string => resolve(String(options[option as keyof MakingOptions]));
  return {
    files: Object.fromEntries(given),
    paths: Object.fromEntries(given.map(([option]) => [option, path(option)])),
  };
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
        candidate_names: generateCandidateNames(entry.seed, GENERATED_CANDIDATES),
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
  const index = indexBallots(election);
  const electorate = election.locations.map((location) => location.registered_voters);
  const sample = scaleCells(index, cellsOf(index, votes), electorate, factor);
  const locations = election.locations.map((location, i) => ({
    ...location,
    registered_voters: sample.electorate[i]!,
  }));
  const cellOf = ({ location, candidate }: ReplayedVotes): number => {
    const contest = index.contest_of_candidate[candidate]!;
    return (
      index.first_cell[index.slot_of[location * index.vote_for.length + contest]!]! +
      candidate -
      index.first_candidate[contest]!
    );
  };
  return {
    election: { ...election, locations },
    votes: votes.map((row) => ({ ...row, votes: sample.cells[cellOf(row)]! })),
  };
}
