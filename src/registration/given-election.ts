import type { Election } from '../domain/election/election.ts';
import { GENERATED_CANDIDATES, generateElection } from '../domain/generated/generated-election.ts';
import { refusal } from '../files/problems.ts';
import { type CandidatesFile, readCandidates } from '../formats/candidates.ts';
import { readElectionFile } from '../formats/election-file.ts';
import type { ElectionEntry } from '../ports/elections.ts';
import { generateCandidateNames } from './generated-people.ts';
import type { OriginOptions, Say } from './origin.ts';

/** The parts of an election that files give, where its voters come from another source. */
export interface GivenElection {
  /** The election, with locations where an election file gives them. */
  readonly election: Election | null;
  readonly candidates: CandidatesFile | null;
  readonly hashes: { readonly election: string | null; readonly candidates: string | null };
}

export async function readGivenElection(options: OriginOptions, say: Say): Promise<GivenElection> {
  const file = options.election === null ? null : await readElectionFile(options.election);
  if (file?.election.source === 'returns')
    throw refusal(
      options.election!,
      null,
      'source',
      'is "returns", and an election of official returns has no voters',
      'leave --roll and --api out, or write "ballots"',
    );
  const candidates = options.candidates === null ? null : await readCandidates(options.candidates);
  for (const notice of [...(file?.notices ?? []), ...(candidates?.notices ?? [])]) say(notice);
  return {
    election: file?.election ?? null,
    candidates,
    hashes: { election: file?.sha256 ?? null, candidates: candidates?.sha256 ?? null },
  };
}

/**
 * The definition. Parts that no file gives are generated.
 * @returns it without locations where no election file gives them; the people will name them.
 */
export function describeElection(given: GivenElection, { id, seed }: ElectionEntry, name: string): Election {
  const base =
    given.election ??
    generateElection({
      id,
      seed,
      voters: 1,
      candidateNames: generateCandidateNames(seed, GENERATED_CANDIDATES),
      name,
    });
  const { contests, parties, candidates } = given.candidates ?? base;
  return {
    ...base,
    id,
    contests,
    parties,
    candidates,
    is_test: given.candidates === null && base.is_test,
    ...(given.election === null ? { locations: [], parents: [] } : {}),
  };
}
