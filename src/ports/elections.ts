import { assert } from '../domain/assert.ts';
import type { ReplayedVotes } from '../domain/ballots/replay.ts';
import type { DefinitionFormat } from '../domain/election/definition.ts';
import type { Election, ElectionId } from '../domain/election/election.ts';
import type { ElectionOrigin } from '../domain/election/origin.ts';

export interface ElectionEntry {
  readonly election_no: number;
  readonly id: ElectionId;
  readonly name: string;
  /**
   * The inputs that the election was made from, as `run` compares them. A seed that was drawn is
   * not among them.
   */
  readonly arguments: ElectionOrigin;
  readonly seed: string;
  readonly partitions: number;
  /** The definition with its description as last revised. */
  readonly definition: Election | null;
  readonly format: DefinitionFormat;
  /** The hash in every box and batch: it never changes. */
  readonly definition_hash: string | null;
  /** The number of the description in force; 0 is the one that the election was made with. */
  readonly revision: number;
  /** The generation of the results: a recount that was ordered begins the next one. */
  readonly generation: number;
  /** The number of voters, once all are in the log. */
  readonly voters_total: number | null;
}

/** The definition of an election that is defined. */
export function definitionOf({ definition }: ElectionEntry): Election {
  assert(definition !== null, 'the election is defined');
  return definition;
}

export interface NewElection extends Pick<ElectionEntry, 'id' | 'name' | 'arguments' | 'seed' | 'partitions'> {}

/** The election that a start asks for. */
export interface WantedElection extends NewElection {
  /** True where no other id will do; false where a number may stand behind it. */
  readonly exact_id: boolean;
  /** True where a new election is made in any case. */
  readonly fresh: boolean;
}

export interface Elections {
  /** The election made last, or null in a new database. */
  latest(): Promise<ElectionEntry | null>;
  find(id: ElectionId): Promise<ElectionEntry | null>;
  /** @throws OperationalError ELECTION_DIFFERS where the id is taken. */
  create(entry: NewElection): Promise<ElectionEntry>;
  /**
   * Finds the election that was made from the same inputs, or makes it. Of any number of processes
   * that ask at once, one makes it and the others find it. Where none is of these inputs, but
   * there are others, it gives the one made last, which the caller refuses.
   * @throws OperationalError ELECTION_DIFFERS where a new election needs an id that is taken.
   */
  findOrCreate(wanted: WantedElection): Promise<ElectionEntry>;
  /**
   * Fixes the definition, once: tables and topic `definition` in one transaction. A second call
   * with the same one does nothing.
   * @throws OperationalError ELECTION_DIFFERS where the election already has another definition.
   */
  define(entry: ElectionEntry, election: Election, replayed?: readonly ReplayedVotes[]): Promise<ElectionEntry>;
  /**
   * Makes a revision of the description, in tables and topic `definition` in one transaction. Where
   * nothing differs it does nothing.
   * @returns the election as it is now.
   * @throws OperationalError INPUT_REFUSED where the counting definition would change.
   */
  revise(entry: ElectionEntry, election: Election): Promise<ElectionEntry>;
  /** The real results that are cast again; empty for an election that is not a replay. */
  replayed(entry: ElectionEntry): Promise<readonly ReplayedVotes[]>;
  /**
   * How many votes each partition of the log holds; of an election of returns, how many versions.
   */
  entriesInLog(entry: ElectionEntry): Promise<readonly number[]>;
  /**
   * Orders a recount: the next count begins at the first vote, whatever was published.
   * @returns the election with its new generation.
   */
  beginGeneration(entry: ElectionEntry): Promise<ElectionEntry>;
  /** Fixes the counting engine at the first count. @returns the engine it is fixed to. */
  fixEngine(entry: ElectionEntry, engine: 'local' | 'spark'): Promise<'local' | 'spark'>;
}
