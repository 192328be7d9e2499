import { createHash } from 'node:crypto';
import type { Election, ElectionId } from '../domain/election.ts';
import { GENERATED_CANDIDATES, generateElection } from '../domain/generated-election.ts';
import { generateCandidateNames } from '../inputs/generated-people.ts';
import type { ReplayedVotes } from '../ports/store.ts';
import type { StageContext } from './context.ts';

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

const NO_FILES = { files: {}, paths: {} };

/**
 * Reads and checks what the options name. @throws OperationalError INPUT_REFUSED with every problem by file and line.
 */
export async function readMaking(options: MakingOptions, _say: (line: string) => void): Promise<Making> {
  return invented(options);
}

function invented(options: MakingOptions): Making {
  const voters = options.voters ?? VOTERS_DEFAULT;
  const turnout = options.turnout ?? TURNOUT_DEFAULT;
  return {
    arguments: { kind: 'generated', voters, turnout, scale: null, api: null, ...NO_FILES },
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

export const sha256OfBytes = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
