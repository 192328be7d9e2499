import fc from 'fast-check';
import { createVoteColumns, type VoteColumns } from '../../src/domain/ballots/vote-columns.ts';
import { countVote, createTally, type Tally } from '../../src/domain/counting/tally.ts';
import type {
  Candidate,
  CandidateId,
  Contest,
  ContestId,
  Election,
  ElectionId,
  Location,
  LocationId,
} from '../../src/domain/election/election.ts';
import {
  candidatesOf,
  contestAt,
  type ElectionIndex,
  indexElection,
  slotsOf,
} from '../../src/domain/election/election-index.ts';

/** Ids that an object used as a map, or a numeric sort, would get wrong. */
const AWKWARD_IDS = ['10', '9', '__proto__', 'constructor', 'a b', 'É', '"', '\u2028'];

const arbitraryIds = (most: number): fc.Arbitrary<string[]> =>
  fc.shuffledSubarray([...AWKWARD_IDS, 'x', 'y', 'z'], { minLength: 1, maxLength: most });

interface ContestShape {
  readonly candidates: readonly string[];
  readonly vote_for: number;
  readonly everywhere: boolean;
  readonly there: readonly boolean[];
}

const arbitraryShape: fc.Arbitrary<ContestShape> = fc.record({
  candidates: arbitraryIds(5),
  vote_for: fc.integer({ min: 1, max: 3 }),
  everywhere: fc.boolean(),
  there: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
});

/**
 * Small valid elections: 1 to 3 contests, of one or more votes, some of them valid in a part of the
 * 1 to 5 locations.
 */
export const arbitraryElection: fc.Arbitrary<Election> = fc
  .tuple(
    arbitraryIds(5),
    arbitraryIds(3).chain((ids) =>
      fc.tuple(fc.constant(ids), fc.array(arbitraryShape, { minLength: 3, maxLength: 3 })),
    ),
    fc.array(fc.option(fc.nat(60)), { minLength: 5, maxLength: 5 }),
  )
  .map(([locationIds, [contestIds, shapes], registered]) => {
    const contests = contestIds.map(
      (id, c): Contest => ({
        id: id as ContestId,
        name: `Contest ${id}`,
        vote_for: shapes[c]!.vote_for,
        seats: 1,
        location_ids: shapes[c]!.everywhere
          ? null
          : locationIds.filter((_, l) => shapes[c]!.there[l]).map((each) => each as LocationId),
      }),
    );
    const candidates = contestIds.flatMap((contest, c) =>
      shapes[c]!.candidates.map(
        (id): Candidate => ({
          id: id as CandidateId,
          contest_id: contest as ContestId,
          name: id,
          party_id: null,
          aggregate: false,
          biography: null,
          platform: null,
          photo: null,
        }),
      ),
    );
    const locations = locationIds.map(
      (id, l): Location => ({
        id: id as LocationId,
        name: id,
        type: 'county',
        parent_id: null,
        registered_voters: registered[l]!,
      }),
    );
    return {
      id: 'test' as ElectionId,
      name: 'Test',
      date: null,
      is_test: true,
      source: 'ballots',
      contests,
      parties: [],
      candidates,
      locations,
      parents: [],
    };
  });

export interface Ballot {
  readonly location: number;
  /** Candidate numbers, ascending. */
  readonly selections: readonly number[];
}

/** The numbers of the candidates in a location, ascending. */
export function candidatesAt(index: ElectionIndex, location: number): number[] {
  return slotsOf(index, location).flatMap((slot) => candidatesOf(index, contestAt(index, slot)));
}

/** Ballots of an election, blank and overvoted ones among them. */
export const arbitraryBallots = (index: ElectionIndex): fc.Arbitrary<Ballot[]> =>
  fc.array(
    fc
      .nat(index.election.locations.length - 1)
      .chain((location) =>
        fc.record({ location: fc.constant(location), selections: fc.subarray(candidatesAt(index, location)) }),
      ),
    { maxLength: 60 },
  );

export const arbitraryElectionWithBallots: fc.Arbitrary<{ index: ElectionIndex; ballots: Ballot[] }> = arbitraryElection
  .map(indexElection)
  .chain((index) => fc.record({ index: fc.constant(index), ballots: arbitraryBallots(index) }));

/** Ballots in the form that the counting loops take. */
export function toColumns(ballots: readonly Ballot[]): VoteColumns {
  const columns = createVoteColumns(
    ballots.length,
    ballots.reduce((sum, { selections }) => sum + selections.length, 0),
  );
  for (const { location, selections } of ballots) {
    const start = columns.starts[columns.count]!;
    columns.locations[columns.count] = location;
    columns.selections.set(selections, start);
    columns.count++;
    columns.starts[columns.count] = start + selections.length;
  }
  return columns;
}

/** Counts ballots one by one. */
export function tallyOf(index: ElectionIndex, ballots: readonly Ballot[], tally: Tally = createTally(index)): Tally {
  const columns = toColumns(ballots);
  for (let i = 0; i < columns.count; i++) countVote(index, tally, columns, i);
  return tally;
}
